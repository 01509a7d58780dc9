package ldapsrc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// A mapping's template is text/template, cut down to what makes one text of an entry's
// attributes: {{.sn}} is the first value of sn, "" where there is none; {{attr "x-badge"}} the same
// for a name that has a hyphen; {{if .x}} … {{else}} … {{end}}; pipes; and the functions below.
// There are no loops, variables or templates within templates, so that it ends; and every text on
// the way is as bounded as a value is.

const maxTemplate = 1024 // bytes of its text

var errLongText = fmt.Errorf("the template makes more than %d bytes", maxValue)

// templateFuncs are the functions that a template may call. What is piped in is the last argument.
var templateFuncs = template.FuncMap{
	"lower":   strings.ToLower,
	"upper":   strings.ToUpper,
	"trim":    strings.TrimSpace,
	"replace": replaceText,
	"before":  func(sep, s string) string { head, _, _ := strings.Cut(s, sep); return head },
	"after":   func(sep, s string) string { _, tail, _ := strings.Cut(s, sep); return tail },
	"first":   firstRunes,
	"default": func(otherwise, s string) string {
		if s == "" {
			return otherwise
		}
		return s
	},
	"attr": func(string) string { return "" }, // walk puts a field in its place
}

// templateBuiltins are the functions of text/template that remain.
var templateBuiltins = []string{"and", "or", "not", "eq", "ne"}

func replaceText(old, with, s string) (string, error) {
	if old == "" {
		return s, nil
	}
	if len(s)+strings.Count(s, old)*(len(with)-len(old)) > maxValue {
		return "", errLongText
	}
	return strings.ReplaceAll(s, old, with), nil
}

// firstRunes cuts a text to so many characters.
func firstRunes(n int, s string) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// textTemplate is a compiled template. It may be executed by several goroutines.
type textTemplate struct {
	*template.Template
	names []string // folded LDAP attributes that it reads
}

// parseTemplate compiles a template and refuses what is not in the language.
func parseTemplate(text string) (*textTemplate, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("the template is longer than %d bytes", maxTemplate)
	}
	parsed, err := template.New("").Funcs(templateFuncs).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the template %w", err)
	}
	t := &textTemplate{Template: parsed}
	if len(parsed.Templates()) != 1 {
		return nil, errors.New("a template has no templates within it")
	}
	if err := t.walk(parsed.Root); err != nil {
		return nil, err
	}
	if len(t.names) == 0 {
		return nil, errors.New("the template reads no attribute: a constant begins with =")
	}
	return t, nil
}

// walk checks a node and all below it, and folds the names of attributes.
func (t *textTemplate) walk(n parse.Node) error {
	switch n := n.(type) {
	case *parse.TextNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.CommentNode:
		return nil
	case *parse.ListNode:
		return t.list(n)
	case *parse.ActionNode:
		return t.pipe(n.Pipe)
	case *parse.IfNode:
		return errors.Join(t.pipe(n.Pipe), t.list(n.List), t.list(n.ElseList))
	case *parse.PipeNode:
		return t.pipe(n)
	case *parse.FieldNode:
		if len(n.Ident) != 1 {
			return fmt.Errorf("%s in a template: an attribute is one name behind a dot", n)
		}
		n.Ident[0] = strings.ToLower(n.Ident[0])
		return t.reads(n.Ident[0])
	case *parse.IdentifierNode:
		if templateFuncs[n.Ident] == nil && !slices.Contains(templateBuiltins, n.Ident) {
			known := slices.Sorted(maps.Keys(templateFuncs))
			return fmt.Errorf("a template has no function %s; it has %s, %s", n.Ident, strings.Join(known, ", "), strings.Join(templateBuiltins, ", "))
		}
		return nil
	}
	return fmt.Errorf("%s has no place in a template: docs/ldap.md says what has", n)
}

func (t *textTemplate) list(l *parse.ListNode) error {
	if l == nil { // an {{if}} without {{else}}
		return nil
	}
	for _, n := range l.Nodes {
		if err := t.walk(n); err != nil {
			return err
		}
	}
	return nil
}

func (t *textTemplate) pipe(p *parse.PipeNode) error {
	if len(p.Decl) > 0 {
		return errors.New("a template has no variables")
	}
	for _, c := range p.Cmds {
		if name, ok := c.Args[0].(*parse.IdentifierNode); ok && name.Ident == "attr" {
			field, err := fieldOf(c)
			if err != nil {
				return err
			}
			c.Args = []parse.Node{field}
		}
		for _, arg := range c.Args {
			if err := t.walk(arg); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldOf is the field that {{attr "name"}} stands for.
func fieldOf(c *parse.CommandNode) (*parse.FieldNode, error) {
	if len(c.Args) == 2 {
		if s, ok := c.Args[1].(*parse.StringNode); ok {
			return &parse.FieldNode{NodeType: parse.NodeField, Pos: s.Pos, Ident: []string{s.Text}}, nil
		}
	}
	return nil, errors.New(`attr takes one name in quotes: {{attr "x-badge"}}`)
}

func (t *textTemplate) reads(name string) error {
	if err := checkAttribute(name); err != nil {
		return err
	}
	if !slices.Contains(t.names, name) {
		t.names = append(t.names, name)
	}
	return nil
}

// text makes the text. values has a value for each of names, "" where the entry has none.
func (t *textTemplate) text(values map[string]string) (string, error) {
	var out boundedText
	if err := t.Execute(&out, values); err != nil {
		if errors.Is(err, errLongText) {
			return "", errLongText
		}
		return "", errors.New("does not fit the template")
	}
	return strings.TrimSpace(out.String()), nil
}

// boundedText takes no more than a value may have.
type boundedText struct{ strings.Builder }

func (b *boundedText) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxValue {
		return 0, errLongText
	}
	return b.Builder.Write(p)
}
