package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
)

// backupTries is how often a store that is written to meanwhile is read again.
const backupTries = 5

// snapshotter is a store that can be copied as it is at one moment (store/boltdb).
type snapshotter interface {
	Snapshot(ctx context.Context, path string) error
}

// backupFile writes a backup of a store to a new file in a folder, while others use the store. The
// caller removes it.
func backupFile(ctx context.Context, b store.Backend, dir string) (path string, copied []store.Copied, err error) {
	if s, ok := b.(snapshotter); ok {
		temp, err := os.MkdirTemp(dir, ".rollcall-snapshot-")
		if err != nil {
			return "", nil, err
		}
		defer os.RemoveAll(temp)
		still := filepath.Join(temp, "store.db")
		if err := s.Snapshot(ctx, still); err != nil {
			return "", nil, err
		}
		snapshot, err := boltdb.Open(still)
		if err != nil {
			return "", nil, err
		}
		defer snapshot.Close()
		b = snapshot
	}
	f, err := os.CreateTemp(dir, ".rollcall-backup-*") // mode 0600
	if err != nil {
		return "", nil, err
	}
	for try := 1; ; try++ {
		if copied, err = store.Backup(ctx, b, f, version); !errors.Is(err, store.ErrMoved) || try == backupTries {
			break
		}
		if _, err = f.Seek(0, io.SeekStart); err == nil {
			err = f.Truncate(0)
		}
		if err != nil {
			break
		}
	}
	if errors.Is(err, store.ErrMoved) {
		err = &exitError{exitPartial, fmt.Sprintf("the store was written to each of the %d times that it was read, so that there is no backup. Try when less is going on, "+
			"or back Redis up by itself (docs/redis.md)", backupTries)}
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", nil, err
	}
	return f.Name(), copied, nil
}

func (c *cli) backupCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write everything that is kept to a file, while servers run", Args: argsOf("the FILE to write"),
		Long: `Write everything that is kept to one file, compressed and with checksums: resources, memberships,
the change feed, tokens (as hashes), runs, streams. Keep it as safe as the store.

With --server, or where a server has the embedded store open, it is asked for it, with the
bootstrap token. Otherwise the store is read directly. Exit code 4 where a Redis was written to
each time that it was read.`,
		Example: `  rollcall backup rollcall-2026-11-25.backup
  rollcall restore rollcall-2026-11-25.backup --dry-run     # is it whole?`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Stat(args[0]); err == nil && !force {
				return usagef("%s is there already: name another file, or give --force", args[0])
			}
			path, err := c.fetchBackup(cmd.Context(), filepath.Dir(args[0]))
			if err != nil {
				return err
			}
			defer os.Remove(path)
			head, copied, err := readBackupFile(path)
			if err != nil {
				return err
			}
			if err := os.Rename(path, args[0]); err != nil {
				return err
			}
			return c.printBackup(head, copied)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "write over a file that is there")
	return cmd
}

// fetchBackup writes a backup to a new file in the folder.
func (c *cli) fetchBackup(ctx context.Context, dir string) (string, error) {
	if c.server == "" {
		config, _, err := c.loadConfig()
		if err != nil {
			return "", err
		}
		if err := storeThere(config.Store); err != nil {
			return "", err
		}
		b, err := c.openStore(ctx, config.Store)
		if err != nil {
			return "", err
		}
		defer b.Close()
		path, _, err := backupFile(ctx, b, dir)
		return path, err
	}
	client, err := remote(c.server, c.token)
	if err != nil {
		return "", err
	}
	body, err := client.stream(ctx, "/api/v1/backup")
	if err != nil {
		return "", err
	}
	defer body.Close()
	f, err := os.CreateTemp(dir, ".rollcall-backup-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, body)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

func readBackupFile(path string) (store.BackupHead, []store.Copied, error) {
	f, err := os.Open(path)
	if err != nil {
		return store.BackupHead{}, nil, err
	}
	defer f.Close()
	return store.ReadBackup(f, func(string, []store.Item) error { return nil })
}

func (c *cli) printBackup(head store.BackupHead, copied []store.Copied) error {
	if c.output == "json" {
		return printJSON(c.stdout, struct {
			store.BackupHead
			Workspaces []store.Copied `json:"workspaces"`
		}{head, copied})
	}
	fmt.Fprintf(c.stdout, "Backup of %s by Rollcall %s, whole.\n", head.Created.Format(time.RFC3339), head.Version)
	return c.printCopied(copied)
}

func (c *cli) restoreCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup into an empty store", Args: argsOf("the FILE of a backup"),
		Long: `Put a backup into an empty store, of whichever kind, then read the store and compare. It opens the
store directly: no server may run on it. One that was stopped is begun again by running it again;
until it has finished, no server starts on the store. Exit code 5 when the store is not empty.`,
		Example: `  rollcall restore rollcall.backup --dry-run                       # only read and check the file
  rollcall restore rollcall.backup --store redis://127.0.0.1:6379/0`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.server != "" {
				return usagef("restore opens the store directly: name it with --store, and leave --server out")
			}
			// All of it is read first, so that a damaged file does not begin a restore.
			head, copied, err := readBackupFile(args[0])
			if err != nil || dryRun {
				if err == nil {
					err = c.printBackup(head, copied)
				}
				return err
			}
			config, _, err := c.loadConfig()
			if err != nil {
				return err
			}
			b, err := c.openStore(cmd.Context(), config.Store)
			if err != nil {
				return err
			}
			defer b.Close()
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			head, copied, err = store.Restore(cmd.Context(), f, b, progress(c.stderr, func(p store.Copied) string {
				return fmt.Sprintf("%s: %s", p.Workspace, countsText(p.Items))
			}))
			if errors.Is(err, store.ErrNotEmpty) {
				return &exitError{exitBlocked, fmt.Sprintf("%s is not empty, and nothing was written to it. Name an empty store", config.Store.URL)}
			}
			if err != nil {
				return err
			}
			return c.printBackup(head, copied)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "read and check the file, and write nothing")
	return cmd
}

// sendBackup answers GET /api/v1/backup.
func (c *core) sendBackup(ctx context.Context, w http.ResponseWriter) error {
	path, _, err := backupFile(ctx, c.backend, "")
	var exit *exitError
	if errors.As(err, &exit) {
		return scim.Errorf(scim.ErrUnavailable, "%s", exit.text)
	}
	if err != nil {
		return err
	}
	defer os.Remove(path)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="rollcall.backup"`)
	if _, err = io.Copy(w, f); err != nil {
		c.log.DebugContext(ctx, "a backup was not sent whole", "error", err)
	}
	return nil
}
