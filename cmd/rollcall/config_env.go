package main

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// A setting a.b_c is the variable ROLLCALL_A_B_C. Below sources and clients the name comes in
// between, with _ for -: ROLLCALL_SOURCES_CORP_URL. List items are separated by commas.
// Mappings of attributes are for the file alone: a variable's name cannot hold their keys.

const envPrefix = "ROLLCALL_"

// foreign are variables with our prefix that are no settings: the command line's own (a server
// to talk to, with which token), those of our tests, and those that Kubernetes and Docker set for
// a service of our name.
var foreign = regexp.MustCompile(`^ROLLCALL_(?:SERVER|TOKEN|CONFIG|TEST_.*|SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT(?:_\d+_(?:TCP|UDP)(?:_.*)?)?)$`)

// environment is our part of the environment; the last of a name counts.
func (l *loader) environment() map[string]string {
	env := map[string]string{}
	for _, variable := range l.Environ {
		if name, value, ok := strings.Cut(variable, "="); ok && strings.HasPrefix(name, envPrefix) {
			env[name] = value
		}
	}
	return env
}

func (l *loader) loadEnv(env map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if foreign.MatchString(name) {
			continue
		}
		path, ok := l.envPath(strings.TrimPrefix(name, envPrefix))
		if !ok {
			l.origins.Warnings = append(l.origins.Warnings,
				Problem{Name: name, Text: "there is no such setting", Hint: suggest(name, l.envNames())})
			continue
		}
		// The variable itself comes before the one that names a file.
		if base, isFile := strings.CutSuffix(name, "_FILE"); isFile && isSecretFile(path) {
			if _, both := env[base]; both {
				l.origins.Warnings = append(l.origins.Warnings, Problem{Name: name, Text: "it is not used, since " + base + " is set"})
				continue
			}
		}
		l.assign(path, env[name], Origin{Kind: FromEnv, Name: name})
	}
}

func (l *loader) loadFlags() {
	for _, o := range l.Overrides {
		l.assign(o.Key, o.Value, Origin{Kind: FromFlag, Name: o.Flag})
	}
}

// envForm is how a path is written in a variable's name.
func envForm(path string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

// isSecretFile tells whether a path is the second key of a secret.
func isSecretFile(path string) bool {
	t := reflect.TypeFor[Config]()
	segments := strings.Split(path, ".")
	for _, key := range segments[:len(segments)-1] {
		if isNamed(t) {
			t = t.Elem().Elem()
			continue
		}
		s, _, ok := settingAt(t, key)
		if !ok {
			return false
		}
		t = s.typ
	}
	_, fromFile, _ := settingAt(t, segments[len(segments)-1])
	return fromFile
}

// envPath is the setting that a variable's name, without its prefix, stands for.
func (l *loader) envPath(name string) (string, bool) {
	root := reflect.TypeFor[Config]()
	for _, leaf := range leavesOf(root) {
		if envForm(leaf) == name {
			return leaf, true
		}
	}
	for _, n := range namedIn(reflect.ValueOf(l.config).Elem(), "") {
		rest, ok := strings.CutPrefix(name, envForm(n.path)+"_")
		if !ok {
			continue
		}
		if element, leaf, ok := splitName(rest, leavesOf(n.Type().Elem().Elem()), namesIn(n.Value)); ok {
			return n.path + "." + element + "." + leaf, true
		}
	}
	return "", false
}

// namedSection is a section whose keys are names, and its path.
type namedSection struct {
	reflect.Value
	path string
}

// namedIn lists the sections of names below a section.
func namedIn(section reflect.Value, path string) []namedSection {
	var all []namedSection
	for _, s := range settingsOf(section.Type()) {
		switch v, at := section.Field(s.index), join(path, s.key); {
		case isNamed(s.typ):
			all = append(all, namedSection{v, at})
		case isSection(s.typ):
			all = append(all, namedIn(v, at)...)
		}
	}
	return all
}

// splitName cuts CORP_USERS_BASE into corp and users.base. Names that exist come first, the
// longest of them; otherwise the longest setting at the end leaves the name.
func splitName(text string, leaves, existing []string) (name, leaf string, ok bool) {
	longest := func(a, b string) int { return len(b) - len(a) }
	for _, n := range slices.SortedStableFunc(slices.Values(existing), longest) {
		rest, ok := strings.CutPrefix(text, envForm(n)+"_")
		if !ok {
			continue
		}
		if i := slices.IndexFunc(leaves, func(leaf string) bool { return envForm(leaf) == rest }); i >= 0 {
			return n, leaves[i], true
		}
	}
	for _, leaf := range slices.SortedStableFunc(slices.Values(leaves), longest) {
		if n, ok := strings.CutSuffix(text, "_"+envForm(leaf)); ok {
			n = strings.ToLower(strings.ReplaceAll(n, "_", "-"))
			return n, leaf, nameText.MatchString(n)
		}
	}
	return "", "", false
}

// envNames lists the variables that could have been meant.
func (l *loader) envNames() []string {
	root := reflect.TypeFor[Config]()
	var all []string
	for _, leaf := range leavesOf(root) {
		all = append(all, envPrefix+envForm(leaf))
	}
	for _, n := range namedIn(reflect.ValueOf(l.config).Elem(), "") {
		for _, name := range namesIn(n.Value) {
			for _, leaf := range leavesOf(n.Type().Elem().Elem()) {
				all = append(all, envPrefix+envForm(n.path+"."+name+"."+leaf))
			}
		}
	}
	return all
}

// assign sets the setting of a path, which envPath made or the program's own flags name.
func (l *loader) assign(path, text string, origin Origin) {
	v, segments := reflect.ValueOf(l.config).Elem(), strings.Split(path, ".")
	at := ""
	for i, key := range segments {
		if isNamed(v.Type()) {
			at = join(at, key)
			if !v.MapIndex(reflect.ValueOf(key)).IsValid() {
				l.origins.origins[at] = origin
			}
			v = element(v, key)
			continue
		}
		s, fromFile, ok := settingAt(v.Type(), key)
		if !ok {
			panic("there is no setting " + path) // a flag that names none
		}
		v, at = v.Field(s.index), join(at, s.key)
		if i < len(segments)-1 {
			continue
		}
		switch {
		case fromFile:
			l.setSecret(v, at, text, origin)
		case s.typ.Kind() == reflect.Slice:
			l.setList(v, s, at, splitList(text), origin)
		default:
			l.set(v, s, at, text, origin)
		}
	}
}
