package main

import "rollcall/scim"

// FilterConfig bounds the filters of clients: what is beyond is 400 invalidFilter.
type FilterConfig struct {
	Bytes int `key:"bytes"` // of the text
	Depth int `key:"depth"` // of parentheses and brackets
	Terms int `key:"terms"` // comparisons
}

func filterDefaults() FilterConfig {
	return FilterConfig{Bytes: scim.MaxFilterBytes, Depth: scim.MaxFilterDepth, Terms: scim.MaxFilterTerms}
}

func (f FilterConfig) limits() scim.FilterLimits { return scim.FilterLimits(f) }

// checkFilter keeps a filter from costing what no client should: evaluating it is work for each of its
// terms, for each resource.
func (l *loader) checkFilter() {
	f := l.config.Server.Filter
	for _, b := range []struct {
		key            string
		is, least, top int
	}{
		{"bytes", f.Bytes, 256, 64 << 10}, {"depth", f.Depth, 2, 64}, {"terms", f.Terms, 2, 1000},
	} {
		if path := "server.filter." + b.key; !l.broken[path] && (b.is < b.least || b.is > b.top) {
			l.bad(path, "", "%d is not from %d to %d", b.is, b.least, b.top)
		}
	}
}
