package ldapsrc

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// maxRecord bounds one record of an LDIF file: a group of half a million members.
const maxRecord = 64 << 20

// ldifReader reads the records of an LDIF file (RFC 2849), one after another. It takes
// content, as slapcat and ldapsearch -LLL write it, and nothing that would make it do
// something: no change records, no URLs, no includes. A syntax error ends it, since what a
// broken file leaves out cannot be known.
type ldifReader struct {
	in      *bufio.Reader
	line    int    // number of the line last read
	start   int    // number of the line that the logical line at hand began with
	next    []byte // a line that was read ahead to see whether it continues the one before
	ahead   bool
	ended   bool
	started bool // something but comments and the version was seen
}

func newLDIFReader(in io.Reader) *ldifReader {
	return &ldifReader{in: bufio.NewReaderSize(in, 64<<10)}
}

// An ldifError tells where a file is at fault.
type ldifError struct {
	line   int
	reason string
}

func (e *ldifError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.reason) }

func (r *ldifReader) fail(reason string) error { return &ldifError{r.start, reason} }

// record returns the next record, in memory of its own; io.EOF after the last.
func (r *ldifReader) record() (*rawEntry, error) {
	line, err := r.begin()
	if err != nil {
		return nil, err
	}
	e := &rawEntry{}
	name, value, err := r.attribute(line)
	if err != nil {
		return nil, err
	}
	if !bytes.EqualFold(name, []byte("dn")) {
		return nil, r.fail("a record begins with dn: (write it with ldapsearch -LLL or slapcat)")
	}
	e.dn = value
	size := len(value)
	for {
		line, err := r.logical()
		if errors.Is(err, io.EOF) || err == nil && len(line) == 0 {
			return e, nil
		}
		if err != nil {
			return nil, err
		}
		if line[0] == '#' {
			continue
		}
		name, value, err := r.attribute(line)
		if err != nil {
			return nil, err
		}
		if size += len(name) + len(value); size > maxRecord {
			return nil, r.fail("the record is longer than 64 MiB")
		}
		if len(e.attrs) == 0 && (bytes.EqualFold(name, []byte("changetype")) || bytes.EqualFold(name, []byte("control"))) {
			return nil, r.fail("a change record: export what the directory holds (slapcat, ldapsearch -LLL), not what changed")
		}
		if bytes.EqualFold(name, []byte("dn")) {
			return nil, r.fail("a second dn: in one record; a blank line is missing before it")
		}
		e.add(name, value)
	}
}

// begin finds the first line of a record.
func (r *ldifReader) begin() ([]byte, error) {
	for {
		line, err := r.logical()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if v, ok := bytes.CutPrefix(line, []byte("version:")); ok && !r.started {
			if string(bytes.TrimSpace(v)) != "1" {
				return nil, r.fail("the version of LDIF is 1 (RFC 2849)")
			}
			r.started = true
			continue
		}
		r.started = true
		return line, nil
	}
}

// add puts a value to those of its attribute. A big group's members stand together,
// so the last attribute is looked at first.
func (e *rawEntry) add(name, value []byte) {
	for i := len(e.attrs) - 1; i >= 0; i-- {
		if bytes.EqualFold(e.attrs[i].name, name) {
			e.attrs[i].values = append(e.attrs[i].values, value)
			return
		}
	}
	e.attrs = append(e.attrs, rawAttr{name: name, values: [][]byte{value}})
}

// attribute splits a line into name and value (RFC 2849, attrval-spec). Both are copies.
func (r *ldifReader) attribute(line []byte) (name, value []byte, err error) {
	name, rest, ok := bytes.Cut(line, []byte{':'})
	switch {
	case !ok:
		return nil, nil, r.fail("no colon: a line is name: value, or begins with a space to continue the one before")
	case !ldifName(name):
		return nil, nil, r.fail("what stands before the colon is no attribute name")
	case bytes.EqualFold(name, []byte("include")):
		return nil, nil, r.fail("include is not followed: put everything into one file")
	case len(rest) > 0 && rest[0] == '<':
		return nil, nil, r.fail("a value by URL is not fetched: put it into the file")
	}
	name = bytes.Clone(name)
	if len(rest) == 0 || rest[0] != ':' {
		return name, bytes.Clone(bytes.TrimLeft(rest, " ")), nil
	}
	rest = bytes.Trim(rest[1:], " ")
	value = make([]byte, base64.StdEncoding.DecodedLen(len(rest)))
	n, err := base64.StdEncoding.Strict().Decode(value, rest)
	if err != nil {
		return nil, nil, r.fail("the value is not base64, as :: says")
	}
	return name, value[:n], nil
}

func ldifName(name []byte) bool {
	options := false
	for i, c := range name {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '-' || c == '.' || c == '_'):
		case i > 0 && c == ';':
			options = true
		case options && (c == '=' || c == '*'): // member;range=0-1499
		default:
			return false
		}
	}
	return len(name) > 0
}

// logical reads a line and those that continue it (RFC 2849, note 2). It is good until
// the next call.
func (r *ldifReader) logical() ([]byte, error) {
	line, err := r.physical()
	r.start = r.line
	if err != nil {
		return nil, err
	}
	if len(line) > 0 && line[0] == ' ' {
		return nil, r.fail("a line that continues another stands where there is none")
	}
	if len(line) == 0 {
		return nil, nil
	}
	line = bytes.Clone(line)
	for {
		more, err := r.physical()
		if errors.Is(err, io.EOF) {
			return line, nil
		}
		if err != nil {
			return nil, err
		}
		if len(more) == 0 || more[0] != ' ' {
			r.next, r.ahead = more, true
			r.line--
			return line, nil
		}
		if len(line)+len(more) > maxRecord {
			return nil, r.fail("the line is longer than 64 MiB")
		}
		line = append(line, more[1:]...)
	}
}

// physical reads one line without its end. It is good until the next call.
func (r *ldifReader) physical() ([]byte, error) {
	r.line++
	if r.ahead {
		r.ahead = false
		return r.next, nil
	}
	if r.ended {
		return nil, io.EOF
	}
	line, err := r.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.longLine(line)
	}
	switch {
	case errors.Is(err, io.EOF) && len(line) > 0:
		return nil, &ldifError{r.line, "the file breaks off: its last line has no end"}
	case errors.Is(err, io.EOF):
		r.ended = true
		return nil, io.EOF
	case err != nil:
		return nil, err
	case bytes.IndexByte(line, 0) >= 0:
		return nil, &ldifError{r.line, "a NUL byte: this is no LDIF file"}
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'}), nil
}

func (r *ldifReader) longLine(start []byte) ([]byte, error) {
	line := bytes.Clone(start)
	for {
		more, err := r.in.ReadSlice('\n')
		line = append(line, more...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
		if len(line) > maxRecord {
			return nil, r.fail("the line is longer than 64 MiB")
		}
	}
}
