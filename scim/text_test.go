package scim

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// anyValue is any value that a stored resource may hold.
func anyValue(depth int) *rapid.Generator[any] {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`"`, `\`, `\"`, `\\`, "}", "{", "],", "a", "é\u2028"}))
	kinds := []*rapid.Generator[any]{text.AsAny(), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64Range(-1e9, 1e9).AsAny(), rapid.Just[any](nil)}
	if depth > 0 {
		kinds = append(kinds, rapid.SliceOfN(anyValue(depth-1), 0, 3).AsAny(), rapid.MapOfN(text, anyValue(depth-1), 0, 4).AsAny())
	}
	return rapid.OneOf(kinds...)
}

// TestText: whatever AppendJSON writes is read back, value by value.
func TestText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOfN(rapid.SampledFrom([]string{"userName", `a"b\`, "emails"}), anyValue(3), 0, 4).Draw(t, "object")
		got := map[string]any{}
		err := Text(AppendJSON(nil, want)).Each(func(name []byte, value Text) error {
			n, err := Text(`"` + string(name) + `"`).Value()
			if err != nil {
				return err
			}
			v, err := reread(value)
			got[n.(string)] = v
			return err
		})
		whole, wantErr := ParseObject(AppendJSON(nil, want), StoredLimits)
		if wantErr != nil { // names that differ in case alone, which no resource has
			return
		}
		if err != nil || !reflect.DeepEqual(got, whole) {
			t.Fatalf("read %v, %v, want %v", got, err, whole)
		}
	})
}

// reread reads arrays by Each, and all else by Value.
func reread(value Text) (any, error) {
	if !value.IsList() {
		return value.Value()
	}
	list := []any{}
	err := value.Each(func(_ []byte, e Text) error {
		v, err := reread(e)
		list = append(list, v)
		return err
	})
	return list, err
}

// TestTextCutShort: an object without its end is an error.
func TestTextCutShort(t *testing.T) {
	whole := AppendJSON(nil, map[string]any{"a": []any{int64(1), "x", map[string]any{"b": nil}}, "userName": "u", "z": `"\`})
	for n := range whole {
		if err := Text(whole[:n]).Each(func([]byte, Text) error { return nil }); err == nil {
			t.Errorf("Each of %s = nil, want an error", whole[:n])
		}
	}
}
