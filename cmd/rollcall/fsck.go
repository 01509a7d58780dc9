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
	var repair, dryRun bool
	cmd := &cobra.Command{
		Use: "fsck", Short: "Check every invariant of the store, and repair it", Args: noArgs,
		Long: `Open the store and check that everything in it fits together: records, unique names,
memberships on both sides, the change feed and what it keeps of each change, what was deleted
and can be restored, and persons, sessions and tokens against the workspaces. It changes nothing
without --repair. It opens the store directly: the embedded store must not be in use, Redis may be.

--repair puts right what can be worked out from the rest, and checks again: stop every server
first. With --dry-run it only says what it would do.

Exit code 0 when all is well, or is again; 1 when something is not; 4 when only a part was
repaired.`,
		Example: `  rollcall fsck
  rollcall fsck --store redis://127.0.0.1:6379/0 -o json
  rollcall fsck --repair --dry-run`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dryRun && !repair {
				return usagef("--dry-run goes with --repair: without it fsck changes nothing")
			}
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
			clean, repaired := true, 0
			for _, info := range workspaces {
				report, n, err := core.fsck(cmd.Context(), info.Name, repair && !dryRun)
				if err != nil {
					return err
				}
				reports = append(reports, report)
				clean, repaired = clean && report.Clean(), repaired+n
			}
			system, n, err := core.fsckSystem(cmd.Context(), repair && !dryRun)
			if err != nil {
				return err
			}
			reports = append(reports, system)
			clean, repaired = clean && system.Clean(), repaired+n
			if err := c.printFsck(reports, dryRun); err != nil {
				return err
			}
			if repaired > 0 {
				fmt.Fprintf(c.stderr, "%d findings were repaired; above is what there is now\n", repaired)
			}
			switch {
			case !clean && repaired > 0:
				return &exitError{code: exitPartial}
			case !clean:
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "put right what can be worked out from the rest")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "with --repair: say what it would do, and change nothing")
	return cmd
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

// maxRepairs is how often a repair may bring up something new to repair.
const maxRepairs = 5

// fsck checks a workspace, and repairs it where that is asked for, until nothing more can be repaired.
func (c *core) fsck(ctx context.Context, workspace string, repair bool) (*store.Report, int, error) {
	w, err := c.store.Workspace(ctx, workspace)
	if err != nil {
		return nil, 0, err
	}
	repaired := 0
	for range maxRepairs {
		report, err := w.Fsck(ctx)
		if err != nil || !repair || report.Clean() {
			return report, repaired, err
		}
		n, err := w.Repair(ctx, report)
		if repaired += n; err != nil || n == 0 {
			return report, repaired, err
		}
	}
	report, err := w.Fsck(ctx)
	return report, repaired, err
}

// systemReport is the name under which persons, sessions and tokens are told of: no workspace can have it.
const systemReport = "{sys}"

// fsckSystem checks what spans workspaces, and repairs it where that is asked for.
func (c *core) fsckSystem(ctx context.Context, repair bool) (*store.Report, int, error) {
	found, repaired, err := c.accounts.Fsck(ctx, repair)
	if err != nil {
		return nil, 0, err
	}
	report := &store.Report{Workspace: systemReport, Findings: []store.Finding{}, Resources: map[string]int{}}
	for _, f := range found {
		report.Findings = append(report.Findings, store.Finding{Code: f.Code, On: f.On, Text: f.Text, Repair: f.Repair})
	}
	return report, repaired, nil
}

func (c *cli) printFsck(reports []*store.Report, dryRun bool) error {
	if c.output == "json" {
		return printJSON(c.stdout, reports)
	}
	for _, r := range reports {
		for _, f := range r.Findings {
			fmt.Fprintf(c.stdout, "%s: %s\n", r.Workspace, f)
			if dryRun {
				fmt.Fprintf(c.stdout, "%s:   repair: %s\n", r.Workspace, cmp.Or(f.Repair, "none: nobody can tell what was right"))
			}
		}
		if r.Truncated {
			fmt.Fprintf(c.stdout, "%s: there is more; these are the first %d\n", r.Workspace, len(r.Findings))
		}
		if r.Workspace == systemReport {
			if r.Clean() {
				fmt.Fprintln(c.stdout, "persons, sessions and tokens: clean")
			} else {
				fmt.Fprintf(c.stdout, "persons, sessions and tokens: %d findings\n", len(r.Findings))
			}
			continue
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
