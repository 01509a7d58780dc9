package main

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (c *cli) versionCommand() *cobra.Command {
	var sbom bool
	var of string
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Example: `  rollcall version --sbom > rollcall.cdx.json   # what is built in, as CycloneDX`,
		RunE: func(*cobra.Command, []string) error {
			if sbom {
				info, err := buildInfo(of)
				if err != nil {
					return err
				}
				return writeSBOM(c.stdout, info)
			}
			if c.output == "json" {
				return printJSON(c.stdout, map[string]string{"version": version})
			}
			_, err := fmt.Fprintln(c.stdout, "rollcall", version)
			return err
		},
	}
	cmd.Flags().BoolVar(&sbom, "sbom", false, "print the modules that are built in, as a CycloneDX software bill of materials")
	cmd.Flags().StringVar(&of, "of", "", "with --sbom: of another Go program's file")
	return cmd
}

// buildInfo is what the Go linker wrote into this program, or into that of a file.
func buildInfo(file string) (*debug.BuildInfo, error) {
	if file != "" {
		return buildinfo.ReadFile(file)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, fmt.Errorf("this program was built without module information")
	}
	return info, nil
}

// component is a part of a program, as CycloneDX 1.6 has it.
type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Ref     string `json:"bom-ref"`
}

func writeSBOM(w io.Writer, info *debug.BuildInfo) error {
	type metadata struct {
		Component component `json:"component"`
	}
	bom := struct {
		Format     string      `json:"bomFormat"`
		Spec       string      `json:"specVersion"`
		Version    int         `json:"version"`
		Metadata   metadata    `json:"metadata"`
		Components []component `json:"components"`
	}{"CycloneDX", "1.6", 1, metadata{component{Type: "application", Name: "rollcall", Version: version, Ref: "rollcall"}}, []component{}}
	bom.Components = append(bom.Components, component{Type: "platform", Name: "go", Version: info.GoVersion, Ref: "go"})
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		purl := "pkg:golang/" + m.Path + "@" + m.Version
		bom.Components = append(bom.Components, component{Type: "library", Name: m.Path, Version: m.Version, PURL: purl, Ref: purl})
	}
	return printJSON(w, bom)
}
