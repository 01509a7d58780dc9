package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	dirsync "rollcall/sync"
)

// progressEvery is how often the bar is drawn.
const progressEvery = 300 * time.Millisecond

// isTerminal tells whether people watch what is written, or type what is read.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// withProgress makes a call about a source, or about one of its runs, and draws a bar meanwhile
// where stderr is a terminal.
func (c *cli) withProgress(ctx context.Context, client *client, path string, call func() error) error {
	if !isTerminal(c.stderr) {
		return call()
	}
	ended := make(chan error, 1)
	go func() { ended <- call() }()
	begin, tick := time.Now(), time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			fmt.Fprint(c.stderr, clearLine)
			return err
		case <-tick.C:
		}
		if p := progressOf(ctx, client, path); p != nil {
			fmt.Fprint(c.stderr, clearLine, drawProgress(p, time.Since(begin)))
		}
	}
}

// clearLine goes to the start of a terminal's line and empties it.
const clearLine = "\r\x1b[K"

// progressOf asks how far the sources are that the path is about: one, or of a run's any that is
// under way. nil where nobody can tell.
func progressOf(ctx context.Context, client *client, path string) *dirsync.Progress {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var answer struct {
		Progress *dirsync.Progress `json:"progress"`
		Sources  []struct {
			Progress *dirsync.Progress `json:"progress"`
		} `json:"sources"`
	}
	ask := "/api/v1/sources"
	if rest, ok := strings.CutPrefix(path, ask+"/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		ask += "/" + name
	}
	if client.call(ctx, http.MethodGet, ask, nil, nil, &answer) != nil {
		return nil // the call itself tells what is wrong
	}
	for _, s := range answer.Sources {
		if answer.Progress == nil {
			answer.Progress = s.Progress
		}
	}
	return answer.Progress
}

// barWidth is how many characters a whole bar has.
const barWidth = 24

func drawProgress(p *dirsync.Progress, since time.Duration) string {
	text := fmt.Sprintf("%-9s ", p.Phase)
	if p.Total > 0 {
		done := min(p.Done*barWidth/p.Total, barWidth)
		text += fmt.Sprintf("[%s%s] %d of %d", strings.Repeat("=", done), strings.Repeat(" ", barWidth-done), p.Done, p.Total)
	} else if p.Done > 0 {
		text += fmt.Sprint(p.Done)
	}
	return fmt.Sprintf("%s  %v", text, since.Round(time.Second))
}
