package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// visitor is somebody with a browser that follows redirects within the console, and no JavaScript.
type visitor struct {
	*browser
	s      *served
	header http.Header // sent along
	doc    *html.Node  // the page that is open
	at     *url.URL
	code   int
	set    []*http.Cookie // by the last answers
}

func visit(s *served) *visitor {
	s.t.Helper()
	return &visitor{browser: newBrowser(s.t, "text/html"), s: s, header: http.Header{}}
}

// open opens a page and holds what every page has to keep to. code is what is expected, 0 for anything.
func (v *visitor) open(code int, path string) *visitor {
	v.t.Helper()
	return v.request(code, "GET", path, nil)
}

func (v *visitor) request(code int, method, to string, form url.Values) *visitor {
	v.t.Helper()
	if strings.HasPrefix(to, "/") {
		to = v.s.base + to
	}
	v.set = nil
	for range 10 {
		req, err := http.NewRequest(method, to, strings.NewReader(form.Encode()))
		if err != nil {
			v.t.Fatal(err)
		}
		req.Header = v.header.Clone()
		req.Header.Set("Accept", "text/html")
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := v.Do(req)
		if err != nil {
			v.t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			v.t.Fatal(err)
		}
		v.set = append(v.set, resp.Cookies()...)
		if next, _ := resp.Location(); next != nil {
			method, to, form = "GET", next.String(), nil
			continue
		}
		v.at, v.code = req.URL, resp.StatusCode
		if v.doc, err = html.Parse(strings.NewReader(string(text))); err != nil {
			v.t.Fatal(err)
		}
		if v.code != code && code != 0 {
			v.t.Fatalf("%s %s = %d, want %d\n%s", method, to, v.code, code, v.text())
		}
		v.check(resp)
		return v
	}
	v.t.Fatalf("%s leads nowhere", to)
	return v
}

// submit sends the form whose action ends so and that has what is given, as it stands but for that.
func (v *visitor) submit(code int, action string, change url.Values) *visitor {
	v.t.Helper()
	for form := range v.all("form") {
		fits := strings.HasSuffix(attr(form, "action"), action)
		for name := range change {
			fits = fits && hasInput(form, name)
		}
		if !fits {
			continue
		}
		values := inputs(form)
		maps.Copy(values, change)
		to := attr(form, "action")
		if attr(form, "method") == "get" {
			return v.request(code, "GET", to+"?"+values.Encode(), nil)
		}
		return v.request(code, "POST", to, values)
	}
	v.t.Fatalf("%s has no form for %s with %v\n%s", v.at, action, change, v.text())
	return v
}

// says holds that the page has a text.
func (v *visitor) says(texts ...string) *visitor {
	v.t.Helper()
	for _, text := range texts {
		if !strings.Contains(v.text(), text) {
			v.t.Errorf("%s does not say %q:\n%s", v.at, text, v.text())
		}
	}
	return v
}

// lacks holds that it has not.
func (v *visitor) lacks(text string) *visitor {
	v.t.Helper()
	if strings.Contains(v.text(), text) {
		v.t.Errorf("%s says %q:\n%s", v.at, text, v.text())
	}
	return v
}

func (v *visitor) signIn(name string) *visitor {
	v.t.Helper()
	return v.open(200, "/console/login").submit(200, "/login", url.Values{"userName": {name}, "password": {goodPassword}})
}

// all are the elements of that name.
func (v *visitor) all(name string) func(func(*html.Node) bool) { return elements(v.doc, name) }

func elements(n *html.Node, name string) func(func(*html.Node) bool) {
	return func(yield func(*html.Node) bool) {
		for d := range n.Descendants() {
			if d.Type == html.ElementNode && d.Data == name && !yield(d) {
				return
			}
		}
	}
}

func (v *visitor) text() string { return textOf(v.doc) }

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			if text := strings.Join(strings.Fields(d.Data), " "); text != "" {
				b.WriteString(text + " ")
			}
		}
	}
	return b.String()
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// inputs are what a form would send as it stands.
func inputs(form *html.Node) url.Values {
	values := url.Values{}
	for in := range elements(form, "input") {
		switch name := attr(in, "name"); {
		case name == "" || attr(in, "type") == "checkbox" && !has(in, "checked"):
		case attr(in, "type") == "checkbox":
			values.Add(name, "on")
		default:
			values.Add(name, attr(in, "value"))
		}
	}
	for in := range elements(form, "textarea") {
		text := ""
		if in.FirstChild != nil {
			text = in.FirstChild.Data
		}
		values.Add(attr(in, "name"), text)
	}
	for in := range elements(form, "select") {
		chosen, first := "", true
		for o := range elements(in, "option") {
			if first || has(o, "selected") {
				chosen = strings.TrimSpace(textOf(o))
				if has(o, "value") {
					chosen = attr(o, "value")
				}
			}
			first = false
		}
		values.Add(attr(in, "name"), chosen)
	}
	return values
}

func hasInput(form *html.Node, name string) bool {
	for d := range form.Descendants() {
		if d.Type == html.ElementNode && attr(d, "name") == name {
			return true
		}
	}
	return false
}

// check holds what every page has to keep to: headers, and that it can be used by everybody.
func (v *visitor) check(resp *http.Response) {
	v.t.Helper()
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	} {
		if got := resp.Header.Get(name); got != want {
			v.t.Errorf("%s: %s = %q, want %q", v.at, name, got, want)
		}
	}
	for _, problem := range pageProblems(v.doc) {
		v.t.Errorf("%s: %s", v.at, problem)
	}
}

// pageProblems are what keeps some people from using a page, and what no page of ours has.
func pageProblems(doc *html.Node) []string {
	var list []string
	wrong := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	labels, ids := map[string]bool{}, map[string]bool{}
	for l := range elements(doc, "label") {
		labels[attr(l, "for")] = true
	}
	headings, level := 0, 0
	for d := range doc.Descendants() {
		if d.Type != html.ElementNode {
			continue
		}
		if id := attr(d, "id"); id != "" && ids[id] {
			wrong("the id %s is there twice", id)
		} else {
			ids[id] = true
		}
		for _, a := range d.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				wrong("<%s> has %s", d.Data, a.Key)
			}
		}
		switch d.Data {
		case "html":
			if attr(d, "lang") != "en" {
				wrong("it has no language")
			}
		case "script", "style", "iframe", "img":
			wrong("it has <%s>", d.Data)
		case "title", "button", "a", "legend", "summary", "th", "option":
			if strings.TrimSpace(textOf(d)) == "" && attr(d, "aria-label") == "" {
				wrong("<%s> has no text", d.Data)
			}
			if d.Data == "th" && attr(d, "scope") == "" {
				wrong("a heading of a table says not what it is of: %s", textOf(d))
			}
		case "h1", "h2", "h3":
			at := int(d.Data[1] - '0')
			if at > level+1 {
				wrong("%s comes behind h%d", d.Data, level)
			}
			if level = at; at == 1 {
				headings++
			}
		case "input", "select", "textarea":
			if attr(d, "type") != "hidden" && !has(d, "hidden") && !labels[attr(d, "id")] && d.Parent.Data != "label" {
				wrong("<%s name=%q> has no label", d.Data, attr(d, "name"))
			}
		}
	}
	if headings != 1 {
		wrong("it has %d h1", headings)
	}
	return list
}

// cookieNamed is a cookie that the last answers have set; nil for none.
func (v *visitor) cookieNamed(t *testing.T, name string) *http.Cookie {
	t.Helper()
	for _, c := range slices.Backward(v.set) {
		if c.Name == name {
			return c
		}
	}
	return nil
}
