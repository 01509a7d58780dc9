package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"
)

// Hook is a receiver of notices that are about no change of a resource: that a sync run was
// blocked, say. It is for endpoints that the configuration names, so that private networks need
// no setting of their own; the addresses of metadata services stay closed.
type Hook struct {
	URL    string
	Secret Secret // signs as a webhook is signed; "" leaves it unsigned
}

// hooks is the client of every Hook.
var hooks = outbound([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})

// Problems lists what is wrong with the hook, each with the key in front: "url: …".
func (h Hook) Problems() (wrong []string) {
	if err := checkEndpoint(h.URL); err != nil {
		wrong = append(wrong, fmt.Sprintf("url: %v", err))
	}
	if h.Secret != "" {
		if _, err := webhookKey(h.Secret); err != nil {
			wrong = append(wrong, fmt.Sprintf("secret: %v", err))
		}
	}
	return wrong
}

// Send delivers a body once. A repeat with the same id is known by it.
func (h Hook) Send(ctx context.Context, id string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the endpoint is no URL")
	}
	req.Header.Set("User-Agent", "Rollcall")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Webhook-Id", id)
	if h.Secret != "" {
		if err := signHook(req.Header, h.Secret, id, time.Now(), body); err != nil {
			return err
		}
	}
	resp, err := hooks.Do(req)
	if err != nil {
		return errors.New(unreachable(err))
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection can be used again
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("the endpoint answered %d", resp.StatusCode)
	}
	return nil
}
