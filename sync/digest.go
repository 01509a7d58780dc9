package sync

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"strconv"

	"rollcall/scim"
)

// digests tell two plans apart: for each change a number for whose it is, and one for what it
// is. They leave out what two plans of the same world differ in: times, and the ids of what is
// yet to be made.
type digests map[uint64]uint64

// digest takes the plan's digests, and the hash of all.
func (p *Plan) digest() (string, digests) {
	made := map[string]string{} // externalIds of what is to be made, by id
	for c := range p.all() {
		if c.Action == Create {
			made[c.ID] = c.Type + "/" + c.ExternalID
		}
	}
	all := make(digests, p.count()+len(p.Missing))
	for c := range p.all() {
		all[c.key()] = c.digest(made)
	}
	// Who is missing counts, even where that has no consequence yet.
	for _, m := range p.Missing {
		h := sha256.New()
		field(h, strconv.Itoa(m.Runs))
		all[(&Change{Type: "missing " + m.Type, ExternalID: m.ExternalID}).key()] = number(h)
	}
	return all.hash(), all
}

// hash is of all digests, whatever order the source has its entries in.
func (d digests) hash() string {
	pairs := d.pairs()
	sum := sha256.Sum256(pairs)
	return hex.EncodeToString(sum[:16])
}

// pairs are the digests as bytes, in order.
func (d digests) pairs() []byte {
	keys := make([]uint64, 0, len(d))
	for key := range d {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	text := make([]byte, 0, 16*len(keys))
	for _, key := range keys {
		text = binary.BigEndian.AppendUint64(text, key)
		text = binary.BigEndian.AppendUint64(text, d[key])
	}
	return text
}

// digestsOf reads what pairs wrote.
func digestsOf(pairs []byte) digests {
	d := make(digests, len(pairs)/16)
	for ; len(pairs) >= 16; pairs = pairs[16:] {
		d[binary.BigEndian.Uint64(pairs)] = binary.BigEndian.Uint64(pairs[8:])
	}
	return d
}

// key is for whose the change is.
func (c *Change) key() uint64 {
	h := sha256.New()
	field(h, c.Type)
	field(h, c.ExternalID)
	if c.Mapped {
		field(h, c.ID)
	}
	return number(h)
}

// digest is for what the change does.
func (c *Change) digest(made map[string]string) uint64 {
	h := sha256.New()
	field(h, string(c.Action))
	if c.Action == Create {
		field(h, string(c.want))
	} else {
		field(h, c.ID)
	}
	for _, d := range c.Attributes {
		field(h, d.Path)
		field(h, string(d.Old))
		field(h, string(d.New))
	}
	for i, refs := range [][]scim.Ref{c.add, c.remove} {
		names := make([]string, len(refs))
		for j, ref := range refs {
			if names[j] = made[ref.ID]; names[j] == "" {
				names[j] = ref.ID
			}
		}
		slices.Sort(names)
		field(h, []string{"+", "-"}[i])
		for _, name := range names {
			field(h, name)
		}
	}
	return number(h)
}

// field writes a text so that two of them cannot be taken for two others.
func field(h hash.Hash, text string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(text)))
	h.Write(n[:])
	h.Write([]byte(text))
}

func number(h hash.Hash) uint64 { return binary.BigEndian.Uint64(h.Sum(nil)) }
