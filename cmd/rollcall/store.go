package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rollcall/store"
	"rollcall/store/boltdb"
)

func (c *cli) storeCommand() *cobra.Command {
	return c.group("store", "Move and upgrade what is kept", c.storeCopyCommand(), c.storeMigrateCommand())
}

func (c *cli) storeCopyCommand() *cobra.Command {
	var fromPassword, toPassword string
	cmd := &cobra.Command{
		Use: "copy FROM TO", Short: "Copy a whole store into an empty one", Args: argsOf("the URL of a store", "that of an empty one"),
		Long: `Copy everything of one store into another that is empty, from the embedded file to Redis, back, or
from one of a kind to another; then read both and compare them. It opens the stores directly: stop
every server first, for what changes meanwhile would be missing, and the comparison would say so.

A copy that was stopped is begun again by running it again. Until it has finished, no server
starts on its target. Exit code 5 when the target is not empty.`,
		Example: `  rollcall store copy bolt:rollcall.db redis://127.0.0.1:6379/0
  rollcall store copy redis://127.0.0.1:6379/0 bolt:backup.db -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			config, _, err := c.loadConfig()
			if err != nil {
				return err
			}
			from, err := storeAt(config.Store, args[0], fromPassword)
			if err != nil {
				return err
			}
			to, err := storeAt(config.Store, args[1], toPassword)
			if err != nil {
				return err
			}
			if from.URL == to.URL {
				return usagef("both are %s: name another store to copy into", from.URL)
			}
			if err := storeThere(from); err != nil {
				return err
			}
			copied, err := c.copyStore(cmd.Context(), from, to)
			if err != nil {
				return err
			}
			return c.printCopied(copied)
		},
	}
	cmd.Flags().StringVar(&fromPassword, "from-password-file", "", "file with the password of FROM, instead of one in its URL")
	cmd.Flags().StringVar(&toPassword, "to-password-file", "", "file with the password of TO, instead of one in its URL")
	return cmd
}

// storeAt is the store of a URL, with everything else as it is configured.
func storeAt(config StoreConfig, text, passwordFile string) (StoreConfig, error) {
	_, password, err := parseStoreURL(text)
	if err != nil {
		return config, usagef("a store URL is not valid: %v", err) // it is not repeated: it may hold a password
	}
	if passwordFile != "" {
		content, err := os.ReadFile(passwordFile)
		if err != nil {
			return config, usagef("the password cannot be read: %v", err)
		}
		password = strings.TrimRight(string(content), "\r\n")
	}
	config.URL, config.Password = withoutPassword(text), Secret{}
	if password != "" {
		config.Password = NewSecret(password)
	}
	return config, nil
}

func (c *cli) copyStore(ctx context.Context, from, to StoreConfig) ([]store.Copied, error) {
	source, err := c.openStore(ctx, from)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	target, err := c.openStore(ctx, to)
	if err != nil {
		return nil, err
	}
	defer target.Close()
	copied, err := store.Copy(ctx, source, target, progress(c.stderr, func(p store.Copied) string {
		return fmt.Sprintf("%s: %s", p.Workspace, countsText(p.Items))
	}))
	if errors.Is(err, store.ErrNotEmpty) {
		return nil, &exitError{exitBlocked, fmt.Sprintf("%s is not empty, and nothing was written to it. Name an empty store to copy into", to.URL)}
	}
	return copied, err
}

// openStore opens a store alone, without what the configuration puts on it.
func (c *cli) openStore(ctx context.Context, config StoreConfig) (store.Backend, error) {
	log := slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b, err := openBackend(ctx, config, log)
	if errors.Is(err, boltdb.ErrInUse) {
		return nil, fmt.Errorf("%w. Stop the server that has it open: this command reads the file itself", err)
	}
	if err != nil {
		return nil, openHint(err)
	}
	return b, nil
}

func (c *cli) printCopied(copied []store.Copied) error {
	if c.output == "json" {
		return printJSON(c.stdout, copied)
	}
	for _, w := range copied {
		fmt.Fprintf(c.stdout, "%s: %s; verified, hash %.16s\n", w.Workspace, countsText(w.Items), w.Hash)
	}
	return nil
}

func countsText(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if name != "counters" {
			parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
		}
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func (c *cli) storeMigrateCommand() *cobra.Command {
	var backup string
	var noBackup, dryRun bool
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring a store of an older version to the newest layout", Args: noArgs,
		Long: `Rewrite every record in the newest format: compressed, with a checksum. A server reads and writes an
older store as it is; it need not stop, but every server must be of this version before, for
older ones cannot read the new format. The embedded store must not be in use.

A migration may be stopped at any time; the next one goes on. There is no way back but the
backup, a copy of the whole store: "rollcall store copy" brings it back into an empty store.`,
		Example: `  rollcall store migrate --dry-run
  rollcall store migrate --backup before.db
  rollcall store migrate --store redis://127.0.0.1:6379/0 --no-backup`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, _, err := c.loadConfig()
			if err != nil {
				return err
			}
			if err := storeThere(config.Store); err != nil {
				return err
			}
			b, err := c.openStore(cmd.Context(), config.Store)
			if err != nil {
				return err
			}
			defer b.Close()
			return c.migrate(cmd.Context(), b, config.Store, backup, noBackup, dryRun)
		},
	}
	cmd.Flags().StringVar(&backup, "backup", "", "file to copy the store to first; it must not exist")
	cmd.Flags().BoolVar(&noBackup, "no-backup", false, "migrate without a copy to go back to")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "tell what would be done, and do nothing")
	return cmd
}

func (c *cli) migrate(ctx context.Context, b store.Backend, config StoreConfig, backup string, noBackup, dryRun bool) error {
	s := store.New(store.Config{Backend: b})
	if err := s.CheckWhole(ctx); err != nil {
		return err
	}
	layouts, err := s.Layouts(ctx)
	if err != nil {
		return err
	}
	old := slices.ContainsFunc(layouts, func(l store.LayoutInfo) bool { return l.Old() })
	if dryRun || !old {
		return c.printLayouts(layouts)
	}
	switch {
	case backup == "" && !noBackup:
		return usagef("there is no way back from a migration but a backup: give --backup FILE, or --no-backup")
	case backup != "":
		if _, err := os.Stat(backup); err == nil {
			return usagef("%s exists already: name a file that does not", backup)
		}
		target := StoreConfig{URL: "bolt:" + backup}
		to, err := c.openStore(ctx, target)
		if err != nil {
			return err
		}
		_, err = store.Copy(ctx, b, to, func(store.Copied) {})
		if err := errors.Join(err, to.Close()); err != nil {
			return fmt.Errorf("the backup failed, and nothing was migrated: %w", err)
		}
		fmt.Fprintf(c.stderr, "backup: %s\n", backup)
	}
	var done []store.Migrated
	tell := progress(c.stderr, func(m store.Migrated) string {
		return fmt.Sprintf("%s: %d of %d records rewritten", m.Workspace, m.Rewritten, m.Seen)
	})
	err = s.Migrate(ctx, func(m store.Migrated) {
		tell(m)
		if m.Done {
			done = append(done, m)
		}
	})
	if err != nil {
		return fmt.Errorf("%w. Nothing is lost: run it again to go on", err)
	}
	if c.output == "json" {
		return printJSON(c.stdout, done)
	}
	for _, m := range done {
		fmt.Fprintf(c.stdout, "%s: layout %d to %d, %d records rewritten\n", m.Workspace, m.From, m.To, m.Rewritten)
	}
	return nil
}

func (c *cli) printLayouts(layouts []store.LayoutInfo) error {
	if c.output == "json" {
		return printJSON(c.stdout, layouts)
	}
	for _, l := range layouts {
		state := "the newest"
		switch {
		case l.Migrating:
			state = "a migration to it has not finished: `rollcall store migrate` goes on"
		case l.Old():
			state = fmt.Sprintf("%d is the newest: `rollcall store migrate` brings it there", store.Layout)
		}
		fmt.Fprintf(c.stdout, "%s: layout %d, %s\n", l.Workspace, l.Layout, state)
	}
	return nil
}

// checkStore refuses a store that must not be used as it is, and says what it could be.
func (c *core) checkStore(ctx context.Context) error {
	if err := c.store.CheckWhole(ctx); err != nil {
		return err
	}
	layouts, err := c.store.Layouts(ctx)
	if err != nil {
		return err
	}
	for _, l := range layouts {
		if l.Old() {
			c.log.Warn("the store has an older layout, and is used as it is", "workspace", l.Workspace, "layout", l.Layout, "newest", store.Layout,
				"remedy", "rollcall store migrate")
		}
	}
	return nil
}

// progress writes how far something is over one line, where people watch.
func progress[T any](w io.Writer, text func(T) string) func(T) {
	if !isTerminal(w) {
		return func(T) {}
	}
	var last time.Time
	return func(at T) {
		if time.Since(last) > progressEvery {
			last = time.Now()
			fmt.Fprint(w, clearLine, text(at), "\r")
		}
	}
}
