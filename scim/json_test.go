package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestParseObject(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string]any
	}{
		{"empty", " {} \n", map[string]any{}},
		{"every kind", `{"s":"x","t":true,"f":false,"n":null,"a":[1,"b",[]],"o":{"p":{}}}`, map[string]any{
			"s": "x", "t": true, "f": false, "n": nil, "a": []any{int64(1), "b", []any{}}, "o": map[string]any{"p": map[string]any{}}}},
		{"numbers", `{"a":0,"b":-7,"c":1.0,"d":1e2,"e":1.5,"f":9223372036854775807,"g":9223372036854775808,"h":-0}`, map[string]any{
			"a": int64(0), "b": int64(-7), "c": int64(1), "d": int64(100), "e": 1.5, "f": int64(math.MaxInt64), "g": 9223372036854775808.0, "h": int64(0)}},
		{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u00e4\u00E4\ud83d\ude00\u0000"}`, map[string]any{"a": "\"\\/\b\f\n\r\tää😀\x00"}},
		{"raw text", "{\"ä\":\"\u2028 ſ\"}", map[string]any{"ä": "\u2028 ſ"}},
		{"names that only Unicode folds", "{\"kind\":1,\"\u212Aind\":2}", map[string]any{"kind": int64(1), "\u212Aind": int64(2)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseObject([]byte(tt.text), BodyLimits)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("ParseObject(%s) = %#v, %v, want %#v", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestParseObjectRefuses(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`"n` + strings.Repeat("x", i) + `":1,`)
		}
		return b.String()
	}
	tests := []struct{ name, text, want string }{
		{"nothing", "", "line 1, column 1: expected a JSON object, found the end"},
		{"array", "[]", "expected a JSON object"},
		{"null", "null", "expected a JSON object"},
		{"byte order mark", "\uFEFF{}", "byte order mark"},
		{"trailing data", "{}\n {}", "line 2, column 2: expected nothing more"},
		{"duplicate", `{"a":1,"a":2}`, `line 1, column 8: the name "a" stands twice`},
		{"duplicate in another case", `{"id":1,"ID":2}`, `"ID" stands twice`},
		{"duplicate among many", "{" + many(40) + `"NXXX":1}`, `"NXXX" stands twice`},
		{"trailing comma", `{"a":1,}`, "expected a name"},
		{"trailing comma in an array", `{"a":[1,]}`, "expected a JSON value"},
		{"no colon", `{"a" 1}`, "expected a colon"},
		{"single quotes", `{'a':1}`, "expected a name in double quotes"},
		{"open string", `{"a":"b`, "no end"},
		{"open string after an escape", `{"a":"\n`, "no end"},
		{"control character", "{\"a\":\"\n\"}", "control character"},
		{"bad escape", `{"a":"\x"}`, "no JSON escape"},
		{"lone high surrogate", `{"a":"\ud83d"}`, "surrogate"},
		{"lone low surrogate", `{"a":"\ude00"}`, "surrogate"},
		{"high surrogate before text", `{"a":"\ud83dabcdef"}`, "surrogate"},
		{"invalid UTF-8", "{\"a\":\n\"ä\xff\"}", "line 2, column 3: the text is not valid UTF-8"},
		{"leading zero", `{"a":01}`, "no JSON number"},
		{"bare minus", `{"a":-}`, "no JSON number"},
		{"no digits after the point", `{"a":1.}`, "no JSON number"},
		{"no digits in the exponent", `{"a":1e}`, "no JSON number"},
		{"number beyond float64", `{"a":1e400}`, "too large"},
		{"NaN", `{"a":NaN}`, "expected a JSON value"},
		{"too deep", strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17), "nest deeper than the 16"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseObject([]byte(tt.text), BodyLimits)
			if !errors.Is(err, ErrInvalidSyntax) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseObject(%s) = %v, want invalidSyntax with %q", tt.text, err, tt.want)
			}
		})
	}
}

func TestParseObjectLimits(t *testing.T) {
	text := []byte(`{"a":[1,2,3]}`)
	for _, tt := range []struct {
		name string
		l    Limits
		want error
	}{
		{"none", Limits{}, nil},
		{"bytes", Limits{Bytes: len(text) - 1}, ErrTooLarge},
		{"exactly", Limits{Bytes: len(text), Depth: 2, Values: 4}, nil},
		{"values", Limits{Values: 3}, ErrTooLarge},
		{"depth", Limits{Depth: 1}, ErrInvalidSyntax},
	} {
		if _, err := ParseObject(text, tt.l); !errors.Is(err, tt.want) {
			t.Errorf("%s: ParseObject(%s) = %v, want %v", tt.name, text, err, tt.want)
		}
	}
	deep := []byte(`{"a":` + strings.Repeat("[", 5_000_000))
	if _, err := ParseObject(deep, Limits{}); !errors.Is(err, ErrInvalidSyntax) {
		t.Errorf("ParseObject(5 million brackets) = %v, want invalidSyntax", err)
	}
}

func TestAppendJSON(t *testing.T) {
	tests := []struct {
		v    any
		want string
	}{
		{map[string]any{"b": int64(1), "a": []any{nil, true, "x"}, "B": map[string]any{}}, `{"B":{},"a":[null,true,"x"],"b":1}`},
		{"<&>\u2028\"\\\n\r\t\x00\x7f", "\"<&>\u2028\\\"\\\\\\n\\r\\t\\u0000\x7f\""},
		{"a\xffb", `"a` + "\uFFFD" + `b"`},
		{1.5, "1.5"}, {1e-7, "1e-07"}, {1e21, "1e+21"}, {1e20, "100000000000000000000"}, {math.NaN(), "null"},
		{int64(math.MinInt64), "-9223372036854775808"},
	}
	for _, tt := range tests {
		if got := string(AppendJSON(nil, tt.v)); got != tt.want {
			t.Errorf("AppendJSON(%#v) = %s, want %s", tt.v, got, tt.want)
		}
	}
}

// FuzzParseObject holds the parser against encoding/json: what ours accepts, that one
// reads alike, and what that one accepts and ours does not is refused for a reason.
func FuzzParseObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, `{"a":[1,2.5,-3e2,{"b":null}],"c":"\u00e4\ud83d\ude00"}`, `{"a":1,"A":2}`, `{"a":"\ud800"}`,
		"{\"a\":\"\xff\"}", `{"a":1}x`, `{"a":1e400}`, `[1]`, `{"a":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}`, `{"a":0.1e-7}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseObject(text, BodyLimits)
		if err != nil {
			if !errors.Is(err, ErrInvalidSyntax) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("ParseObject(%q) = %v, want invalidSyntax or too large", text, err)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var want map[string]any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("ParseObject accepts %q, encoding/json says %v", text, err)
		}
		if !sameAsOracle(got, want) {
			t.Fatalf("ParseObject(%q) = %#v, want %#v", text, got, want)
		}
		out := AppendJSON(nil, got)
		again, err := ParseObject(out, StoredLimits)
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("ParseObject(AppendJSON(%q)) = %#v, %v, want %#v", text, again, err, got)
		}
	})
}

func sameAsOracle(got, want any) bool {
	switch want := want.(type) {
	case json.Number:
		f, _ := want.Float64()
		switch got := got.(type) {
		case int64:
			return float64(got) == f
		case float64:
			return got == f
		}
		return false
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			return false
		}
		for i := range want {
			if !sameAsOracle(got[i], want[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok || len(got) != len(want) {
			return false
		}
		for k := range want {
			if !sameAsOracle(got[k], want[k]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(got, want)
}
