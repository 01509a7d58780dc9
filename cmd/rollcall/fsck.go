package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rollcall/store"
	"rollcall/store/boltdb"
)

func (c *cli) fsckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "fsck", Short: "Check every invariant of the store", Args: noArgs,
		Long: `Open the store and check that everything in it fits together: records, unique names,
memberships on both sides, the change feed. It changes nothing. It opens the store
directly: the embedded store must not be in use, Redis may be.

Exit code 0 when all is well, 1 when something is not.`,
		Example: `  rollcall fsck
  rollcall fsck --store redis://127.0.0.1:6379/0 -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, _, err := c.loadConfig()
			if err != nil {
				return err
			}
			if err := storeThere(config.Store); err != nil {
				return err
			}
			core, err := c.open(cmd.Context(), config)
			if errors.Is(err, boltdb.ErrInUse) {
				return fmt.Errorf("%w. Stop the server that has it open: fsck reads the file itself", err)
			}
			if err != nil {
				return openHint(err)
			}
			defer core.Close()
			workspaces, err := core.store.Workspaces(cmd.Context())
			if err != nil {
				return err
			}
			var reports []*store.Report
			clean := true
			for _, info := range workspaces {
				report, err := core.fsck(cmd.Context(), info.Name)
				if err != nil {
					return err
				}
				reports = append(reports, report)
				clean = clean && report.Clean()
			}
			if err := c.printFsck(reports); err != nil {
				return err
			}
			if !clean {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
}

// storeThere is an error where the embedded store has no file: to make one and find it clean
// would tell nothing of the store that was meant.
func storeThere(s StoreConfig) error {
	t, err := s.Target()
	if err != nil || t.Kind != "bolt" {
		return err
	}
	if _, err := os.Stat(t.Path); errors.Is(err, fs.ErrNotExist) {
		return &exitError{code: exitFailed, text: fmt.Sprintf("there is no store at %s: name the one to check with --store or store.url", t.Path)}
	}
	return nil // opening it tells of the rest
}

func (c *core) fsck(ctx context.Context, workspace string) (*store.Report, error) {
	w, err := c.store.Workspace(ctx, workspace)
	if err != nil {
		return nil, err
	}
	return w.Fsck(ctx)
}

func (c *cli) printFsck(reports []*store.Report) error {
	if c.output == "json" {
		return printJSON(c.stdout, reports)
	}
	for _, r := range reports {
		for _, f := range r.Findings {
			fmt.Fprintf(c.stdout, "%s: %s\n", r.Workspace, f)
		}
		if r.Truncated {
			fmt.Fprintf(c.stdout, "%s: there is more; these are the first %d\n", r.Workspace, len(r.Findings))
		}
		verdict := "clean"
		if !r.Clean() {
			verdict = fmt.Sprintf("%d findings", len(r.Findings))
		}
		var counts []string
		for _, typ := range slices.Sorted(maps.Keys(r.Resources)) {
			counts = append(counts, fmt.Sprintf("%d %s", r.Resources[typ], typ))
		}
		fmt.Fprintf(c.stdout, "%s: %s: %s; %d unique names, %d memberships, %d changes in the feed\n",
			r.Workspace, verdict, cmp.Or(strings.Join(counts, ", "), "no resources"), r.Claims, r.Edges, r.Changes)
	}
	return nil
}
