package main

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// shownSetting is a setting as `config show` prints it.
type shownSetting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"` // a text, a number, a list of texts, or a map of texts
	Origin string `json:"origin"`
	secret bool
}

// shown lists every setting in the order of the sections, secrets as "redacted" and those
// that are not set not at all.
func (c *Config) shown(o *Origins) []shownSetting {
	var all []shownSetting
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		source, _ := v.Interface().(SourceConfig)
		for _, s := range settingsOf(v.Type()) {
			f, key := v.Field(s.index), join(path, s.key)
			switch {
			case s.only != "" && s.only != source.Type:
			case isSection(s.typ):
				walk(f, key)
			case isNamed(s.typ):
				for _, name := range namesIn(f) {
					walk(f.MapIndex(reflect.ValueOf(name)).Elem(), join(key, name))
				}
			default:
				if value, set := shownValue(f); set {
					all = append(all, shownSetting{key, value, o.Of(key).String(), s.typ == secretType})
				}
			}
		}
	}
	walk(reflect.ValueOf(c).Elem(), "")
	return all
}

// namesIn lists the elements of a section of names.
func namesIn(section reflect.Value) []string {
	var names []string
	for _, k := range section.MapKeys() {
		names = append(names, k.String())
	}
	slices.Sort(names)
	return names
}

// shownValue is a value as it would be written. It tells whether there is any: a secret, a
// limit and a mapping may be unset.
func shownValue(v reflect.Value) (value any, set bool) {
	switch x := v.Interface().(type) {
	case Secret:
		return redacted, x.IsSet()
	case map[string]string:
		return x, len(x) > 0
	case []netip.Prefix:
		return texts(x, netip.Prefix.String), true
	case []string:
		return texts(x, func(s string) string { return s }), true
	case *Limit:
		if x == nil {
			return nil, false
		}
		return x.String(), true
	case fmt.Stringer:
		return x.String(), true
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), true
	case reflect.Int:
		return v.Int(), true
	case reflect.Bool:
		return v.Bool(), true
	}
	panic("config show cannot print a " + v.Type().String()) // a field of Config that needs a case here
}

func texts[T any](list []T, text func(T) string) []string {
	all := make([]string, len(list))
	for i, item := range list {
		all[i] = text(item)
	}
	return all
}

// printYAML prints settings as YAML, with where each came from as a comment.
func printYAML(w io.Writer, settings []shownSetting, origins bool) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	var open []string // the sections that the last line stood in
	for _, s := range settings {
		path := strings.Split(s.Key, ".")
		sections, key := path[:len(path)-1], path[len(path)-1]
		for depth, name := range sections {
			if depth < len(open) && open[depth] == name {
				continue
			}
			open = open[:depth]
			fmt.Fprintf(tw, "%s%s:\n", strings.Repeat("  ", depth), name)
			open = append(open, name)
		}
		open = open[:len(sections)]
		comment := ""
		if origins {
			comment = "\t# " + s.Origin
		}
		fmt.Fprintf(tw, "%s%s: %s%s\n", strings.Repeat("  ", len(sections)), key, yamlValue(s.Value), comment)
	}
	return tw.Flush()
}

func yamlValue(v any) string {
	switch v := v.(type) {
	case string:
		return yamlText(v)
	case []string:
		return "[" + strings.Join(texts(v, flowText), ", ") + "]"
	case map[string]string:
		var items []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			items = append(items, flowText(k)+": "+flowText(v[k]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// flowText is a text inside of brackets, where colons may part it.
func flowText(s string) string {
	if strings.Contains(s, ":") {
		return strconv.Quote(s)
	}
	return yamlText(s)
}

// plainText is what needs no quotes in YAML, if it is no word of YAML's own.
var plainText = regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9 _./:+%()-]*$`)

func yamlText(s string) string {
	word := strings.ToLower(s)
	if plainText.MatchString(s) && !strings.Contains(s, ": ") && !strings.HasSuffix(s, ":") && !strings.HasSuffix(s, " ") &&
		word != "true" && word != "false" && word != "null" && word != "yes" && word != "no" {
		return s
	}
	return strconv.Quote(s)
}
