package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/net/dns/dnsmessage"
)

// functionName is what the function's replicas are called together, as pods are by their Service.
const functionName = "function.fleet.test"

// replicate runs more of the function, each at a loopback address of its own, and has Crossplane share the calls
// among them. It returns what ends them.
func (f *fleet) replicate(ctx context.Context) (done func() error, err error) {
	done = func() error { return nil }

	if f.Replicas == 1 {
		return done, nil
	}

	var started []*exec.Cmd

	names, err := answerNames(f.stack.hostPort(5353), f.Replicas)
	if err != nil {
		return done, err
	}

	i := &installer{stack: f.stack}

	done = func() error {
		err := errors.Join(i.connect(context.WithoutCancel(ctx), f.stack.hostPort(9443)), names.Close())
		for _, cmd := range started {
			err = errors.Join(err, cmd.Process.Kill(), ignoreExit(cmd.Wait()))
		}

		return err
	}

	port := strconv.Itoa(f.stack.port(9443))

	for n := 1; n < f.Replicas; n++ {
		cmd := exec.Command(f.stack.Path("function"), "--address="+net.JoinHostPort(replicaAddress(n).String(), port), //nolint:noctx // It ends with done.
			"--metrics-address=", "--tls-certs-dir="+f.stack.Path("tls", "function"))
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

		if err := cmd.Start(); err != nil {
			return done, err
		}

		started = append(started, cmd)
	}

	return done, i.connect(ctx, "dns://"+f.stack.hostPort(5353)+"/"+net.JoinHostPort(functionName, port))
}

// replicaAddress of one of them. The stack's own is the first.
func replicaAddress(n int) net.IP { return net.IPv4(127, 0, 0, byte(n+1)) }

// answerNames answers each question for an IPv4 address with those of all replicas.
func answerNames(address string, replicas int) (net.PacketConn, error) {
	conn, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return nil, err
	}

	go func() {
		packet := make([]byte, 512)

		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return // It is closed.
			}

			var m dnsmessage.Message
			if err := m.Unpack(packet[:n]); err != nil || len(m.Questions) != 1 {
				continue
			}

			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil

			for n := range replicas {
				if m.Questions[0].Type == dnsmessage.TypeA {
					m.Answers = append(m.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60},
						Body:   &dnsmessage.AResource{A: [4]byte(replicaAddress(n).To4())},
					})
				}
			}

			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()

	return conn, nil
}
