package sync

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"iter"
)

// A first run creates everybody, and its plan is judged before anything of it is applied: so all of
// it is in memory at once. Creations of what has no members are therefore packed, beyond the
// first MaxChanges, which the report shows: written one behind the other, in compressed blocks.

// packBlock is how many creations one block has.
const packBlock = 512

// packed are creations in the order in which they were added.
type packed struct {
	blocks  [][]byte     // compressed
	open    bytes.Buffer // the block that is not full yet
	n       int          // creations in all
	writer  *flate.Writer
	managed map[string]bool
	lost    map[int]bool // numbers of those that cannot be applied
}

func (p *packed) add(c *Change) {
	for _, text := range []string{c.Type, c.ID, c.ExternalID, c.DN, c.Name, c.mark} {
		p.field(text)
	}
	p.field(string(c.want))
	p.managed = c.managed // the same for all: a type with roles is one alone
	if p.n++; p.n%packBlock == 0 {
		p.close()
	}
}

func (p *packed) field(text string) {
	var n [binary.MaxVarintLen64]byte
	p.open.Write(n[:binary.PutUvarint(n[:], uint64(len(text)))])
	p.open.WriteString(text)
}

func (p *packed) close() {
	var block bytes.Buffer
	if p.writer == nil {
		p.writer, _ = flate.NewWriter(&block, flate.BestSpeed) // a level that exists
	} else {
		p.writer.Reset(&block)
	}
	// Neither fails: what they write to is memory.
	_, _ = p.writer.Write(p.open.Bytes())
	_ = p.writer.Close()
	p.blocks = append(p.blocks, bytes.Clone(block.Bytes()))
	p.open.Reset()
}

// all yields the creations that can be applied, each as a change of its own.
func (p *packed) all() iter.Seq[*Change] {
	return func(yield func(*Change) bool) {
		number := 0
		for i := 0; i <= len(p.blocks); i++ {
			text := p.open.Bytes()
			if i < len(p.blocks) {
				text = inflate(p.blocks[i])
			}
			for len(text) > 0 {
				var c *Change
				c, text = p.next(text)
				number++
				c.packed = number
				if !p.lost[number] && !yield(c) {
					return
				}
			}
		}
	}
}

func inflate(block []byte) []byte {
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(block)))
	if err != nil { // it is what close made
		panic(err)
	}
	return text
}

func (p *packed) next(text []byte) (*Change, []byte) {
	field := func() string {
		n, width := binary.Uvarint(text)
		one := string(text[width : width+int(n)])
		text = text[width+int(n):]
		return one
	}
	c := &Change{Action: Create, managed: p.managed, whole: true}
	for _, f := range []*string{&c.Type, &c.ID, &c.ExternalID, &c.DN, &c.Name, &c.mark} {
		*f = field()
	}
	c.want = []byte(field())
	return c, text
}

// lose takes a creation out.
func (p *packed) lose(number int) {
	if p.lost == nil {
		p.lost = map[int]bool{}
	}
	p.lost[number] = true
}

// count is how many there are to apply.
func (p *packed) count() int { return p.n - len(p.lost) }

// all yields every change: people, those that are packed, then groups.
func (p *Plan) all() iter.Seq[*Change] {
	return func(yield func(*Change) bool) {
		i := 0
		for ; i < p.people; i++ {
			if !yield(p.Changes[i]) {
				return
			}
		}
		for c := range p.packed.all() {
			if !yield(c) {
				return
			}
		}
		for ; i < len(p.Changes); i++ {
			if !yield(p.Changes[i]) {
				return
			}
		}
	}
}

// count is how many changes there are.
func (p *Plan) count() int { return len(p.Changes) + p.packed.count() }

// chunks yields what a sequence does in slices of bounded length.
func chunks(seq iter.Seq[*Change], size int) iter.Seq[[]*Change] {
	return func(yield func([]*Change) bool) {
		var list []*Change
		for c := range seq {
			if list = append(list, c); len(list) == size {
				if !yield(list) {
					return
				}
				list = nil
			}
		}
		if len(list) > 0 {
			yield(list)
		}
	}
}
