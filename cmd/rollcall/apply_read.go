package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"rollcall/account"
)

// wanted is what the files of one apply say, each thing with its place.
type wanted struct {
	workspaces map[string]*wantedWorkspace
	sections   map[string]map[string]*wantedEntry // "clients", "sources"
	problems   []Problem
}

// wantedWorkspace is a workspace, and what of its settings and groups is told.
type wantedWorkspace struct {
	at         place
	preset     string
	presetAt   place
	settings   map[string]any
	settingsAt map[string]place // by key
	groups     map[string]*wantedGroup
}

// wantedGroup is a group; what is nil is not told.
type wantedGroup struct {
	at          place
	absent      bool
	Description *string
	Admin       *bool
	LDAPGroups  []string
	Members     []string // userNames
	membersAt   []place
}

// wantedEntry is a client or source of the configuration file.
type wantedEntry struct {
	at     place
	absent bool
	value  yaml.MapSlice
	nodes  map[string]place // by the path of a setting
}

// place is where something stands in a file.
type place struct {
	reader *yamlReader
	node   ast.Node
}

// problem is what is wrong there.
func (p place) problem(key, hint, format string, args ...any) Problem {
	t := firstToken(p.node)
	return Problem{File: p.reader.origins.File, Line: t.Position.Line, Column: t.Position.Column, Key: key,
		Text: fmt.Sprintf(format, args...), Hint: hint, Excerpt: excerpt(p.reader.lines, t.Position.Line, t.Position.Column, key == "")}
}

// readApply reads a file, all *.yaml of a folder, or "-" for stdin.
func (c *cli) readApply(path string) (*wanted, error) {
	w := &wanted{workspaces: map[string]*wantedWorkspace{}, sections: map[string]map[string]*wantedEntry{"clients": {}, "sources": {}}}
	if path == "-" {
		text, err := io.ReadAll(io.LimitReader(c.stdin, maxFile))
		if err != nil {
			return nil, err
		}
		w.read("-", text)
		return w, w.err()
	}
	files, err := applyFiles(path)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, _, err := readFile(file, maxFile)
		if err != nil {
			return nil, usagef("%v", err)
		}
		w.read(file, text)
	}
	return w, w.err()
}

func applyFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("%s is not there. `rollcall export --config` writes such a file", path)
	}
	if err != nil {
		return nil, usagef("%v", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(path, pattern))
		if err != nil {
			return nil, usagef("%v", err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, usagef("the folder %s has no *.yaml", path)
	}
	slices.Sort(files)
	return files, nil
}

func (w *wanted) err() error {
	if len(w.problems) == 0 {
		return nil
	}
	return &ConfigError{w.problems}
}

func (w *wanted) bad(p Problem) { w.problems = append(w.problems, p) }

// read takes in every document of a file.
func (w *wanted) read(file string, text []byte) {
	r := &yamlReader{anchors: map[string]ast.Node{}, loader: &loader{config: defaultConfig(), broken: map[string]bool{},
		lines: strings.Split(string(text), "\n"), origins: &Origins{File: shownFile(file), origins: map[string]Origin{}}}}
	tree, err := parse(text)
	if err != nil {
		r.syntax(err)
		w.problems = append(w.problems, r.problems...)
		return
	}
	for _, d := range tree.Docs {
		if d.Body == nil {
			continue
		}
		ast.Walk(r, d.Body)
		for _, p := range w.pairs(r, d.Body, "", "workspaces", "clients", "sources") {
			switch p.key {
			case "workspaces":
				for _, item := range w.pairs(r, p.value, "workspaces") {
					w.workspace(r, item)
				}
			default:
				w.section(r, p)
			}
		}
	}
	sortProblems(r.problems)
	w.problems = append(w.problems, r.problems...)
}

// pairs lists a mapping; with keys, any other is a problem.
func (w *wanted) pairs(r *yamlReader, n ast.Node, path string, keys ...string) []pair {
	list, ok := r.pairs(n, 0)
	if !ok {
		r.at(n, path, "", "this is no section: write names below it, with a value each")
		return nil
	}
	var good []pair
	for _, p := range list {
		if len(keys) > 0 && !slices.Contains(keys, p.key) {
			hint := suggest(p.key, keys)
			if hint == "" {
				hint = "There are " + strings.Join(keys, ", ")
			}
			r.at(p.at, "", hint, "unknown key %s %s", quote(p.key), inWhat(path))
			continue
		}
		good = append(good, p)
	}
	return good
}

func inWhat(path string) string {
	if path == "" {
		return "at the top of the document"
	}
	return "in " + path
}

func (w *wanted) workspace(r *yamlReader, item pair) {
	path := "workspaces." + item.key
	if !nameText.MatchString(item.key) {
		r.at(item.at, path, nameRule, "%s is no name of a workspace", quote(item.key))
		return
	}
	ws := w.workspaces[item.key]
	if ws == nil {
		ws = &wantedWorkspace{at: place{r, item.at}, settings: map[string]any{}, settingsAt: map[string]place{}, groups: map[string]*wantedGroup{}}
		w.workspaces[item.key] = ws
	}
	for _, p := range w.pairs(r, item.value, path, "preset", "settings", "groups") {
		switch p.key {
		case "preset":
			ws.preset, _ = r.text(p, path+".preset")
			ws.presetAt = place{r, p.value}
		case "settings":
			for _, s := range w.pairs(r, p.value, path+".settings", jsonNames(reflect.TypeFor[account.Settings]())...) {
				w.setting(r, ws, s, path+".settings."+s.key)
			}
		case "groups":
			for _, g := range w.pairs(r, p.value, path+".groups") {
				if ws.groups[g.key] != nil {
					r.at(g.at, path+".groups", "Tell it once", "the group %s is told a second time", quote(g.key))
					continue
				}
				ws.groups[g.key] = w.group(r, g, path+".groups."+g.key)
			}
		}
	}
}

// jsonNames are the members of a type's JSON object.
func jsonNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func (w *wanted) setting(r *yamlReader, ws *wantedWorkspace, p pair, path string) {
	if _, twice := ws.settings[p.key]; twice {
		r.at(p.at, path, "Tell it once", "it is told a second time")
		return
	}
	if p.key == "preset" {
		r.at(p.at, path, "Write preset: beside settings:", "the preset is no setting")
		return
	}
	value := r.generic(p.value, path)
	text, err := json.Marshal(map[string]any{p.key: jsonValue(value)})
	if err == nil {
		dec := json.NewDecoder(strings.NewReader(string(text)))
		dec.DisallowUnknownFields()
		err = dec.Decode(&account.Settings{})
	}
	if err != nil {
		r.at(p.value, path, "", "%s", strings.TrimPrefix(err.Error(), "json: "))
		return
	}
	ws.settings[p.key], ws.settingsAt[p.key] = jsonValue(value), place{r, p.value}
}

func (w *wanted) group(r *yamlReader, item pair, path string) *wantedGroup {
	g := &wantedGroup{at: place{r, item.at}}
	list := w.pairs(r, item.value, path, "description", "admin", "ldapGroupNames", "members", "absent")
	for _, p := range list {
		at := path + "." + p.key
		switch p.key {
		case "description":
			if text, ok := r.text(p, at); ok {
				g.Description = &text
			}
		case "admin":
			g.Admin = w.boolean(r, p, at)
		case "absent":
			if b := w.boolean(r, p, at); b != nil {
				g.absent = *b
			}
		case "ldapGroupNames":
			g.LDAPGroups, _ = w.list(r, p, at)
		case "members":
			g.Members, g.membersAt = w.list(r, p, at)
		}
	}
	if g.absent && len(list) > 1 {
		r.at(item.at, path, "Write absent: true alone", "what is absent has nothing else")
	}
	return g
}

func (w *wanted) boolean(r *yamlReader, p pair, path string) *bool {
	if b, ok := r.plain(p.value).(*ast.BoolNode); ok {
		return &b.Value
	}
	r.at(p.value, path, "", "this is true or false")
	return nil
}

func (w *wanted) list(r *yamlReader, p pair, path string) (texts []string, at []place) {
	sequence, ok := r.plain(p.value).(*ast.SequenceNode)
	if !ok {
		r.at(p.value, path, "", "this is a list, such as [one, two]")
		return nil, nil
	}
	texts = []string{}
	for _, item := range sequence.Values {
		if text, ok := r.text(pair{key: p.key, at: item, value: item}, path); ok {
			texts, at = append(texts, text), append(at, place{r, item})
		}
	}
	return texts, at
}

// section reads clients or sources, which look as in the configuration file.
func (w *wanted) section(r *yamlReader, p pair) {
	into := reflect.ValueOf(r.config).Elem().FieldByName(map[string]string{"clients": "Clients", "sources": "Sources"}[p.key])
	for _, item := range w.pairs(r, p.value, p.key) {
		path := join(p.key, item.key)
		if w.sections[p.key][item.key] != nil {
			r.at(item.at, path, "Tell it once", "it is told a second time")
			continue
		}
		entry := &wantedEntry{at: place{r, item.at}, nodes: map[string]place{}}
		w.sections[p.key][item.key] = entry
		list, _ := r.pairs(item.value, 0)
		if i := slices.IndexFunc(list, func(p pair) bool { return p.key == "absent" }); i >= 0 {
			if b := w.boolean(r, list[i], path+".absent"); b != nil {
				entry.absent = *b
			}
			if len(list) > 1 || !entry.absent {
				r.at(item.at, path, "Write absent: true alone", "what is absent has nothing else")
			}
			continue
		}
		if !nameText.MatchString(item.key) {
			r.at(item.at, path, nameRule, "%s is no name", quote(item.key))
			continue
		}
		r.section(withoutNulls(r, item.value), element(into, item.key), path)
		entry.value, _ = r.generic(item.value, path).(yaml.MapSlice)
		entry.places(r, item.value, path)
	}
}

// withoutNulls leaves out the keys that have no value: null takes a setting away.
func withoutNulls(r *yamlReader, n ast.Node) ast.Node {
	m, ok := r.plain(n).(*ast.MappingNode)
	if !ok {
		return n
	}
	kept := *m
	kept.Values = nil
	for _, v := range m.Values {
		if _, null := v.Value.(*ast.NullNode); !null {
			kept.Values = append(kept.Values, v)
		}
	}
	return &kept
}

// places notes where each setting stands.
func (e *wantedEntry) places(r *yamlReader, n ast.Node, path string) {
	list, _ := r.pairs(n, 0)
	for _, p := range list {
		at := join(path, p.key)
		e.nodes[at] = place{r, p.value}
		e.places(r, p.value, at)
	}
}

// generic is a node as plain values: mappings keep their order.
func (r *yamlReader) generic(n ast.Node, path string) any {
	switch x := r.plain(n).(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		list, _ := r.pairs(x, 0)
		m := yaml.MapSlice{}
		for _, p := range list {
			m = append(m, yaml.MapItem{Key: p.key, Value: r.generic(p.value, join(path, p.key))})
		}
		return m
	case *ast.SequenceNode:
		all := make([]any, len(x.Values))
		for i, v := range x.Values {
			all[i] = r.generic(v, path)
		}
		return all
	case *ast.StringNode:
		return x.Value
	case *ast.LiteralNode:
		return x.Value.Value
	case *ast.BoolNode:
		return x.Value
	case *ast.IntegerNode:
		text := x.GetToken().Value
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return i
		}
		return text
	case *ast.FloatNode:
		return x.Value
	case *ast.NullNode:
		return nil
	}
	r.at(n, path, "", "this cannot be read")
	return nil
}

// jsonValue turns mappings into maps, and numbers into those of JSON.
func jsonValue(v any) any {
	switch v := v.(type) {
	case yaml.MapSlice:
		m := map[string]any{}
		for _, item := range v {
			m[fmt.Sprint(item.Key)] = jsonValue(item.Value)
		}
		return m
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = jsonValue(v[i])
		}
		return all
	case int64:
		return float64(v)
	}
	return v
}
