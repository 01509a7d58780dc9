package store

import (
	"encoding/binary"
	"errors"

	"rollcall/scim"
)

// Rows are read in place from the text of records, of which they are a small part: a resource is made
// only of the few records in which something is unusual. Both ways come to the same row.

// spot is where a name in a record's text leads: to columns, to active, and on to the names of an
// extension.
type spot struct {
	columns []int
	active  bool
	within  map[string]*spot
}

// errUnusual tells that a record is to be read whole.
var errUnusual = errors.New("store: unusual record")

// spots finds where the text of a record has what is indexed. Columns whose attribute is no part
// of it (externalId) are in none.
func (b *table) spots() map[string]*spot {
	top := map[string]*spot{}
	at := func(p *scim.Path) *spot {
		names := top
		if p.Extension != nil {
			names = under(top, p.Extension.URN).names()
		}
		return under(names, p.Attr.Name)
	}
	headed := &scim.Resource{Header: scim.Header{ExternalID: "x", Owner: "x"}}
	for i, c := range b.columns {
		with, _ := c.path.SortKey(headed)
		without, _ := c.path.SortKey(&scim.Resource{})
		if with == without {
			s := at(c.path)
			s.columns = append(s.columns, i)
		}
	}
	if b.activePath != nil {
		at(b.activePath).active = true
	}
	return top
}

func under(names map[string]*spot, name string) *spot {
	if names[name] == nil {
		names[name] = &spot{}
	}
	return names[name]
}

func (s *spot) names() map[string]*spot {
	if s.within == nil {
		s.within = map[string]*spot{}
	}
	return s.within
}

// read is the row of a resource.
func (b *table) read(s *scim.Stored) (*row, error) {
	r, err := b.readText(s)
	if err == nil {
		return r, nil
	}
	whole, err := s.Resource()
	if err != nil {
		return nil, err
	}
	return b.row(whole), nil
}

// readText is the row of a resource in which nothing is unusual.
func (b *table) readText(s *scim.Stored) (*row, error) {
	out := &row{id: s.ID, version: s.Version, modified: s.LastModified, cells: make([]cell, len(b.columns))}
	w := walk{table: b, row: out, text: make([]byte, 0, 256)}
	var room [16]bool
	w.seen = append(room[:0], make([]bool, len(b.columns))...)
	if err := w.object(b.names, s.Body); err != nil {
		return nil, err
	}
	bare := &scim.Resource{Header: s.Header}
	for i, c := range b.columns {
		if !w.seen[i] {
			out.cells[i] = c.cell(bare)
		}
	}
	if b.activePath != nil && !w.active {
		out.active, _ = b.activePath.SortKey(bare)
	}
	return out, nil
}

// walk is one row being read. text is room for what the cells hold.
type walk struct {
	table  *table
	row    *row
	text   []byte
	seen   []bool
	active bool
}

func (w *walk) object(names map[string]*spot, text scim.Text) error {
	return text.Each(func(name []byte, value scim.Text) error {
		s := names[string(name)]
		if s == nil {
			return nil
		}
		if s.within != nil {
			if !value.IsObject() || len(s.columns) > 0 {
				return errUnusual
			}
			return w.object(s.within, value)
		}
		if s.active {
			v, err := value.Value()
			if err != nil {
				return err
			}
			w.active = true
			w.row.active, _ = w.table.activePath.ValueKey(v)
		}
		for _, i := range s.columns {
			w.seen[i] = true
			if err := w.cell(i, value); err != nil {
				return err
			}
		}
		return nil
	})
}

// key appends the sort key of a value, and tells what of it there is to keep.
func (w *walk) key(c *column, value scim.Text) (cell, error) {
	from := len(w.text)
	text, has, err := c.path.AppendKey(w.text, value)
	w.text = text
	key := text[from:len(text):len(text)]
	inexact := c.kind == "number" && has && !scim.ExactNumber(string(key))
	return cell{text: key, has: has, long: len(key) >= longKey || inexact, odd: !ascii(string(key))}, err
}

func (w *walk) cell(i int, value scim.Text) (err error) {
	c := w.table.columns[i]
	switch {
	case c.multi:
		w.row.cells[i], err = w.elements(c, value)
		return err
	case value.IsList():
		return errUnusual
	case value.IsObject():
		name, leaf := c.path.LeafName(), scim.Text("null")
		err := value.Each(func(n []byte, v scim.Text) error {
			if string(n) == name {
				leaf = v
			}
			return nil
		})
		if err != nil {
			return err
		}
		value = leaf
		if value.IsList() || value.IsObject() {
			return errUnusual
		}
	}
	w.row.cells[i], err = w.key(c, value)
	return err
}

// maxElements is how many values of an attribute are usual.
const maxElements = 16

// elements does what column.elements does.
func (w *walk) elements(c *column, value scim.Text) (cell, error) {
	if !value.IsList() {
		return cell{}, errUnusual
	}
	var room [maxElements]element
	list, main, long := room[:0], -1, false
	leaf := c.path.LeafName()
	out := cell{}
	err := value.Each(func(_ []byte, item scim.Text) error {
		if !item.IsObject() || len(list) == maxElements || len(item) == len("{}") {
			return errUnusual
		}
		var e element
		err := item.Each(func(name []byte, v scim.Text) (err error) {
			switch string(name) {
			case "type":
				if e.typ, e.hasType = v.Plain(); !e.hasType || len(e.typ) > 255 {
					return errUnusual
				}
			case "primary":
				e.primary = string(v) == "true"
				if e.hasPrimary = e.primary || string(v) == "false"; !e.hasPrimary {
					return errUnusual
				}
			}
			if string(name) == leaf {
				if v.IsList() || v.IsObject() {
					return errUnusual
				}
				var key cell
				key, err = w.key(c, v)
				e.value, e.hasValue = key.text, key.has
				long, out.odd = long || len(key.text) >= longKey, out.odd || key.odd
			}
			return err
		})
		if e.primary && main < 0 {
			main = len(list)
		}
		list = append(list, e)
		return err
	})
	if err != nil || len(list) == 0 {
		return cell{}, err
	}
	from := len(w.text)
	if main > 0 {
		w.append(&list[main])
	}
	for i := range list {
		if i != main || main == 0 {
			w.append(&list[i])
		}
	}
	out.has, out.long, out.text = true, long, w.text[from:len(w.text):len(w.text)]
	return out, nil
}

func (w *walk) append(e *element) {
	var flags byte
	if e.hasValue {
		flags |= elementValue
	}
	if e.hasType {
		flags |= elementType
	}
	if e.hasPrimary {
		flags |= elementPrimary
	}
	if e.primary {
		flags |= elementIsPrimary
	}
	w.text = append(append(w.text, flags, byte(len(e.typ))), e.typ...)
	w.text = binary.BigEndian.AppendUint16(w.text, uint16(len(e.value)))
	w.text = append(w.text, e.value...)
}
