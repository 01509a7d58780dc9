package ldapsrc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// tap stands between go-ldap and the network. What go-ldap sends goes through; of what
// comes back, the entries of the search under way are taken out and handed to us as they
// are, and go-ldap sees the rest: bind responses, and the end of each search.
//
// The reason is cost: go-ldap's decoder takes 14 to 20 CPU-seconds for 100,000 entries
// and keeps a kilobyte for every value (reference/ldap.md §2.1); reading in place takes
// half a second. And it gives what go-ldap lacks: an idle deadline in place of one for the
// whole search, a bound on a message, back-pressure, and an error for what ended the connection.
type tap struct {
	net.Conn
	in   *bufio.Reader
	max  int
	buf  []byte      // message at hand
	rest []byte      // of the message that go-ldap is reading
	free chan *batch // empty ones: of three, one is filled, one waits, one is taken in

	mu    sync.Mutex // guards what follows
	idle  time.Duration
	armed bool  // an answer is awaited: silence has an end
	page  *page // the search under way
	err   error // what ended the connection
}

func newTap(nc net.Conn, idle time.Duration, max int) *tap {
	t := &tap{Conn: nc, idle: idle, max: max, free: make(chan *batch, 3)}
	for range cap(t.free) {
		t.free <- &batch{}
	}
	t.in = bufio.NewReaderSize(idleReader{t}, 64<<10)
	return t
}

// page is one search request and what came back for it.
type page struct {
	id      int  // its message id, once it is sent
	whole   bool // its entries are wanted as whole messages, with their controls, and intermediate responses too
	batches chan *batch
	quit    chan struct{} // closed when nobody takes batches any more
	filling *batch
	refs    [][]string // URIs of each reference
	more    int        // references beyond those
	done    *done      // the server's last word
}

// batch is entries, back to back: they cross to the consumer in lots, so that handing
// them over costs little and the consumer decodes while the next are read.
type batch struct {
	buf  []byte
	ends []int
}

const (
	batchEntries = 256
	batchBytes   = 1 << 20
)

func newPage() *page {
	return &page{batches: make(chan *batch, 1), quit: make(chan struct{})}
}

// idleReader reads from the network, with a deadline while an answer is awaited. What
// was taken so far is handed over first: the network may be slow.
type idleReader struct{ t *tap }

func (r idleReader) Read(b []byte) (int, error) {
	if err := r.t.flush(); err != nil {
		return 0, err
	}
	r.t.mu.Lock()
	r.t.setDeadline()
	r.t.mu.Unlock()
	return r.t.Conn.Read(b)
}

func (t *tap) setDeadline() {
	if t.armed {
		t.Conn.SetReadDeadline(time.Now().Add(t.idle))
	} else {
		t.Conn.SetReadDeadline(time.Time{})
	}
}

// expect makes the next search request that is written the one whose entries go to p.
// go-ldap's reader is waiting for the network already, so its deadline is set from here.
func (t *tap) expect(p *page) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.page, t.armed = p, true
	t.setDeadline()
}

// finish ends what expect began.
func (t *tap) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.page, t.armed = nil, false
	t.setDeadline()
}

// abandon lets go of a search whose entries nobody wants any more.
func (t *tap) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.page != nil {
		close(t.page.quit)
		t.page = nil
	}
}

// wait sets how long silence may last.
func (t *tap) wait(idle time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = idle
}

func (t *tap) cause() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Write sends one LDAPMessage: go-ldap writes each whole.
func (t *tap) Write(b []byte) (int, error) {
	t.mu.Lock()
	if t.page != nil && t.page.id == 0 {
		if m, err := parseMessage(b); err == nil && m.op == opSearch {
			t.page.id = m.id
		}
	}
	t.Conn.SetWriteDeadline(time.Now().Add(t.idle))
	t.mu.Unlock()
	return t.Conn.Write(b)
}

// Read gives go-ldap its next bytes.
func (t *tap) Read(b []byte) (int, error) {
	for len(t.rest) == 0 {
		err := t.next()
		if err != nil {
			t.mu.Lock()
			if t.err == nil {
				t.err = explain(err)
			}
			t.mu.Unlock()
			return 0, err
		}
	}
	n := copy(b, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

func explain(err error) error {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the server was silent for longer than timeouts.idle")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the server closed the connection")
	}
	return err
}

// next reads one message and keeps it, or leaves it in rest for go-ldap.
func (t *tap) next() error {
	var err error
	if t.buf, err = readMessage(t.in, t.buf[:0], t.max); err != nil {
		return err
	}
	m, err := parseMessage(t.buf)
	if err != nil {
		return err
	}
	if m.id == 0 { // RFC 4511 §4.4.1: a notice of disconnection
		if d, err := parseDone(m); err == nil {
			return fmt.Errorf("the server disconnects: %s", resultName(d))
		}
		return errBER
	}
	if p := t.pageOf(m.id); p != nil {
		switch m.op {
		case opEntry:
			if p.whole {
				return t.keep(p, t.buf)
			}
			return t.keep(p, m.body)
		case opIntermediate:
			if p.whole {
				return t.keep(p, t.buf)
			}
		case opReference:
			return p.refer(m.body)
		case opDone:
			d, err := parseDone(m)
			if err != nil {
				return err
			}
			p.done = &d
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
	if !wellFormed(t.buf, 32) {
		return errBER
	}
	t.rest = t.buf
	return nil
}

func (t *tap) pageOf(id int) *page {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.page != nil && t.page.id == id {
		return t.page
	}
	return nil
}

// refer keeps a SearchResultReference (RFC 4511 §4.5.3).
func (p *page) refer(body []byte) error {
	if len(p.refs) == maxURIs {
		p.more++
		return nil
	}
	uris, err := parseURIs(body)
	p.refs = append(p.refs, uris)
	return err
}

var errAbandoned = errors.New("the read was abandoned")

// keep adds an entry to the batch. It waits while the consumer has all of them: then
// the network is not read, and the server waits too.
func (t *tap) keep(p *page, body []byte) error {
	if p.filling == nil {
		select {
		case p.filling = <-t.free:
		case <-p.quit:
			return errAbandoned
		}
	}
	b := p.filling
	b.buf = append(b.buf, body...)
	b.ends = append(b.ends, len(b.buf))
	if len(b.ends) >= batchEntries || len(b.buf) >= batchBytes {
		return p.send()
	}
	return nil
}

// flush hands over a batch that is not full.
func (t *tap) flush() error {
	t.mu.Lock()
	p := t.page
	t.mu.Unlock()
	if p == nil || p.filling == nil {
		return nil
	}
	return p.send()
}

func (p *page) send() error {
	select {
	case p.batches <- p.filling:
		p.filling = nil
		return nil
	case <-p.quit:
		return errAbandoned
	}
}

// recycle gives a batch back. One that a huge entry made huge is let go.
func (t *tap) recycle(b *batch) {
	if cap(b.buf) > 4*batchBytes {
		b.buf = nil
	}
	b.buf, b.ends = b.buf[:0], b.ends[:0]
	t.free <- b
}

// readMessage appends one message to buf, which it may move. It reads no byte beyond the
// message, and takes memory only as bytes arrive.
func readMessage(in io.Reader, buf []byte, max int) ([]byte, error) {
	buf = append(buf[:0], 0, 0)
	if _, err := io.ReadFull(in, buf); err != nil {
		return buf, err
	}
	if buf[0] != tagSequence {
		return buf, errors.New("what the server sent is no LDAP message")
	}
	if buf[1] > 0x80 && buf[1] <= 0x84 {
		n := int(buf[1] & 0x7f)
		buf = append(buf, 0, 0, 0, 0)[:2+n]
		if _, err := io.ReadFull(in, buf[2:]); err != nil {
			return buf, noEOF(err)
		}
	}
	header, length, err := elementLength(buf)
	switch {
	case err != nil || header == 0:
		return buf, errBER
	case length > max:
		return buf, fmt.Errorf("a message of %d bytes: limits.message allows %d", length, max)
	}
	const chunk = 1 << 20
	for length > 0 {
		n := min(length, chunk)
		start := len(buf)
		buf = slices.Grow(buf, n)[:start+n]
		if _, err := io.ReadFull(in, buf[start:]); err != nil {
			return buf, noEOF(err)
		}
		length -= n
	}
	return buf, nil
}

// noEOF turns the end of the connection within a message into what it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
