package main

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The library parses; walking its tree ourselves is what lets every problem be found at
// once and keeps the place of each, which its decoder loses for values with a type of their own.

// yamlReader walks one file.
type yamlReader struct {
	*loader
	anchors map[string]ast.Node
}

// maxAliases bounds a chain of aliases: one may lead back to itself.
const maxAliases = 16

func (l *loader) loadYAML(text []byte) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	l.lines = strings.Split(string(text), "\n")
	r := &yamlReader{loader: l, anchors: map[string]ast.Node{}}
	file, err := parse(text)
	if err != nil {
		r.syntax(err)
		return
	}
	var bodies []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil {
			bodies = append(bodies, d.Body)
		}
	}
	switch {
	case len(bodies) == 0:
		return
	case len(bodies) > 1:
		r.at(bodies[1], "", "", "the file holds a second document. Put everything into the first")
	}
	ast.Walk(r, bodies[0])
	r.section(bodies[0], reflect.ValueOf(l.config).Elem(), "")
}

// parse is the library's parser, which panics on some texts that are no YAML.
func parse(text []byte) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("this is no YAML")
		}
	}()
	return parser.ParseBytes(text, 0)
}

// Visit collects the anchors: ast.Walk calls it.
func (r *yamlReader) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		r.anchors[a.Name.GetToken().Value] = a.Value
	}
	return r
}

// syntax reports what the parser could not read. The line is shown only if it cannot be
// part of a secret.
func (r *yamlReader) syntax(err error) {
	p := Problem{File: r.origins.File, Text: err.Error()}
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		p.Line, p.Column, p.Text = e.GetToken().Position.Line, e.GetToken().Position.Column, e.GetMessage()
		last := min(p.Line, len(r.lines))
		first := max(last-1, 0)
		for first > 0 && !strings.Contains(r.lines[first], ":") {
			first--
		}
		if !secretWord.MatchString(strings.Join(r.lines[first:last], "\n")) {
			p.Excerpt = excerpt(r.lines, p.Line, p.Column, true)
		}
	}
	r.problems = append(r.problems, p)
}

// at reports a problem at a node.
func (r *yamlReader) at(n ast.Node, path, hint, format string, args ...any) {
	t := firstToken(n)
	r.problems = append(r.problems, Problem{
		File: r.origins.File, Line: t.Position.Line, Column: t.Position.Column,
		Key: path, Text: fmt.Sprintf(format, args...), Hint: hint,
		Excerpt: excerpt(r.lines, t.Position.Line, t.Position.Column, path == ""),
	})
}

// firstToken is where a node begins; a mapping's own token is its first colon.
func firstToken(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return firstToken(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return firstToken(n.Key)
	}
	return n.GetToken()
}

func (r *yamlReader) origin(n ast.Node) Origin {
	t := firstToken(n)
	return Origin{Kind: FromFile, File: r.origins.File, Line: t.Position.Line, Column: t.Position.Column}
}

// plain is what a node stands for: without anchor and tag, aliases followed.
func (r *yamlReader) plain(n ast.Node) ast.Node {
	for range maxAliases {
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.TagNode:
			n = x.Value
		case *ast.AliasNode:
			target, ok := r.anchors[x.Value.GetToken().Value]
			if !ok {
				return nil
			}
			n = target
		default:
			return n
		}
	}
	return nil
}

// pair is one key of a mapping, with its value.
type pair struct {
	key    string
	at     ast.Node // the key
	value  ast.Node
	merged bool // by "<<": it gives way to the mapping's own
}

// pairs lists a mapping, with what "<<" merges into it; none for null. It tells
// whether the node is a mapping at all.
func (r *yamlReader) pairs(n ast.Node, depth int) ([]pair, bool) {
	var values []*ast.MappingValueNode
	switch x := r.plain(n).(type) {
	case *ast.MappingNode:
		values = x.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{x}
	case *ast.NullNode:
		return nil, true
	default:
		return nil, false
	}
	var own, merged []pair
	for _, v := range values {
		if !v.Key.IsMergeKey() {
			own = append(own, pair{key: v.Key.GetToken().Value, at: v.Key, value: v.Value})
			continue
		}
		if depth == maxAliases {
			return nil, false
		}
		more, ok := r.pairs(v.Value, depth+1)
		if !ok {
			return nil, false
		}
		merged = append(merged, more...)
	}
	for _, m := range merged {
		if !slices.ContainsFunc(own, func(p pair) bool { return p.key == m.key }) {
			m.merged = true
			own = append(own, m)
		}
	}
	return own, true
}

// section reads a mapping into a struct.
func (r *yamlReader) section(n ast.Node, v reflect.Value, path string) {
	pairs, ok := r.pairs(n, 0)
	if !ok {
		r.at(n, path, "", "this is no section. Write its settings below it, as in %s: …", keysOf(v.Type())[0])
		return
	}
	seen := map[string]bool{}
	for _, p := range pairs {
		s, fromFile, ok := settingAt(v.Type(), p.key)
		if !ok {
			r.unknown(p, v.Type(), path)
			continue
		}
		if s.typ == secretType {
			if seen[s.key] && p.merged {
				continue
			}
			if seen[s.key] {
				r.at(p.at, join(path, p.key), "", "%s and %s_file are both set. Keep one", s.key, s.key)
				continue
			}
			seen[s.key] = true
		}
		if fromFile {
			if text, ok := r.text(p, join(path, p.key)); ok {
				r.setSecret(v.Field(s.index), join(path, s.key), text, r.origin(p.value))
			}
			continue
		}
		r.value(p, v.Field(s.index), s, join(path, s.key))
	}
}

func (r *yamlReader) unknown(p pair, section reflect.Type, path string) {
	where := "at the top of the file"
	if path != "" {
		where = "in " + path
	}
	hint := suggest(p.key, keysOf(section))
	if hint == "" {
		hint = "There are " + strings.Join(keysOf(section), ", ")
	}
	r.at(p.at, "", hint, "unknown key %s %s", quote(p.key), where)
}

// value reads one setting, whatever its kind.
func (r *yamlReader) value(p pair, v reflect.Value, s setting, path string) {
	switch {
	case isSection(s.typ):
		r.origins.origins[path] = r.origin(p.at)
		r.section(p.value, v, path)
	case isNamed(s.typ):
		r.origins.origins[path] = r.origin(p.at)
		r.named(p, v, path)
	case s.typ.Kind() == reflect.Map:
		r.texts(p, v, path)
	case s.typ.Kind() == reflect.Slice:
		r.list(p, v, s, path)
	default:
		if text, ok := r.text(p, path); ok {
			r.set(v, s, path, text, r.origin(p.value))
		}
	}
}

// text is a value that is one text. A number is taken as it is written.
func (r *yamlReader) text(p pair, path string) (string, bool) {
	switch x := r.plain(p.value).(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.LiteralNode:
		return x.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return x.GetToken().Value, true
	case *ast.NullNode:
		r.at(p.at, path, "", "there is no value behind it. Leave the key out, or give it one")
	case nil:
		r.at(p.value, path, "", "this alias leads nowhere")
	default:
		r.at(p.value, path, "", "this must be one value, not a list or a section")
	}
	r.broken[path] = true
	return "", false
}

// list reads a sequence, or one text as a list of one.
func (r *yamlReader) list(p pair, v reflect.Value, s setting, path string) {
	var texts []string
	if sequence, ok := r.plain(p.value).(*ast.SequenceNode); ok {
		for _, item := range sequence.Values {
			text, ok := r.text(pair{key: p.key, at: item, value: item}, path)
			if !ok {
				return
			}
			texts = append(texts, text)
		}
	} else {
		text, ok := r.text(p, path)
		if !ok {
			return
		}
		texts = []string{text}
	}
	r.setList(v, s, path, texts, r.origin(p.value))
}

// texts reads a mapping of texts.
func (r *yamlReader) texts(p pair, v reflect.Value, path string) {
	pairs, ok := r.pairs(p.value, 0)
	if !ok {
		r.at(p.value, path, "", "this must be a section of names with a value each")
		return
	}
	m := map[string]string{}
	for _, item := range pairs {
		if text, ok := r.text(item, path+"."+item.key); ok {
			m[item.key] = text
		}
	}
	v.Set(reflect.ValueOf(m))
	r.origins.origins[path] = r.origin(p.at)
}

// nameText is what a source, a client or a workspace may be called: it fits into URLs,
// file names and environment variables.
var nameText = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

const nameRule = "Use a-z, 0-9 and -, at most 63, and no - in front"

// named reads sections under names.
func (r *yamlReader) named(p pair, v reflect.Value, path string) {
	pairs, ok := r.pairs(p.value, 0)
	if !ok {
		r.at(p.value, path, "", "this is no section. Write a name below it, and the settings below that")
		return
	}
	for _, item := range pairs {
		if !nameText.MatchString(item.key) {
			r.at(item.at, path, nameRule, "%s is no name", quote(item.key))
			continue
		}
		at := join(path, item.key)
		r.origins.origins[at] = r.origin(item.at)
		r.section(item.value, element(v, item.key), at)
	}
}

// element is the section of a name, made with its defaults where it is new.
func element(v reflect.Value, name string) reflect.Value {
	key := reflect.ValueOf(name)
	e := v.MapIndex(key)
	if !e.IsValid() {
		e = reflect.New(v.Type().Elem().Elem())
		e.Interface().(named).setDefaults(name)
		v.SetMapIndex(key, e)
	}
	return e.Elem()
}
