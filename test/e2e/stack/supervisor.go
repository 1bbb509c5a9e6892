package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// superviseCommand is the stack's first process. It starts the others, starts them
// again when they end, and reaps what they leave behind. On a node it is the first
// process of namespaces, and prepares mounts and network before.
type superviseCommand struct{}

// Run until told to stop.
func (superviseCommand) Run(s stack) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	if s.node {
		if err := errors.Join(prepareMounts(), prepareNetwork(ctx)); err != nil {
			return err
		}
	}

	listener, err := new(net.ListenConfig).Listen(ctx, "unix", s.Path("supervisor.sock"))
	if err != nil {
		return err
	}

	v := &supervisor{stack: s, running: map[int]*process{}}
	for _, p := range processes(s) {
		if err := v.start(p); err != nil {
			return err
		}
	}

	go v.reap()
	go v.serve(listener)

	<-ctx.Done()
	v.stop()

	return nil
}

// prepareMounts hides the folders of this machine that kubelet, containerd and CNI
// write to and cannot be told not to.
func prepareMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot keep mounts private: %w", err)
	}

	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("cannot mount /proc: %w", err)
	}

	for _, dir := range hiddenDirs() {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("cannot mount over %s: %w", dir, err)
		}
	}

	if err := holdKernelSettings(); err != nil {
		return err
	}

	// Volumes that are mounted later show up in containers.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// holdKernelSettings shows kubelet the settings that it wants, which it would else make
// the machine's: some have no namespace.
func holdKernelSettings() error {
	for setting, value := range map[string]string{
		"vm/overcommit_memory": "1", "vm/panic_on_oom": "0",
		"kernel/panic": "10", "kernel/panic_on_oops": "1",
		"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
	} {
		shown := filepath.Join("/run", strings.ReplaceAll(setting, "/", "."))
		if err := os.WriteFile(shown, []byte(value), 0o600); err != nil {
			return err
		}

		if err := unix.Mount(shown, "/proc/sys/"+setting, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cannot hold the kernel's %s: %w", setting, err)
		}
	}

	return nil
}

// hiddenDirs are empty on the node.
func hiddenDirs() []string { return []string{"/run", "/var/lib", "/var/log"} }

func prepareNetwork(ctx context.Context) error {
	// The other end is on this machine, see connect.
	for attempt := 0; ; attempt++ {
		if _, err := net.InterfaceByName(nodeInterface); err == nil {
			break
		} else if attempt == 100 {
			return fmt.Errorf("no interface %s: %w", nodeInterface, err)
		}

		time.Sleep(100 * time.Millisecond)
	}

	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"addr", "add", nodeAddress + linkBits, "dev", nodeInterface},
		{"link", "set", nodeInterface, "up"},
		// Services are routed somewhere before kube-proxy sends them elsewhere.
		{"route", "add", "default", "via", hostAddress},
	} {
		if err := run(ctx, "ip", args...); err != nil {
			return err
		}
	}

	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
}

// run runs a command. If it fails, the error has its output.
func run(ctx context.Context, command string, args ...string) error {
	if out, err := exec.CommandContext(ctx, command, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", command, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}

	return nil
}

// A process of the stack.
type process struct {
	name string
	args []string
	env  []string

	pid     int
	started time.Time
}

type supervisor struct {
	stack stack

	mutex    sync.Mutex
	running  map[int]*process
	stopping bool
}

// stop stops every process, and waits until they are gone. Those that they left behind on
// a node the kernel ends with this process.
func (s *supervisor) stop() {
	s.mutex.Lock()
	s.stopping = true

	for pid := range s.running {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	s.mutex.Unlock()

	for range 100 {
		s.mutex.Lock()
		gone := len(s.running) == 0
		s.mutex.Unlock()

		if gone {
			return
		}

		time.Sleep(50 * time.Millisecond)
	}
}

func (s *supervisor) start(p *process) error {
	log := s.stack.Log(p.name)
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return err
	}

	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()

	cmd := exec.Command(p.args[0], p.args[1:]...) //nolint:noctx // It ends with this process.
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), p.env...)

	if !s.stack.node {
		// Without a namespace that ends, each process ends by itself.
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}

	s.mutex.Lock()
	defer s.mutex.Unlock()

	if s.stopping {
		return nil
	}

	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w", p.name, err)
	}

	p.pid, p.started = cmd.Process.Pid, time.Now()
	s.running[p.pid] = p

	return cmd.Process.Release() // reap waits for it.
}

// reap waits for every process whose parent is gone, and restarts those that should run.
func (s *supervisor) reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		if err != nil {
			time.Sleep(100 * time.Millisecond) // Interrupted, or no child right now.

			continue
		}

		s.mutex.Lock()
		p := s.running[pid]
		delete(s.running, pid)
		s.mutex.Unlock()

		if p == nil {
			continue
		}

		go func() {
			// A process that fails at once waits for what it needs.
			time.Sleep(time.Until(p.started.Add(time.Second)))

			for err := s.start(p); err != nil; err = s.start(p) {
				fmt.Fprintln(os.Stderr, err)
				time.Sleep(time.Second)
			}
		}()
	}
}

// serve requests to kill a process, a name each line. The answer is empty, or an error.
func (s *supervisor) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}

		name, _ := bufio.NewReader(conn).ReadString('\n')
		if err := s.kill(strings.TrimSpace(name)); err != nil {
			_, _ = fmt.Fprint(conn, err)
		}

		_ = conn.Close()
	}
}

func (s *supervisor) kill(name string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	for pid, p := range s.running {
		if p.name == name {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
	}

	return errors.New("no such process runs: " + name)
}

// restartCommand kills a process of the stack.
type restartCommand struct {
	Process string `arg:"" help:"Its name, e.g. kube-apiserver. The logs have the names."`
}

// Run the command.
func (c restartCommand) Run(s stack) error { return s.restart(context.Background(), c.Process) }

func (s stack) restart(ctx context.Context, process string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", s.Path("supervisor.sock"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()

	if _, err := fmt.Fprintln(conn, process); err != nil {
		return err
	}

	answer, _ := bufio.NewReader(conn).ReadString(0)
	if answer != "" {
		return errors.New(answer)
	}

	return nil
}

// pauseCommand holds the namespaces of a pod until it is told to stop.
type pauseCommand struct{}

// Run until told to stop.
func (pauseCommand) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	<-ctx.Done()

	return nil
}
