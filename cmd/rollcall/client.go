package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"rollcall/internal/api"
)

// client talks to a server: one that runs elsewhere, or, with a transport that calls the handlers
// directly, one inside this process.
type client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// remote is a client of a server elsewhere.
func remote(base, token string) (*client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("--server %q is no URL: give one such as https://scim.example.com", base)
	}
	if token == "" {
		return nil, usagef("a server needs a token: give --token, or set ROLLCALL_TOKEN")
	}
	return &client{base: u, token: token, http: http.DefaultClient}, nil
}

// inProcess is a client that calls the handler itself.
func inProcess(h http.Handler, token string) *client {
	return &client{base: &url.URL{Scheme: "http", Host: "in-process"}, token: token, http: &http.Client{Transport: handlerTransport{h}}}
}

// call sends a request and decodes the answer into out, unless that is nil.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	u := *c.base
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	u.RawQuery = query.Encode()
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), reader)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", "application/scim+json, application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return unreachable(u.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return problemOf(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("the answer of %s %s cannot be read: %w", method, path, err)
	}
	return nil
}

// stream sends a GET and returns the body of its answer, which the caller closes.
func (c *client) stream(ctx context.Context, path string) (io.ReadCloser, error) {
	u := *c.base
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unreachable(u.Host, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		return nil, problemOf(resp)
	}
	return resp.Body, nil
}

func unreachable(host string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("no server answers at %s: start one with `rollcall serve`, or give --server: %w", host, err)
	}
	return fmt.Errorf("asking %s: %w", host, err)
}

// problemOf reads an error answer: problem details of our API, or an error of SCIM.
func problemOf(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	p := &api.Problem{}
	_ = json.Unmarshal(text, p) // a SCIM error has detail too, but its status is a string
	p.Status = resp.StatusCode
	if p.Detail == "" && p.Title == "" {
		p.Title = "the server answered " + resp.Status
	}
	return p
}

// handlerTransport is an http.RoundTripper that calls a handler and streams its answer. What a
// server does with a handler that panics is done here too: the answer is cut off.
type handlerTransport struct{ handler http.Handler }

func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		req.Body = http.NoBody
	}
	pr, pw := io.Pipe()
	w := &pipeWriter{header: http.Header{}, pipe: pw, started: make(chan struct{})}
	go func() {
		defer func() {
			if v := recover(); v != nil {
				w.WriteHeader(http.StatusInternalServerError)
				pw.CloseWithError(errCut)
			}
		}()
		t.handler.ServeHTTP(w, req)
		w.WriteHeader(http.StatusOK)
		pw.Close()
	}()
	<-w.started
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.sent, Body: pr, ContentLength: -1, Request: req,
	}, nil
}

// errCut ends the body of an answer that the handler broke off.
var errCut = errors.New("the answer was broken off")

type pipeWriter struct {
	header, sent http.Header
	status       int
	pipe         *io.PipeWriter
	started      chan struct{}
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
		close(w.started)
	}
}

func (w *pipeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}

func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }
