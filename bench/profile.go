package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var notInNames = regexp.MustCompile(`[^A-Za-z0-9]+`)

// profile has Rollcall profile itself from now on, if that was asked for, for as long as the row may take;
// the returned function waits for the profile and writes it to a file named after the row.
func (b *bench) profile(ctx context.Context, f *fixture, row string) (stop func() error) {
	if b.profiles == "" {
		return func() error { return nil }
	}
	// One slice of each side and round, the ceiling's last one, and both before they count.
	seconds := max(1, int(b.slice.Seconds()*float64(2*b.rounds+2)))
	done := make(chan error, 1)
	go func() { done <- b.writeProfile(ctx, f.ops, row, seconds) }()
	return func() error { return <-done }
}

func (b *bench) writeProfile(ctx context.Context, ops, row string, seconds int) (err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", ops, seconds), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/debug/pprof/profile answers %s", resp.Status)
	}
	name := strings.Trim(notInNames.ReplaceAllString(row, "-"), "-") + ".pprof"
	file, err := os.Create(filepath.Join(b.profiles, name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.Copy(file, resp.Body)
	return err
}
