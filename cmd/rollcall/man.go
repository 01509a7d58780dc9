package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// docsCommand writes what packages carry beside the program: man pages and completions.
func (c *cli) docsCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "docs", Short: "Write man pages and shell completions into a folder", Args: noArgs,
		Long: "Write a man page for every command, and the completions of bash, zsh, fish and PowerShell, into a\nfolder: what packages carry beside the program.",
		Example: `  rollcall docs --dir /usr/local/share/man/man1
  man rollcall-sync-run`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usagef("say where to: --dir DIR")
			}
			return writeCommandDocs(cmd.Root(), dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder, made where it is missing")
	return cmd
}

func writeCommandDocs(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true // the same program writes the same pages
	released := time.Unix(0, 0)
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "rollcall " + version, Manual: "Rollcall", Date: &released}, dir); err != nil {
		return err
	}
	if err := root.GenBashCompletionFileV2(filepath.Join(dir, "rollcall.bash"), true); err != nil {
		return err
	}
	if err := root.GenZshCompletionFile(filepath.Join(dir, "_rollcall")); err != nil {
		return err
	}
	if err := root.GenFishCompletionFile(filepath.Join(dir, "rollcall.fish"), true); err != nil {
		return err
	}
	return root.GenPowerShellCompletionFileWithDesc(filepath.Join(dir, "rollcall.ps1"))
}
