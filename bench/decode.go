package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
)

// decode compares what it costs to take the entries of an LDAP search apart with what go-ldap needs for the same
// bytes. That is a benchmark of ldapsrc, which lets nobody else read entries; so it takes a checkout, and go.
func (b *bench) decode(ctx context.Context) ([]Check, error) {
	if _, err := os.Stat("ldapsrc/bench_test.go"); err != nil {
		return nil, nil
	}
	b.progress("decoding entries, and go-ldap's")
	out, err := exec.CommandContext(ctx, "go", "test", "./ldapsrc", "-run", "^$", "-bench", "^BenchmarkDecode$", "-benchtime", "5x").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test ./ldapsrc: %w\n%.2000s", err, out)
	}
	ours, theirs := cpuOf(out, "tap"), cpuOf(out, "go-ldap")
	if ours == 0 || theirs == 0 {
		return nil, fmt.Errorf("go test ./ldapsrc: no figures in\n%.2000s", out)
	}
	return []Check{{Name: "CPU to decode an entry of 27 attributes ÷ go-ldap's, same bytes", Value: ours / theirs, Unit: "×", Goal: 0.05,
		Note: fmt.Sprintf("%.1f µs and %.1f µs", ours/1000, theirs/1000)}}, nil
}

// cpuOf is the CPU time for each entry, in nanoseconds, that a benchmark reports; 0 where it does not.
func cpuOf(out []byte, name string) float64 {
	m := regexp.MustCompile(`(?m)^BenchmarkDecode/` + name + `(?:-\d+)?\s.*\s([0-9.]+) cpu-ns/entry`).FindSubmatch(out)
	if m == nil {
		return 0
	}
	ns, _ := strconv.ParseFloat(string(m[1]), 64)
	return ns
}
