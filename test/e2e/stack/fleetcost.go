package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dittofs/function-dittoserver/test/fleetcost"
)

// sample what there is now.
func (f *fleet) sample(ctx context.Context) (fleetcost.Sample, error) {
	now := time.Now()
	api, apiErr := f.kube.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	etcd, etcdErr := scrape(ctx, f.stack.etcd(2379)+"/metrics")
	core, coreErr := scrape(ctx, "http://"+f.stack.hostPort(8080)+"/metrics")
	processes, processErr := processesOf(f.stack)

	if err := errors.Join(apiErr, etcdErr, coreErr, processErr); err != nil {
		return fleetcost.Sample{}, err
	}

	return fleetcost.NewSample(now, processes, api, etcd, core)
}

func scrape(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}

	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rsp.Body.Close() }()

	if rsp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, rsp.Status)
	}

	return io.ReadAll(rsp.Body)
}

// ticks of a second in which the kernel counts CPU.
const ticks = 100

// processesOf returns what the stack's processes and this program's used so far, those of a name together.
func processesOf(s stack) (map[string]fleetcost.Usage, error) {
	all := map[string]fleetcost.Usage{}

	for _, parent := range []int{supervisorPID(s), os.Getpid()} {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
		if err != nil {
			return nil, err
		}

		for _, file := range files {
			children, err := os.ReadFile(filepath.Clean(file))
			if err != nil {
				return nil, err
			}

			for pid := range strings.FieldsSeq(string(children)) {
				name, u, err := usageOf(pid)
				if err != nil {
					return nil, err
				}

				all[name] = fleetcost.Usage{CPU: all[name].CPU + u.CPU, Memory: all[name].Memory + u.Memory}
			}
		}
	}

	return all, nil
}

// usageOf returns the name of a process, and what it used so far.
func usageOf(pid string) (string, fleetcost.Usage, error) {
	command, commandErr := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
	stat, statErr := os.ReadFile(filepath.Join("/proc", pid, "stat"))

	if err := errors.Join(commandErr, statErr); err != nil {
		return "", fleetcost.Usage{}, err
	}

	program, _, _ := strings.Cut(string(command), "\x00")

	// After the name, in brackets: the 12th and 13th are the ticks, the 22nd is the memory, in pages.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 {
		return "", fleetcost.Usage{}, fmt.Errorf("cannot read what process %s used", pid)
	}

	user, userErr := strconv.ParseFloat(fields[11], 64)
	system, systemErr := strconv.ParseFloat(fields[12], 64)
	pages, pagesErr := strconv.ParseFloat(fields[21], 64)

	return filepath.Base(program), fleetcost.Usage{CPU: (user + system) / ticks, Memory: pages * float64(os.Getpagesize())}, errors.Join(userErr, systemErr, pagesErr)
}
