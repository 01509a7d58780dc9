package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// describe finds out what the numbers were measured on.
func (b *bench) describe(ctx context.Context) error {
	if _, err := os.Stat(b.bin); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no %s: run `make bench`, which builds it", b.bin)
	}
	b.result.Machine, b.result.Cores, b.result.Load = processor(), runtime.NumCPU(), loadAverage()
	rollcall, err := exec.CommandContext(ctx, b.bin, "version").Output()
	if err != nil {
		return fmt.Errorf("%s version: %w", b.bin, err)
	}
	b.result.Versions = []string{strings.TrimSpace(string(rollcall)), runtime.Version()}
	for _, p := range []struct{ name, flag, pattern string }{
		{"redis-server", "--version", `v=([\d.]+)`},
		{"slapd", "-VV", `slapd ([\d.]+)`},
	} {
		path, err := program(p.name)
		if err != nil {
			return err
		}
		out, _ := exec.CommandContext(ctx, path, p.flag).CombinedOutput() // slapd -VV ends with 1
		if m := regexp.MustCompile(p.pattern).FindSubmatch(out); m != nil {
			b.result.Versions = append(b.result.Versions, p.name+" "+string(m[1]))
		}
	}
	return nil
}

// loadAverage is how busy the machine is: of the last minute.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

// processor is the name that the kernel has for it.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range bytes.Lines(text) {
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return runtime.GOARCH
}

// infoNumber reads one line of Redis's INFO.
func infoNumber(info, name string) (int64, error) {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("INFO has no %s", name)
}
