package events

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"rollcall/scim"
)

const (
	pushWindow = 100
	firstPause = time.Second
	maxPause   = time.Hour
	// saveEvery bounds how much is delivered again after a crash.
	saveEvery = time.Second
)

// step delivers what is due of a stream, one message after the other, and tells when to come
// again: 0 for at once. It stops where the context ends, which it does when the stream is no
// longer ours.
func (t *Transmitter) step(ctx context.Context, s *Stream) (wait time.Duration, err error) {
	p, old, err := t.progressOf(ctx, s)
	if err != nil {
		return t.Interval, err
	}
	now := t.Now()
	if s.Paused {
		return t.Interval, nil
	}
	if pause := p.NextTry.Sub(now); pause > 0 {
		return min(pause, 5*time.Second), nil // somebody may ask for a replay meanwhile
	}
	before := p.Position
	list, more, err := t.window(ctx, s, p, pushWindow)
	if err != nil {
		return t.Interval, err
	}
	if len(list) == 0 {
		if p.Position != before {
			_, err = t.save(ctx, s, p, old)
		}
		return t.pause(more), err
	}
	saved := now
	for i := range list {
		out := t.deliver(ctx, s, &list[i])
		if ctx.Err() != nil {
			return 0, errors.Join(ctx.Err(), t.keep(ctx, s, p, old))
		}
		if t.Observe != nil {
			t.Observe(s.Workspace, s.Name, out.word())
		}
		if !out.ok && !out.refused {
			t.failed(s, p, out)
			if err := t.giveUp(ctx, s, p, list[i].change.Version, out.reason); err != nil {
				return t.Interval, err
			}
			_, err := t.save(ctx, s, p, old)
			return min(p.NextTry.Sub(t.Now()), 5*time.Second), err
		}
		if out.refused {
			v := list[i].change.Version
			if err := t.bury(ctx, s, Dead{From: v, To: v, Reason: out.reason, At: t.Now().UTC()}); err != nil {
				return t.Interval, err
			}
		}
		p.take(&list[i])
		p.Attempts, p.FailingSince, p.NextTry, p.LastError = 0, time.Time{}, time.Time{}, ""
		p.LastDelivery = t.Now().UTC()
		if t.Now().Sub(saved) > saveEvery {
			if old, err = t.save(ctx, s, p, old); err != nil {
				return 0, err
			}
			saved = t.Now()
		}
	}
	_, err = t.save(ctx, s, p, old)
	return t.pause(more), err
}

func (t *Transmitter) pause(more bool) time.Duration {
	if more {
		return 0
	}
	return t.Interval
}

// keep saves what was delivered before a stop. The context is over, so this has a moment of its own.
func (t *Transmitter) keep(ctx context.Context, s *Stream, p *progress, old []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_, err := t.save(ctx, s, p, old)
	return err
}

// failed notes a delivery that is to be tried again: later each time, and not by all at once.
func (t *Transmitter) failed(s *Stream, p *progress, out outcome) {
	now := t.Now().UTC()
	if p.FailingSince.IsZero() {
		p.FailingSince = now
		t.log.Warn("a stream cannot deliver and will try again", "workspace", s.Workspace, "stream", s.Name, "reason", out.reason)
	}
	pause := min(firstPause<<min(p.Attempts, 20), maxPause)
	pause += time.Duration((rand.Float64() - 0.5) * 0.4 * float64(pause))
	p.Attempts++
	p.NextTry = now.Add(max(pause, min(out.retryAfter, maxPause)))
	p.LastError = out.reason
}

// giveUp makes dead letters of changes, from the one that failed on, that are too old to
// be tried again.
func (t *Transmitter) giveUp(ctx context.Context, s *Stream, p *progress, from scim.Version, reason string) error {
	feed, err := t.Feed(ctx, s.Workspace)
	if err != nil {
		return err
	}
	limit := t.Now().Add(-t.GiveUpAfter)
	to := scim.Version(0)
	for after := from - 1; ; {
		changes, err := feed.Changes(ctx, after, feedBatch)
		if errors.Is(err, scim.ErrInvalidVers) {
			break // trimmed meanwhile: the next window tells
		}
		if err != nil {
			return err
		}
		done := len(changes) < feedBatch
		for i := range changes {
			if changes[i].Time.After(limit) {
				done = true
				break
			}
			to, after = changes[i].Version, changes[i].Version
		}
		if done {
			break
		}
	}
	if to == 0 {
		return nil
	}
	if err := t.bury(ctx, s, Dead{From: from, To: to, Reason: reason, At: t.Now().UTC()}); err != nil {
		return err
	}
	p.advance(to)
	return nil
}

// outcome is how a delivery ended.
type outcome struct {
	ok         bool
	refused    bool // the receiver will never take this one
	reason     string
	retryAfter time.Duration
}

func (o outcome) word() string {
	switch {
	case o.ok:
		return "ok"
	case o.refused:
		return "refused"
	}
	return "failed"
}

// deliver sends one message.
func (t *Transmitter) deliver(ctx context.Context, s *Stream, m *message) outcome {
	if s.Method == Webhook {
		body, err := t.hookBody(s, m)
		if err != nil {
			return outcome{reason: err.Error()}
		}
		return t.post(ctx, s, m.id, body)
	}
	set, err := t.keys.sign(ctx, t.claims(s, m))
	if err != nil {
		t.log.ErrorContext(ctx, "an event cannot be signed", "workspace", s.Workspace, "stream", s.Name, "error", err)
		return outcome{reason: "the event cannot be signed"}
	}
	return t.post(ctx, s, m.id, []byte(set))
}

// post sends a body to the stream's endpoint.
func (t *Transmitter) post(ctx context.Context, s *Stream, id string, body []byte) outcome {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint, bytes.NewReader(body))
	if err != nil {
		return outcome{reason: "the endpoint is no URL"}
	}
	req.Header.Set("User-Agent", "Rollcall")
	if s.Method == Webhook {
		if err := signHook(req.Header, s.Secret, id, t.Now(), body); err != nil {
			return outcome{reason: err.Error()}
		}
	} else {
		req.Header.Set("Content-Type", "application/secevent+jwt")
		req.Header.Set("Accept", "application/json")
	}
	if s.Authorization != "" {
		req.Header.Set("Authorization", string(s.Authorization))
	}
	resp, err := t.http.Do(req)
	if err != nil {
		return outcome{reason: unreachable(err)}
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // and the connection can be used again
	return judgeAnswer(s.Method, resp, text)
}

// unreachable says why nobody answered, without the URL, which may hold a secret.
func unreachable(err error) string {
	var refused *addressError
	var timeout interface{ Timeout() bool }
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &refused):
		return refused.why
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the endpoint did not answer in time"
	case errors.As(err, &certificate):
		return "the endpoint's certificate is not trusted on this machine, or is of another name"
	}
	return "the endpoint cannot be reached"
}

// errWord is a code of RFC 8935 §2.4.
var errWord = regexp.MustCompile(`^[a-z_]{1,40}$`)

// judgeAnswer tells what an answer means. A SET is taken by 202 (RFC 8935 §2.2) and, since many
// receivers know no better, by any 2xx.
func judgeAnswer(method string, resp *http.Response, text []byte) outcome {
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return outcome{ok: true}
	}
	out := outcome{reason: fmt.Sprintf("the endpoint answered %d", resp.StatusCode)}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		out.retryAfter = time.Duration(min(seconds, int(maxPause/time.Second))) * time.Second
	}
	var problem struct {
		Err string `json:"err"`
	}
	if method == Push && resp.StatusCode == http.StatusBadRequest && json.Unmarshal(text, &problem) == nil && errWord.MatchString(problem.Err) {
		out.reason += " " + problem.Err
		// RFC 8935 §2.4: the SET itself cannot be parsed. The other codes (keys, issuer,
		// audience, access) are about the stream, and somebody can put them right.
		out.refused = problem.Err == "invalid_request"
	}
	return out
}

// signHook signs a webhook: HMAC-SHA256 over "id.timestamp.body", so that neither body nor time
// can be changed and a repeat is known.
func signHook(h http.Header, secret Secret, id string, now time.Time, body []byte) error {
	key, err := webhookKey(secret)
	if err != nil {
		return err
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	h.Set("Content-Type", "application/json")
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", timestamp)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}

const secretPrefix = "whsec_"

// webhookKey is the key of a secret: the bytes behind whsec_ in base64, or else the text.
func webhookKey(secret Secret) ([]byte, error) {
	text, encoded := strings.CutPrefix(string(secret), secretPrefix)
	key := []byte(text)
	if encoded {
		var err error
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, errors.New("behind whsec_ it must be base64")
		}
	}
	if len(key) < minSecret {
		return nil, fmt.Errorf("it must have %d bytes or more", minSecret)
	}
	return key, nil
}
