package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rollcall/ldapsrc"
	dirsync "rollcall/sync"
)

func (c *cli) configCommand() *cobra.Command {
	return c.group("config", "Check and show the settings", c.configCheckCommand(), c.configShowCommand(),
		c.configSchemaCommand(), c.configInitCommand())
}

func (c *cli) configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Read the settings and tell everything that is wrong with them", Args: noArgs,
		Long: `Read the file, the environment and the flags as serve does, and tell everything that is wrong,
with its place. Exit code 2 if anything is.`,
		Example: `  rollcall config check --config /etc/rollcall/rollcall.yaml`,
		RunE: func(*cobra.Command, []string) error {
			_, origins, err := c.loadConfig()
			if err != nil {
				return err
			}
			what := origins.File
			if what == "" {
				what = "no configuration file, defaults"
			}
			_, err = fmt.Fprintf(c.stdout, "%s: ok\n", what)
			return err
		},
	}
}

func (c *cli) configShowCommand() *cobra.Command {
	var origin bool
	cmd := &cobra.Command{
		Use: "show", Short: "Print every setting as it counts, without secrets", Args: noArgs,
		Example: `  rollcall config show --origin     # and where each comes from`,
		RunE: func(*cobra.Command, []string) error {
			config, origins, err := c.loadConfig()
			if err != nil {
				return err
			}
			settings := config.shown(origins)
			if c.output == "json" {
				return printJSON(c.stdout, settings)
			}
			return printYAML(c.stdout, settings, origin)
		},
	}
	cmd.Flags().BoolVar(&origin, "origin", false, "say where each value comes from: default, file and line, variable or flag")
	return cmd
}

// loadConfig reads the configuration that this call of the program has, and says on
// stderr what the operator should know of it.
func (c *cli) loadConfig(overrides ...Override) (*Config, *Origins, error) {
	if c.storeURL != "" {
		overrides = append(overrides, Override{Flag: "--store", Key: "store.url", Value: c.storeURL})
	}
	config, origins, err := Load(Options{File: c.configFile, Environ: c.environ, Overrides: overrides, Validators: validators()})
	printWarnings(c.stderr, origins.Warnings)
	return config, origins, err
}

// validators are what the packages that use a setting say of its text.
func validators() Validators {
	return Validators{
		Schedule: func(text string) error { _, err := dirsync.ParseSchedule(text, nil); return err },
		Source: func(s *SourceConfig) error {
			reader, err := newSource(s, nil, nil)
			if err == nil {
				_, err = follow(s, reader)
			}
			return err
		},
		Presets: ldapsrc.Presets(),
	}
}

func printWarnings(w io.Writer, warnings []Problem) {
	for _, p := range warnings {
		fmt.Fprintln(w, "warning:", p)
	}
}
