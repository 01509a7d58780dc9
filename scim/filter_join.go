package scim

import "strings"

// And is the filter that matches what both match. Neither is changed.
func (f *Filter) And(g *Filter) *Filter {
	return &Filter{root: &node{kind: kindAnd, left: f.root, right: g.root}, unquoted: f.unquoted || g.unquoted}
}

// Asks tells whether the filter tests an attribute of that name, in whatever schema.
func (f *Filter) Asks(name string) bool { return f.root.asks(name) }

func (n *node) asks(name string) bool {
	if n == nil {
		return false
	}
	attr := n.attr[strings.LastIndexByte(n.attr, ':')+1:]
	attr, _, _ = strings.Cut(attr, ".")
	return equalFoldASCII(attr, name) || n.left.asks(name) || n.right.asks(name)
}
