package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// downCommand stops the stack and removes everything.
type downCommand struct{}

// Run the command. A stack that is not up is no error.
func (downCommand) Run(s stack) error { return down(context.Background(), s) }

const pidFile = "supervisor.pid"

// supervisorPID in the machine's process table, 0 if it does not run.
func supervisorPID(s stack) int {
	content, err := os.ReadFile(s.Path(pidFile))
	if err != nil {
		return 0
	}

	pid, err := strconv.Atoi(string(content))
	if err != nil {
		return 0
	}

	// The number may be another process' by now.
	command, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || !strings.Contains(string(command), "--dir="+string(s.Dir)+"\x00") || !strings.HasSuffix(string(command), "\x00supervise\x00") {
		return 0
	}

	return pid
}

// down ends the stack's first process. The kernel ends the others with it, and removes
// their mounts and network.
func down(ctx context.Context, s stack) error {
	if pid := supervisorPID(s); pid != 0 {
		if err := end(pid); err != nil {
			return err
		}
	}

	// A folder that no stack made is not ours to remove.
	if !s.exists(markerFile) {
		return nil
	}

	if s.hasNode() {
		if err := s.removeNode(ctx); err != nil {
			return err
		}
	}

	return os.RemoveAll(string(s.Dir))
}

// markerFile tells a stack's folder from any other.
const markerFile = ".function-dittoserver-stack"

// claim marks the folder as the stack's. A folder that holds anything else is an error.
func (s stack) claim() error {
	if err := os.MkdirAll(string(s.Dir), 0o755); err != nil {
		return err
	}

	entries, err := os.ReadDir(string(s.Dir))
	if err != nil {
		return err
	}

	if len(entries) > 0 {
		return fmt.Errorf("STACK=%s is neither empty nor a stack's: it would be removed in the end", s.Dir)
	}

	return s.Write(nil, markerFile)
}

// end stops the supervisor, by force if it does not end by itself.
func end(pid int) error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(pid, signal); errors.Is(err, syscall.ESRCH) {
			return nil
		} else if err != nil {
			return err
		}

		for range 300 {
			// The supervisor is a child of the up that started it, and stays until that one waits for it.
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)

			// A process whose command line is gone may still be ending others.
			if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
				return nil
			}

			time.Sleep(50 * time.Millisecond)
		}
	}

	return fmt.Errorf("process %d does not end", pid)
}

// hasNode reports whether the stack that is up, or was, has a node: whatever the flags of
// this command are.
func (s stack) hasNode() bool { return s.exists("config", "kubelet.yaml") }

func (s stack) exists(elements ...string) bool {
	_, err := os.Stat(s.Path(elements...))

	return err == nil
}

// removeNode removes what the kernel does not by itself.
func (s stack) removeNode(ctx context.Context) error {
	// It keeps a network while connections in it close, for up to minutes. An interface
	// of this name may be another stack's by now.
	index, _ := os.ReadFile(s.Path(interfaceFile))
	if i, err := net.InterfaceByName(hostInterface); err == nil && strconv.Itoa(i.Index) == string(index) {
		if err := run(ctx, "ip", "link", "delete", hostInterface); err != nil {
			return err
		}
	}

	return s.removeCgroup()
}

// interfaceFile holds the index of the interface to the node.
const interfaceFile = "interface"

// cgroup is the one below which the node's pods are.
func (s stack) cgroup() string {
	return fmt.Sprintf("/dittofs-stack-%x", sha256.Sum256([]byte(s.Dir)))[:32]
}

// cgroupRoots are the hierarchies of version 1, or the one of version 2.
func cgroupRoots() ([]string, error) {
	const root = "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/cgroup.controllers"); err == nil {
		return []string{root}, nil
	}

	return filepath.Glob(root + "/*")
}

func (s stack) makeCgroup() error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}

	for _, root := range roots {
		if err := os.MkdirAll(root+s.cgroup(), 0o755); err != nil {
			return err
		}

		// A new group of cpuset has neither processors nor memory.
		for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
			if content, err := os.ReadFile(filepath.Join(root, f)); err == nil && filepath.Base(root) == "cpuset" {
				if err := os.WriteFile(filepath.Join(root+s.cgroup(), f), content, 0o644); err != nil {
					return err
				}
			}
		}
	}

	return nil
}

// removeCgroup removes the groups, which are empty once their processes are gone. It
// takes the kernel a moment to notice.
func (s stack) removeCgroup() error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}

	for _, root := range roots {
		var groups []string

		_ = filepath.WalkDir(root+s.cgroup(), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				groups = append(groups, path)
			}

			return nil
		})

		slices.Reverse(groups) // Children first.

		for _, g := range groups {
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				err := syscall.Rmdir(g)
				if err == nil || errors.Is(err, fs.ErrNotExist) {
					break
				}

				if time.Now().After(deadline) {
					return fmt.Errorf("cannot remove %s: %w", g, err)
				}
			}
		}
	}

	return nil
}
