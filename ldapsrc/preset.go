package ldapsrc

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A preset is what is known of one kind of directory server, as data: one file each
// in presets/. To support another server, add a file there and a golden test.
type preset struct {
	About  string       `json:"about"`  // for whoever reads the file
	ID     string       `json:"id"`     // attribute that holds the stable id, see idSyntax
	Users  presetUsers  `json:"users"`  // which entries are people, and what of them is read
	Groups presetGroups `json:"groups"` // likewise groups
	// References says what search result references (RFC 4511 §4.5.3) mean: "fail" makes
	// the read incomplete, since part of the tree lies elsewhere; "count" only counts them.
	References string `json:"references"`
}

type presetUsers struct {
	Filter     string            `json:"filter"`
	Attributes map[string]string `json:"attributes"` // SCIM path -> source, see parseRule
	// Status is the attribute that tells whether an account is enabled, see statusOf.
	Status string `json:"status"`
	// PrimaryGroup: users name one group by the number primaryGroupID, and that group
	// does not list them (Active Directory).
	PrimaryGroup bool `json:"primaryGroup"`
}

type presetGroups struct {
	Filter     string            `json:"filter"`
	Attributes map[string]string `json:"attributes"`
	Members    []string          `json:"members"`   // attributes whose values are DNs
	MemberUID  string            `json:"memberUid"` // attribute whose values are a user's uid (RFC 2307)
}

//go:embed presets/*.json
var presetFiles embed.FS

// Presets lists the names that Config.Preset may have.
func Presets() []string {
	files, err := presetFiles.ReadDir("presets")
	if err != nil {
		panic(err) // embedded: cannot fail
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".json"))
	}
	slices.Sort(names)
	return names
}

func loadPreset(name string) (*preset, error) {
	if !slices.Contains(Presets(), name) {
		return nil, fmt.Errorf("preset: %q is not known; there are %s", name, strings.Join(Presets(), ", "))
	}
	text, err := presetFiles.ReadFile("presets/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("preset %s: %w", name, err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var p preset
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("preset %s: %w", name, err)
	}
	return &p, nil
}
