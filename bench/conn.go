package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// conn is one keep-alive HTTP/1.1 connection of the load generator. The generator shares the
// machine with what it measures, and net/http's client costs about as much as a server, so this
// one only writes a request that is ready and finds the end of the answer.
type conn struct {
	net  net.Conn
	in   *bufio.Reader
	out  []byte // the request, reused
	body []byte // of the last answer, reused
}

func dial(addr string) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &conn{net: c, in: bufio.NewReaderSize(c, 16<<10)}, nil
}

// do sends what is in c.out and reads the answer into c.body.
func (c *conn) do() (status int, err error) {
	if _, err := c.net.Write(c.out); err != nil {
		return 0, err
	}
	return c.read()
}

var errShort = errors.New("the answer has no length")

// read reads one answer (RFC 9112 §6).
func (c *conn) read() (status int, err error) {
	c.body = c.body[:0]
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("the answer begins with %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length, chunked := -1, false
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	switch {
	case status == 204 || status == 304:
		return status, nil
	case chunked:
		return status, c.readChunks()
	case length < 0:
		return status, errShort
	}
	return status, c.take(length)
}

func (c *conn) readChunks() error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return err
		}
		if err := c.take(int(size)); err != nil {
			return err
		}
		if _, err := c.in.Discard(2); err != nil || size == 0 {
			return err
		}
	}
}

// take appends n bytes to the body.
func (c *conn) take(n int) error {
	start := len(c.body)
	if cap(c.body) < start+n {
		grown := make([]byte, start, max(2*cap(c.body), start+n, 4<<10))
		copy(grown, c.body)
		c.body = grown
	}
	c.body = c.body[:start+n]
	_, err := io.ReadFull(c.in, c.body[start:])
	return err
}

// appendRequest writes a request. auth is the value of Authorization.
func appendRequest(b []byte, method, path, auth string, body []byte) []byte {
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: "...)
	b = append(b, auth...)
	if body != nil {
		b = append(b, "\r\nContent-Type: application/scim+json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
	}
	b = append(b, "\r\n\r\n"...)
	return append(b, body...)
}
