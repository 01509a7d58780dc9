package store

import (
	"cmp"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/scim"
)

// anyPerson draws attributes, most of them as people have them and some as nobody should.
func anyPerson(t *rapid.T) map[string]any {
	text := rapid.OneOf(rapid.StringMatching(`[A-Za-z .@0-9]{0,12}`), rapid.StringMatching(`[A-Za-z]{240,270}`),
		rapid.SampledFrom([]string{"Ünal", `a"b\c`, "İ", "\u2028", "type", "2020-01-02T03:04:05Z"})).AsAny()
	odd := rapid.OneOf(text, rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64Range(-9, 9).AsAny(), rapid.Just[any](nil),
		rapid.SliceOfN(text, 0, 2).AsAny(), rapid.MapOfN(rapid.SampledFrom([]string{"value", "familyName"}), text, 0, 2).AsAny())
	some := func(usual *rapid.Generator[any]) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			if rapid.IntRange(0, 39).Draw(t, "odd") == 17 {
				return odd.Draw(t, "value")
			}
			return usual.Draw(t, "value")
		})
	}
	object := func(values map[string]*rapid.Generator[any]) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			m := map[string]any{}
			for name, g := range values {
				if rapid.IntRange(0, 3).Draw(t, "has") > 0 {
					m[name] = some(g).Draw(t, name)
				}
			}
			return m
		})
	}
	elements := rapid.SliceOfN(some(object(map[string]*rapid.Generator[any]{"value": text, "type": text, "primary": rapid.Bool().AsAny(), "display": text})), 0, 5).AsAny()
	person, _ := object(map[string]*rapid.Generator[any]{
		"userName": text, "displayName": text, "userType": text, "active": rapid.Bool().AsAny(), "nickName": text, "title": text,
		"name":   object(map[string]*rapid.Generator[any]{"familyName": text, "givenName": text}),
		"emails": elements, "roles": elements, "phoneNumbers": elements,
		scim.EnterpriseURN: object(map[string]*rapid.Generator[any]{"department": text, "costCenter": text}),
	}).Draw(t, "person").(map[string]any)
	return person
}

// likeJSON is a value as it is read back from a record.
func likeJSON(m map[string]any) map[string]any {
	m, err := scim.ParseObject(scim.AppendJSON(nil, m), scim.StoredLimits)
	if err != nil {
		panic(err)
	}
	return m
}

// TestRowsAreReadFromText: in place or by way of the resource, a record comes to the same row.
func TestRowsAreReadFromText(t *testing.T) {
	model := scim.DefaultModel().Type("User")
	indexed := *model
	for _, name := range []string{"title", "nickName", scim.EnterpriseURN + ":department"} {
		path, err := model.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		indexed.Indexed = append(indexed.Indexed, path)
	}
	b := newTable(&indexed)
	drawn, inPlace := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		attributes := likeJSON(anyPerson(t))
		s := &scim.Stored{Header: scim.Header{
			Ref: scim.Ref{Type: "User", ID: "01a21330-39eb-724e-a75f-8283c525a224"}, Version: 7, LastModified: time.UnixMilli(5),
			ExternalID: rapid.SampledFrom([]string{"", "00u1", "É"}).Draw(t, "externalId"), Owner: "hr",
		}, Body: scim.AppendJSON(nil, attributes)}
		whole, err := s.Resource()
		if err != nil {
			t.Fatal(err)
		}
		want := b.row(whole)
		got, err := b.readText(s)
		if drawn++; errors.Is(err, errUnusual) {
			return
		}
		if inPlace++; err != nil {
			t.Fatalf("%s: %v", s.Body, err)
		}
		for i := range want.cells { // no bytes and none are the same
			for _, c := range []*cell{&want.cells[i], &got.cells[i]} {
				if len(c.text) == 0 {
					c.text = nil
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s:\nread in place %+v\nwant          %+v", s.Body, got, want)
		}
	})
	if inPlace == 0 {
		t.Errorf("%d of %d were read in place: the test shows little", inPlace, drawn)
	}
}

// TestSortedByBytes: rows that are told apart by some bytes of their keys are in the order that
// comparing gives.
func TestSortedByBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom([]string{"", "person.", "\xff\xff\xff\xff\xff\xff\xff\xff"}).Draw(t, "prefix")
		keys := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom([]string{"", "", prefix, prefix + "\x00"}).Draw(t, "head") + rapid.StringN(0, 10, -1).Draw(t, "tail")
		}), 0, 40).Draw(t, "keys")
		key := func(row uint32) ([]byte, bool) { return []byte(keys[row]), keys[row] != "" }
		compare := func(a, b uint32) int {
			ka, oka := key(a)
			kb, okb := key(b)
			if oka != okb {
				return cmp.Or(map[bool]int{true: -1, false: 1}[oka], 0)
			}
			return cmp.Or(cmp.Compare(string(ka), string(kb)), cmp.Compare(a, b))
		}
		rows := make([]uint32, len(keys))
		for i := range rows {
			rows[i] = uint32(i)
		}
		got := (&order{compare: compare, key: key}).sorted(rows)
		want := slices.Clone(rows)
		slices.SortFunc(want, compare)
		if !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", keys, got, want)
		}
	})
}
