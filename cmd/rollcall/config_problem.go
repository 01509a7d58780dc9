package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with the configuration, or (as a warning) that the
// operator should know. It never holds a secret.
type Problem struct {
	File         string // where it stands in a file
	Line, Column int
	Name         string // or the variable or flag that it came by
	Key          string // the setting, "sources.corp.schedule"; "" for none in particular
	Text         string // what is wrong
	Hint         string // what to do about it: a sentence
	Excerpt      string // the line, and a mark below it
}

// String is the problem as one line.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	case p.File != "":
		b.WriteString(p.File + ": ")
	case p.Name != "":
		b.WriteString(p.Name + ": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	if p.Hint != "" {
		b.WriteString(". " + p.Hint)
	}
	return b.String()
}

// ConfigError is everything that is wrong with the configuration, at once.
type ConfigError struct{ Problems []Problem }

func (e *ConfigError) Error() string {
	var b strings.Builder
	if n := len(e.Problems); n > 1 {
		fmt.Fprintf(&b, "%d problems with the configuration:\n", n)
	}
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
		if p.Excerpt != "" {
			b.WriteString("\n" + p.Excerpt)
		}
	}
	return b.String()
}

// sortProblems puts them in the order in which one reads a file.
func sortProblems(all []Problem) {
	slices.SortStableFunc(all, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}

// maxShown bounds how much of a value or line a message repeats.
const maxShown = 160

// What may be, or stand before, a secret; misspelt too.
const secretWords = `(?:pas+|pwd|pw|secr|tok|cred)`

var (
	urlPassword = regexp.MustCompile(`://\S*@`)
	secretWord  = regexp.MustCompile(`(?i)` + secretWords)
	secretKey   = regexp.MustCompile(`(?i)[\w-]*` + secretWords + `[\w-]*["']?\s*:`)
	secretEnd   = regexp.MustCompile(`(?:password|secret|token|authorization)$`)
	anyKey      = regexp.MustCompile(`^[^:]*:`)
)

// quote repeats a value in a message, without a URL's password.
func quote(text string) string {
	text = urlPassword.ReplaceAllString(text, "://…@")
	if r := []rune(text); len(r) > maxShown {
		text = string(r[:maxShown]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// excerpt shows a line with a mark below a column, without the values of secrets; with
// keyOnly without any value, because nobody knows what the key means.
func excerpt(lines []string, line, column int, keyOnly bool) string {
	if line < 1 || line > len(lines) {
		return ""
	}
	text := strings.TrimRight(lines[line-1], "\r")
	cut := secretKey.FindStringIndex(text)
	if keyOnly && column >= 1 && column <= len(text) {
		if end := anyKey.FindStringIndex(text[column-1:]); end != nil && (cut == nil || column-1+end[1] < cut[1]) {
			cut = []int{0, column - 1 + end[1]}
		}
	}
	if cut != nil && cut[1] < len(text) {
		text = text[:cut[1]] + " …"
	}
	text = urlPassword.ReplaceAllString(text, "://…@")
	r := []rune(text)
	if len(r) > maxShown {
		r = append(r[:maxShown], '…')
	}
	number := fmt.Sprintf("%5d", line)
	shown := number + " | " + string(r)
	if column >= 1 && column <= len(r) {
		shown += "\n" + strings.Repeat(" ", len(number)) + " | " + strings.Repeat(" ", column-1) + "^"
	}
	return shown
}

// suggest is the sentence that helps with a name that nobody knows.
func suggest(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("Did you mean %q?", near)
	}
	return ""
}

// nearest is the known name that is most like a given one, "" where none is like it.
func nearest(name string, known []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least && d < len(k) {
			best, least = k, d
		}
	}
	return best
}

// distance is how many letters have to be put in, taken out, changed, or swapped with the
// next one to make b of a.
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
