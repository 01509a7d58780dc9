package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Clients and sources are settings: they live in the configuration file, and apply writes them there.
// Only the lines of an entry that changes are written anew, so that the rest keeps its comments.

// configText is a configuration file that is being changed.
type configText struct {
	path  string
	text  []byte
	steps []*applyStep
}

// planConfig adds what has to change in the configuration file.
func (p *planner) planConfig(w *wanted) error {
	if len(w.sections["clients"])+len(w.sections["sources"]) == 0 {
		return nil
	}
	file := &configText{path: p.configFile}
	if file.path == "" {
		p.nowhere(w)
		return nil
	}
	var err error
	if file.text, _, err = readFile(file.path, maxFile); err != nil {
		return err
	}
	for _, section := range []string{"clients", "sources"} {
		for _, name := range slices.Sorted(maps.Keys(w.sections[section])) {
			if err := p.planEntry(file, section, name, w.sections[section][name]); err != nil {
				return err
			}
		}
	}
	if len(file.steps) == 0 || len(p.problems) > 0 {
		return nil
	}
	if err := p.checkCandidate(file, w); err != nil || len(p.problems) > 0 {
		return err
	}
	file.steps[len(file.steps)-1].run = file.write
	p.steps = append(p.steps, file.steps...)
	return nil
}

// nowhere tells that there is no file for clients and sources.
func (p *planner) nowhere(w *wanted) {
	for _, section := range []string{"clients", "sources"} {
		for _, name := range slices.Sorted(maps.Keys(w.sections[section])) {
			p.bad(w.sections[section][name].at.problem(join(section, name), "Run this where it is, with --config FILE",
				"%s live in the configuration file of the server, and there is none here", section))
			return
		}
	}
}

func (p *planner) planEntry(file *configText, section, name string, e *wantedEntry) error {
	doc, err := readEntries(file.text, section)
	if err != nil {
		return fmt.Errorf("%s: %w", file.path, err)
	}
	old, there := doc.values[name]
	path := join(section, name)
	st := &applyStep{Kind: strings.TrimSuffix(section, "s"), Name: name, In: file.path, at: e.at, run: nothing}
	switch {
	case e.absent && !there:
		return nil
	case e.absent:
		st.Action, st.Weakens = "delete", []string{"it is removed"}
		file.text, err = doc.replace(file.text, section, name, nil, true)
	default:
		merged := mergeSlice(old, e.value)
		st.Changes = sliceChanges(old, merged, "", section)
		if there && reflect.DeepEqual(old, merged) {
			return nil
		}
		st.Action = "create"
		if there {
			st.Action = "update"
			for _, ch := range st.Changes {
				if ch.Old != nil {
					st.Weakens = append(st.Weakens, "a setting of it is changed or removed")
					break
				}
			}
		}
		file.text, err = doc.replace(file.text, section, name, merged, false)
	}
	if err != nil {
		p.bad(e.at.problem(path, "Change "+file.path+" by hand", "%v", err))
		return nil
	}
	file.steps = append(file.steps, st)
	return nil
}

func nothing() error { return nil }

// checkCandidate reads the changed file as a server would.
func (p *planner) checkCandidate(file *configText, w *wanted) error {
	dir, err := os.MkdirTemp("", "rollcall-apply-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	temp := filepath.Join(dir, "rollcall.yaml")
	if err := os.WriteFile(temp, file.text, 0o600); err != nil {
		return err
	}
	_, _, err = Load(Options{File: temp, Environ: p.cli.environ, Validators: validators()})
	config, ok := err.(*ConfigError)
	if !ok {
		return err
	}
	for _, problem := range config.Problems {
		p.bad(w.placed(problem, temp, file.path))
	}
	return nil
}

// placed moves a problem of the changed file to where apply's own file tells the setting.
func (w *wanted) placed(problem Problem, temp, path string) Problem {
	parts := strings.SplitN(problem.Key, ".", 3)
	if len(parts) >= 2 {
		if e := w.sections[parts[0]][parts[1]]; e != nil {
			at := e.at
			for key := problem.Key; key != ""; key = key[:max(strings.LastIndexByte(key, '.'), 0)] {
				if found, ok := e.nodes[key]; ok {
					at = found
					break
				}
			}
			return at.problem(problem.Key, problem.Hint, "%s", problem.Text)
		}
	}
	if problem.File == shownFile(temp) {
		problem.File = path
	}
	return problem
}

// write puts the changed text into the file's place, at once.
func (f *configText) write() error {
	path, err := filepath.EvalSymlinks(f.path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".rollcall-apply-*")
	if err != nil {
		return fmt.Errorf("%s cannot be written here: %w", f.path, err)
	}
	defer os.Remove(temp.Name())
	if _, err = temp.Write(f.text); err == nil {
		err = temp.Sync()
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(temp.Name(), info.Mode().Perm())
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	return err
}

// entries are the clients or sources of a configuration file, and the lines on which they stand.
type entries struct {
	values   map[string]yaml.MapSlice
	from, to map[string]int // lines, from 0; to is behind the last
	start    int            // line of the section's key, -1 for no section
	end      int            // behind its last line
	indent   int
	inline   bool // not each on lines of its own
	braces   bool // nor the sections
}

// readEntries finds a section in the text of a configuration file.
func readEntries(text []byte, section string) (*entries, error) {
	lines := strings.Split(string(text), "\n")
	r := &yamlReader{anchors: map[string]ast.Node{}, loader: &loader{lines: lines, origins: &Origins{origins: map[string]Origin{}}, broken: map[string]bool{}}}
	e := &entries{values: map[string]yaml.MapSlice{}, from: map[string]int{}, to: map[string]int{}, start: -1, end: len(lines), indent: 2}
	tree, err := parse(text)
	if err != nil {
		return nil, err
	}
	for _, d := range tree.Docs {
		if d.Body == nil {
			continue
		}
		ast.Walk(r, d.Body)
		if m, ok := d.Body.(*ast.MappingNode); ok && m.IsFlowStyle {
			e.braces = true
		}
		top, _ := r.pairs(d.Body, 0)
		for _, p := range top {
			line := firstToken(p.at).Position.Line - 1
			if e.start >= 0 && line > e.start && line < e.end {
				e.end = line
			}
			if p.key == section {
				e.start = line
				e.read(r, p)
			}
		}
	}
	e.trim(lines)
	return e, nil
}

func (e *entries) read(r *yamlReader, section pair) {
	list, _ := r.pairs(section.value, 0)
	if m, ok := r.plain(section.value).(*ast.MappingNode); ok && m.IsFlowStyle || len(r.anchors) > 0 && usesAlias(section.value) {
		e.inline = true
	}
	for _, p := range list {
		t := firstToken(p.at)
		value, _ := r.generic(p.value, "").(yaml.MapSlice)
		if value == nil {
			value = yaml.MapSlice{}
		}
		e.values[p.key], e.from[p.key], e.indent = value, t.Position.Line-1, t.Position.Column-1
	}
}

func usesAlias(n ast.Node) bool {
	return len(ast.Filter(ast.AliasType, n))+len(ast.Filter(ast.AnchorType, n))+len(ast.Filter(ast.MergeKeyType, n)) > 0
}

// trim finds where each entry ends: before the next, and before the comments of that.
func (e *entries) trim(lines []string) {
	back := func(to, from int) int {
		for to > from+1 {
			text := strings.TrimSpace(lines[to-1])
			if text != "" && !strings.HasPrefix(text, "#") {
				break
			}
			to--
		}
		return to
	}
	if e.start >= 0 {
		e.end = back(e.end, e.start)
	}
	starts := slices.Sorted(maps.Values(e.from))
	for name, from := range e.from {
		to := e.end
		if i := slices.Index(starts, from); i+1 < len(starts) {
			to = starts[i+1]
		}
		e.to[name] = back(to, from)
	}
}

// replace writes one entry anew, or takes it out.
func (e *entries) replace(text []byte, section, name string, value yaml.MapSlice, remove bool) ([]byte, error) {
	lines := strings.Split(string(text), "\n")
	if e.braces || e.inline && len(e.values) > 0 {
		return nil, fmt.Errorf("the section %s of the configuration file is not lines of its own: it has braces or anchors", section)
	}
	from, to := e.end, e.end
	if start, ok := e.from[name]; ok {
		from, to = start, e.to[name]
	}
	var block []string
	if !remove {
		out, err := yaml.MarshalWithOptions(yaml.MapSlice{{Key: name, Value: value}}, yaml.Indent(2), yaml.IndentSequence(true))
		if err != nil {
			return nil, err
		}
		for line := range strings.SplitSeq(strings.TrimRight(string(out), "\n"), "\n") {
			block = append(block, strings.Repeat(" ", e.indent)+line)
		}
	}
	switch {
	case e.start >= 0 && len(e.values) == 0:
		from, to = e.start, e.end
		block = append([]string{section + ":"}, block...)
	case e.start < 0:
		for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
			lines = lines[:len(lines)-1]
		}
		from, to = len(lines), len(lines)
		block = append(append([]string{section + ":"}, block...), "")
	}
	return []byte(strings.Join(slices.Concat(lines[:from], block, lines[to:]), "\n")), nil
}

// mergeSlice is RFC 7396 on mappings that keep their order.
func mergeSlice(old, patch yaml.MapSlice) yaml.MapSlice {
	merged := append(yaml.MapSlice{}, old...)
	for _, item := range patch {
		i := slices.IndexFunc(merged, func(m yaml.MapItem) bool { return m.Key == item.Key })
		sub, isMap := item.Value.(yaml.MapSlice)
		switch {
		case item.Value == nil && i >= 0:
			merged = slices.Delete(merged, i, i+1)
		case item.Value == nil:
		case i < 0:
			merged = append(merged, item)
		case isMap:
			below, _ := merged[i].Value.(yaml.MapSlice)
			merged[i].Value = mergeSlice(below, sub)
		default:
			merged[i].Value = item.Value
		}
	}
	return merged
}

// sliceChanges lists the settings that differ, those of secrets without their values.
func sliceChanges(old, now yaml.MapSlice, path, section string) []change {
	before, after := flat(old, path), flat(now, path)
	var list []change
	for _, key := range slices.Sorted(maps.Keys(merged(before, after))) {
		if reflect.DeepEqual(before[key], after[key]) {
			continue
		}
		ch := change{Path: key, Old: before[key], New: after[key]}
		if isSecretAt(section, key) {
			ch.Old, ch.New = hidden(ch.Old), hidden(ch.New)
		}
		list = append(list, ch)
	}
	return list
}

func merged(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func hidden(v any) any {
	if v == nil {
		return nil
	}
	return redacted
}

// isSecretAt tells whether a setting below an entry is a secret written in place.
func isSecretAt(section, key string) bool {
	t := reflect.TypeFor[ClientConfig]()
	if section == "sources" {
		t = reflect.TypeFor[SourceConfig]()
	}
	for part := range strings.SplitSeq(key, ".") {
		s, fromFile, ok := settingAt(t, part)
		switch {
		case !ok:
			return false
		case s.typ == secretType:
			return !fromFile
		case !isSection(s.typ):
			return false
		}
		t = s.typ
	}
	return false
}

// flat lists the values of a mapping by their paths.
func flat(m yaml.MapSlice, path string) map[string]any {
	all := map[string]any{}
	for _, item := range m {
		at := join(path, fmt.Sprint(item.Key))
		if sub, ok := item.Value.(yaml.MapSlice); ok {
			maps.Copy(all, flat(sub, at))
			continue
		}
		all[at] = item.Value
	}
	return all
}
