package testserver

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy passes TCP connections on, and spoils them as a test asks. It knows no protocol:
// what it counts are pieces, as they were written.
type Proxy struct {
	listener net.Listener
	target   string
	swallow  atomic.Int64 // replies still to be swallowed
	cut      atomic.Int64
	skip     atomic.Int64
	lost     atomic.Pointer[func()]
	limit    atomic.Int64 // bytes of replies of a connection before it is cut; 0 for all
	passed   atomic.Int64 // bytes of replies, of all connections
	at       atomic.Pointer[moment]

	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// StartProxy listens on a free loopback port for connections to target, until the test ends.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.Reset()
		p.wg.Wait()
	})
	return p
}

// Addr is host and port to connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Swallow lets the next n requests through and never delivers their replies: the
// connection goes silent, as when the network fails in between.
func (p *Proxy) Swallow(n int) { p.swallow.Store(int64(n)) }

// Cut lets the next n requests through and, in place of a reply, closes the connection.
func (p *Proxy) Cut(n int) { p.cut.Store(int64(n)) }

// Skip lets n replies pass before Swallow and Cut begin.
func (p *Proxy) Skip(n int) { p.skip.Store(int64(n)) }

// CutAfter closes each connection once n bytes of replies have passed; 0 for never.
func (p *Proxy) CutAfter(n int64) { p.limit.Store(n) }

// Passed is how many bytes of replies have passed, of all connections.
func (p *Proxy) Passed() int64 { return p.passed.Load() }

// moment is a number of bytes, and what is to be done then.
type moment struct {
	bytes int64
	fn    func()
}

// At has fn called once, when a connection has passed n bytes of replies; the next ones wait for it.
func (p *Proxy) At(n int64, fn func()) { p.at.Store(&moment{n, fn}) }

// OnLoss has fn called each time a reply is lost, before the client can notice.
func (p *Proxy) OnLoss(fn func()) { p.lost.Store(&fn) }

// Reset closes every connection.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.wg.Go(func() {
			defer p.forget(client, server)
			io.Copy(server, client)
		})
		p.wg.Go(func() {
			defer p.forget(client, server)
			p.replies(client, server)
		})
	}
}

// replies copies from server to client, until one is to be lost.
func (p *Proxy) replies(client, server net.Conn) {
	buf := make([]byte, 64<<10)
	silent := false
	var passed int64
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if limit := p.limit.Load(); limit > 0 && passed+int64(n) > limit {
			client.Write(buf[:limit-passed])
			return
		}
		passed += int64(n)
		p.passed.Add(int64(n))
		if m := p.at.Load(); m != nil && passed >= m.bytes && p.at.CompareAndSwap(m, nil) {
			m.fn()
		}
		switch {
		case silent:
			continue
		case take(&p.skip):
		case take(&p.cut):
			p.tell()
			return
		case take(&p.swallow):
			p.tell()
			silent = true
			continue
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *Proxy) tell() {
	if fn := p.lost.Load(); fn != nil {
		(*fn)()
	}
}

// take counts down to zero.
func take(n *atomic.Int64) bool {
	for {
		v := n.Load()
		if v <= 0 {
			return false
		}
		if n.CompareAndSwap(v, v-1) {
			return true
		}
	}
}

func (p *Proxy) forget(client, server net.Conn) {
	client.Close()
	server.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, server)
}
