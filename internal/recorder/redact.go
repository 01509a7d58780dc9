package recorder

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Redacted stands where something secret was.
const Redacted = "redacted"

var (
	// secretName is what the name of a secret has in it, misspelt too.
	secretName = regexp.MustCompile(`(?i)pas+w|pwd|passphrase|secret|token|credential|authorization|api[_-]?key|private[_-]?key|assertion`)
	// ours are tokens of this server, wherever they stand, and bearer tokens of any.
	ours = regexp.MustCompile(`rc_[A-Za-z0-9_-]{8,}|(?i:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
)

// hints are what there must be in lower case for one of the two to match: looking for them costs a
// hundredth of that, and most texts have none.
var hints = [][]byte{
	[]byte("pas"), []byte("pwd"), []byte("secret"), []byte("token"), []byte("credential"), []byte("authorization"), []byte("api"), []byte("private"),
	[]byte("assertion"), []byte("rc_"), []byte("bearer"), []byte("basic"), []byte("eyj"),
	[]byte("\u017f"), []byte("\u212a"), // which (?i) takes for s and k
}

// plain tells that a text has no hint of a secret.
func plain[T string | []byte](text T) bool {
	var room [2048]byte
	lower := append(room[:0], text...)
	for i, c := range lower {
		if c >= 'A' && c <= 'Z' {
			lower[i] = c + ('a' - 'A')
		}
	}
	return !slices.ContainsFunc(hints, func(hint []byte) bool { return bytes.Contains(lower, hint) })
}

// namesSecret tells whether a text has the name of a secret in it.
func namesSecret(s string) bool { return !plain(s) && secretName.MatchString(s) }

func redactText(s string) string {
	if plain(s) {
		return s
	}
	return ours.ReplaceAllString(s, Redacted)
}

// redactURL is the path and query of a URL. A value of a filter is kept but where the filter is about
// a secret.
func redactURL(u *url.URL, most int) (text string, redacted bool) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil && namesSecret(u.RawQuery+"%") || len(u.RawQuery) > most {
		query, redacted = url.Values{Redacted: {""}}, true
	}
	for name, values := range query {
		for i, v := range values {
			if namesSecret(name) || namesSecret(v) {
				values[i], redacted = Redacted, true
			} else if clean := redactText(v); clean != v {
				values[i], redacted = clean, true
			}
		}
	}
	path := redactText(u.EscapedPath())
	redacted = redacted || path != u.EscapedPath()
	text = cut(path, most)
	if len(query) > 0 {
		text += "?" + query.Encode()
	}
	return text, redacted
}

// redactBody is a body without its secrets; ok is false where it cannot be told what is secret in it.
func redactBody(text []byte) (clean string, redacted, ok bool) {
	if len(bytes.TrimSpace(text)) == 0 {
		return "", false, true
	}
	if (plain(text) || !secretName.Match(text) && !ours.Match(text)) && !bytes.Contains(text, []byte(`\u`)) {
		return string(bytes.ToValidUTF8(text, []byte("�"))), false, true // the most, and as it was sent
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil || dec.More() {
		return "", true, false
	}
	v, redacted = redactValue(v)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return "", true, false
	}
	return strings.TrimSuffix(out.String(), "\n"), redacted, true
}

// redactValue takes out the values of members whose names tell of a secret, and those of operations
// whose path does.
func redactValue(v any) (clean any, redacted bool) {
	switch v := v.(type) {
	case string:
		s := redactText(v)
		return s, s != v
	case []any:
		for i := range v {
			var some bool
			v[i], some = redactValue(v[i])
			redacted = redacted || some
		}
		return v, redacted
	case map[string]any:
		about := aboutSecret(v)
		for name, value := range v {
			if namesSecret(name) || about && strings.EqualFold(name, "value") {
				if value != nil {
					v[name], redacted = Redacted, true
				}
				continue
			}
			if text, ok := value.(string); ok && namesSecret(text) && strings.EqualFold(name, "filter") {
				v[name], redacted = Redacted, true
				continue
			}
			var some bool
			v[name], some = redactValue(value)
			redacted = redacted || some
		}
		return v, redacted
	}
	return v, false
}

// aboutSecret tells whether an object says in its path, name, key or type that its value is a secret.
func aboutSecret(v map[string]any) bool {
	for name, value := range v {
		text, ok := value.(string)
		if ok && slices.Contains([]string{"path", "name", "key", "type", "display"}, strings.ToLower(name)) && namesSecret(text) {
			return true
		}
	}
	return false
}
