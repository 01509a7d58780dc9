package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// Options say where the configuration comes from.
type Options struct {
	File      string     // --config; "" looks for one, see findFile
	Environ   []string   // NAME=value, as os.Environ has it
	Overrides []Override // flags that set a setting
	Validators
}

// Override is a flag that sets a setting.
type Override struct{ Flag, Key, Value string } // "--store", "store.url", …

// Validators check what other packages know of: nil checks nothing.
type Validators struct {
	Schedule func(string) error
	// Source judges a source as a whole, its DNs, filters and attributes. Each of the errors that it
	// joins begins with the key it is about, as in "users.base: ".
	Source  func(*SourceConfig) error
	Presets []string
}

// OriginKind is the layer that a value came from; a later one wins.
type OriginKind int

// The layers, from the first to the last.
const (
	FromDefault OriginKind = iota
	FromFile
	FromEnv
	FromFlag
)

// Origin is where a value came from.
type Origin struct {
	Kind         OriginKind
	File         string // FromFile
	Line, Column int
	Name         string // FromEnv, FromFlag
	SecretFile   string // the file that a secret was read from
}

func (o Origin) String() string {
	s := "default"
	switch o.Kind {
	case FromFile:
		s = fmt.Sprintf("%s:%d", o.File, o.Line)
	case FromEnv:
		s = "env " + o.Name
	case FromFlag:
		s = "flag " + o.Name
	}
	if o.SecretFile != "" {
		s += " (" + o.SecretFile + ")"
	}
	return s
}

// Origins tell where each value of a Config came from.
type Origins struct {
	File     string // the file that was read, "" for none
	Warnings []Problem
	origins  map[string]Origin
}

// Of is where a setting's value came from.
func (o *Origins) Of(key string) Origin { return o.origins[key] }

// loader fills a Config, layer by layer. It goes on after a problem, so that one start
// shows them all.
type loader struct {
	Options
	config   *Config
	origins  *Origins
	lines    []string // of the file, for excerpts
	readable bool     // by everybody: the file
	problems []Problem
	// broken are settings whose text could not be read: checks leave them alone.
	broken map[string]bool
}

// Load reads the configuration. An error is a *ConfigError. Without one the Config holds
// nothing that is wrong in itself; Origins also tells what to warn of.
func Load(options Options) (*Config, *Origins, error) {
	l := &loader{
		Options: options,
		config:  defaultConfig(),
		origins: &Origins{origins: map[string]Origin{}},
		broken:  map[string]bool{},
	}
	env := l.environment()
	l.loadFile(env["ROLLCALL_CONFIG"])
	l.loadEnv(env)
	l.loadFlags()
	l.movePassword()
	l.warnInlineSecrets()
	l.check()
	if len(l.problems) > 0 {
		sortProblems(l.problems)
		return nil, l.origins, &ConfigError{l.problems}
	}
	return l.config, l.origins, nil
}

// The files that are looked for where none is named.
var configFiles = []string{"rollcall.yaml", "/etc/rollcall/rollcall.yaml"}

// maxFile bounds the files that are read here.
const (
	maxFile       = 4 << 20
	maxSecretFile = 64 << 10
)

// loadFile reads the file that --config or ROLLCALL_CONFIG name, or else the first of
// configFiles that exists. A named one must exist.
func (l *loader) loadFile(fromEnv string) {
	origin := Origin{Kind: FromFlag, Name: "--config"}
	path := l.File
	if path == "" {
		origin = Origin{Kind: FromEnv, Name: "ROLLCALL_CONFIG"}
		path = fromEnv
	}
	if path == "" {
		i := slices.IndexFunc(configFiles, func(f string) bool {
			_, err := os.Stat(f)
			return !errors.Is(err, fs.ErrNotExist)
		})
		if i < 0 {
			return
		}
		origin, path = Origin{}, configFiles[i]
	}
	text, info, err := readFile(path, maxFile)
	if err != nil {
		p := Problem{Name: origin.Name, Text: err.Error()}
		if errors.Is(err, fs.ErrNotExist) {
			p.Hint = "`rollcall config show` without it prints every setting"
		}
		l.problems = append(l.problems, p)
		return
	}
	l.origins.File = shownFile(path)
	l.loadYAML(text)
	l.readable = worldReadable(info)
}

// readFile reads a file of a bounded size.
func readFile(path string, most int64) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		return nil, nil, fmt.Errorf("%s is a folder", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s is larger than %d KiB", path, most>>10)
	}
	return text, info, err
}

// worldReadable tells whether everybody on the machine can read a file. Windows has no
// such bits.
func worldReadable(info fs.FileInfo) bool {
	return runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0
}

// warnInlineSecrets warns where everybody can read a file that has secrets in it.
func (l *loader) warnInlineSecrets() {
	if !l.readable {
		return
	}
	for _, key := range l.secretKeys() {
		if o := l.origins.Of(key); o.Kind == FromFile && o.SecretFile == "" {
			l.warn(key, "Run chmod o-r "+l.origins.File+", or use "+key+"_file", "everybody on this machine can read this secret")
		}
	}
}

// secretKeys lists the secrets that are set.
func (l *loader) secretKeys() []string {
	var keys []string
	for _, s := range l.config.shown(l.origins) {
		if s.secret {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// set reads a text into a setting.
func (l *loader) set(v reflect.Value, s setting, path, text string, origin Origin) {
	err := checkEnum(s, text)
	if err == nil {
		err = setText(v, text)
	}
	if v.Type() != secretType { // a Secret's own errors say nothing of its value
		err = discreet(path, err)
	}
	l.done(path, origin, err)
}

// discreet keeps what was written out of an error about a setting that sounds like a secret: a
// person who takes clients.NAME.token for the place of a token has written one.
func discreet(path string, err error) error {
	if err == nil || !secretEnd.MatchString(path) {
		return err
	}
	return errors.New("it cannot have this value, which is not repeated here as it may be a secret")
}

// setList reads texts into a setting that is a list.
func (l *loader) setList(v reflect.Value, s setting, path string, texts []string, origin Origin) {
	list := reflect.MakeSlice(v.Type(), len(texts), len(texts))
	for i, text := range texts {
		err := checkEnum(s, text)
		if err == nil {
			err = setText(list.Index(i), text)
		}
		if err != nil {
			l.done(path, origin, err)
			return
		}
	}
	v.Set(list)
	l.done(path, origin, nil)
}

// setSecret reads a secret from a file.
func (l *loader) setSecret(v reflect.Value, path, file string, origin Origin) {
	if file == "" {
		l.done(path, origin, errors.New("the name of its file is empty"))
		return
	}
	secret, err := readSecret(file)
	if err == nil {
		v.Set(reflect.ValueOf(secret))
	}
	origin.SecretFile = file
	l.done(path, origin, err)
}

// readSecret reads a file that holds one secret, and nothing behind it but line ends.
func readSecret(file string) (Secret, error) {
	text, info, err := readFile(file, maxSecretFile)
	if err != nil {
		return Secret{}, err
	}
	if worldReadable(info) {
		return Secret{}, fmt.Errorf("everybody on this machine can read %s. Run chmod o-r %s", file, file)
	}
	s := Secret{file: file}
	if err := s.UnmarshalText([]byte(strings.TrimRight(string(text), "\r\n"))); err != nil {
		return Secret{}, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// done records where a setting came from, and what was wrong with its text.
func (l *loader) done(path string, origin Origin, err error) {
	l.origins.origins[path] = origin
	delete(l.broken, path)
	if err != nil {
		l.broken[path] = true
		l.bad(path, "", "%s", err)
	}
}

func checkEnum(s setting, text string) error {
	if s.enum == nil || slices.Contains(s.enum, text) {
		return nil
	}
	err := fmt.Errorf("%s is none of %s", quote(text), strings.Join(s.enum, ", "))
	if hint := suggest(text, s.enum); hint != "" {
		err = fmt.Errorf("%w. %s", err, hint)
	}
	return err
}

// problemAt is a problem with a setting, at the place that its value, or else the
// section around it, came from.
func (l *loader) problemAt(path, hint, format string, args ...any) Problem {
	p := Problem{Key: path, Text: fmt.Sprintf(format, args...), Hint: hint}
	for at := path; at != ""; {
		o := l.origins.Of(at)
		if o.Kind != FromDefault {
			p.Name = o.Name
			if o.Kind == FromFile {
				p.File, p.Line, p.Column = o.File, o.Line, o.Column
				p.Excerpt = excerpt(l.lines, o.Line, o.Column, false)
			}
			break
		}
		cut := strings.LastIndexByte(at, '.')
		at = at[:max(cut, 0)]
	}
	return p
}

func (l *loader) bad(path, hint, format string, args ...any) {
	l.problems = append(l.problems, l.problemAt(path, hint, format, args...))
}

func (l *loader) warn(path, hint, format string, args ...any) {
	l.origins.Warnings = append(l.origins.Warnings, l.problemAt(path, hint, format, args...))
}
