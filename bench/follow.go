package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"

	dirsync "rollcall/sync"
)

// Runs that read what changed, by syncrepl: `rollcall serve` does one every second.

const (
	noopRuns      = 10
	changeBatches = 3
	changesEach   = 10
)

// follower is a server that follows the directory.
type follower struct {
	*ldapBench
	addr, ops, token string
}

// followed measures a run that finds nothing, and one that finds ten people changed.
func (l *ldapBench) followed(ctx context.Context) ([]Check, error) {
	f := &follower{ldapBench: l, token: secret()}
	if err := f.start(ctx, "    mode: incremental\n    changes_by: syncrepl\n    schedule: \"@every 1s\"\n"); err != nil {
		return nil, err
	}
	var whole dirsync.Report
	for { // 409 while a scheduled run is under way
		err := f.call(ctx, http.MethodPost, "/api/v1/sources/corp/runs", &whole)
		if err == nil {
			break
		}
		if !errors.Is(err, errConflict) || !sleepUntil(ctx, time.Now().Add(100*time.Millisecond)) {
			return nil, err
		}
	}
	if whole.Result != dirsync.OK {
		return nil, fmt.Errorf("the run before following was %s: %s", whole.Result, whole.Error)
	}
	noop, err := f.noop(ctx)
	if err != nil {
		return nil, err
	}
	var walls []float64
	for batch := range changeBatches {
		wall, err := f.change(ctx, batch)
		if err != nil {
			return nil, err
		}
		walls = append(walls, float64(wall.Microseconds())/1000)
	}
	what := fmt.Sprintf("LDAP sync of %d people by syncrepl: ", l.tree.people)
	return []Check{
		{Name: what + "run without changes", Value: noop, Unit: "ms", Goal: 20, Note: "dial, bind and lock included"},
		{Name: what + fmt.Sprintf("run with %d changes", changesEach), Value: median(walls), Unit: "ms", Goal: 60, Note: "from its beginning to the last commit"},
	}, nil
}

// start starts the server, with more settings of the source.
func (f *follower) start(ctx context.Context, more string) (err error) {
	if f.addr, err = freeAddr(); err != nil {
		return err
	}
	if f.ops, err = freeAddr(); err != nil {
		return err
	}
	config, err := f.shop.write("follow.yaml", fmt.Sprintf("server:\n  listen: %s\n  ops_listen: %s\nbootstrap:\n  token: %s\n", f.addr, f.ops, f.token)+
		f.config(more))
	if err != nil {
		return err
	}
	cmd := exec.Command(f.bin, "serve", "--config", config)
	cmd.Env = bareEnv()
	_, err = f.shop.start(ctx, "follower", cmd, isReady(f.ops))
	return err
}

var errConflict = errors.New("409 Conflict")

func (f *follower) call(ctx context.Context, method, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+f.addr+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+f.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusConflict {
		return fmt.Errorf("%s %s: %w", method, path, errConflict)
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// noop is the mean time of runs that find nothing, in milliseconds.
func (f *follower) noop(ctx context.Context) (float64, error) {
	sum, n, err := f.runs(ctx)
	if err != nil {
		return 0, err
	}
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		nowSum, now, err := f.runs(ctx)
		if err != nil {
			return 0, err
		}
		if now-n >= noopRuns {
			return (nowSum - sum) / (now - n) * 1000, nil
		}
	}
	return 0, fmt.Errorf("the source was not run %d times in two minutes", noopRuns)
}

// runs are the seconds that runs took, and how many there were, by the server's metrics.
func (f *follower) runs(ctx context.Context) (sum, n float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.ops+"/metrics", nil)
	if err != nil {
		return 0, 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		number, _ := strconv.ParseFloat(value, 64)
		switch name {
		case `rollcall_sync_duration_seconds_sum{source="corp"}`:
			sum = number
		case `rollcall_sync_duration_seconds_count{source="corp"}`:
			n = number
		}
	}
	return sum, n, lines.Err()
}

// change changes ten people and returns how long the run took that found them.
func (f *follower) change(ctx context.Context, batch int) (time.Duration, error) {
	if err := f.modify(ctx, changesEach, fmt.Sprintf("Changed %d", batch)); err != nil {
		return 0, err
	}
	var took time.Duration
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		var list struct {
			Runs []*dirsync.Report `json:"runs"`
		}
		if err := f.call(ctx, http.MethodGet, "/api/v1/sync/runs?limit=5", &list); err != nil {
			return 0, err
		}
		updated := 0
		took = 0
		for _, r := range list.Runs {
			if r.Read != dirsync.ReadChanges || r.Result != dirsync.OK || updated >= changesEach {
				break
			}
			updated += r.Counts.Updated // a run may have begun between two changes
			took += r.Finished.Sub(r.Started)
		}
		if updated == changesEach {
			return took, nil
		}
	}
	return 0, fmt.Errorf("the %d changes were not found in a minute", changesEach)
}

// modify gives n people, evenly spread, another family name.
func (l *ldapBench) modify(ctx context.Context, n int, name string) error {
	path, err := program("ldapmodify")
	if err != nil {
		return err
	}
	var ldif strings.Builder
	for i := range n {
		fmt.Fprintf(&ldif, "dn: uid=p%08d,ou=people,%s\nchangetype: modify\nreplace: sn\nsn: %s\n\n", i*l.tree.people/n, suffix, name)
	}
	cmd := exec.CommandContext(ctx, path, "-x", "-D", readerDN, "-y", l.slapd.passwordFile, "-H", l.slapd.url)
	cmd.Stdin = strings.NewReader(ldif.String())
	_, err = l.shop.output(ctx, cmd)
	return err
}
