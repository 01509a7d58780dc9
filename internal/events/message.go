package events

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/scim"
)

// eventURI are the events of RFC 9967 §2.4 that we send. Of those with two forms it is the notice:
// the feed keeps names of attributes and no values. An update is told as a patch whatever
// request made it, since the notice of a patch says just what is known: what changed. Every
// resource of the workspace is in the feed, so feed:add and feed:remove never happen, and there
// are no asynchronous requests to complete.
var eventURI = map[string]string{
	Create:     "urn:ietf:params:scim:event:prov:create:notice",
	Update:     "urn:ietf:params:scim:event:prov:patch:notice",
	Delete:     "urn:ietf:params:scim:event:prov:delete",
	Activate:   "urn:ietf:params:scim:event:prov:activate",
	Deactivate: "urn:ietf:params:scim:event:prov:deactivate",
}

// EventURIs lists the events that streams can carry, for the claim securityEvents of
// ServiceProviderConfig (RFC 9967 §4).
func EventURIs() []string {
	uris := make([]string, 0, len(eventURI))
	for _, kind := range Kinds() {
		uris = append(uris, eventURI[kind])
	}
	return uris
}

// message is what a stream says of one resource because of one change.
type message struct {
	// id is the same at every delivery: a receiver knows a repeat by it.
	id         string
	change     *scim.Change
	subject    scim.Ref
	kinds      []string
	attributes []string
	version    scim.Version // of the subject after the change; 0 where it is not known
	path       string       // of the subject, below the SCIM base: "/Users/<id>"
	last       bool         // the last of its change
}

// messages are what a stream says of a change: none where its filter leaves nothing.
func messages(s *Stream, c *scim.Change) []message {
	var all []message
	add := func(n int, m message) {
		if len(s.Events) > 0 {
			m.kinds = slices.DeleteFunc(m.kinds, func(kind string) bool { return !slices.Contains(s.Events, kind) })
		}
		if len(m.kinds) == 0 {
			return
		}
		m.id, m.change = messageID(s.Workspace, c, n), c
		all = append(all, m)
	}
	if kinds := kindsOf(c); kinds != nil {
		attributes := slices.Clone(c.Attributes)
		if len(c.Edges) > 0 {
			attributes = append(attributes, "members")
		}
		add(0, message{subject: c.Ref, kinds: kinds, attributes: attributes, version: c.Version})
	}
	for i, g := range c.Groups { // that lost the resource as a member
		add(i+1, message{subject: g, kinds: []string{Update}, attributes: []string{"members"}})
	}
	if len(all) > 0 {
		all[len(all)-1].last = true
	}
	return all
}

func kindsOf(c *scim.Change) []string {
	switch {
	case c.Op == "create":
		return []string{Create}
	case c.Op == "delete":
		return []string{Delete}
	case c.Op == "members" && len(c.Edges) == 0: // it only left groups
		return nil
	case c.Became == "active":
		return []string{Activate, Update}
	case c.Became == "inactive":
		return []string{Deactivate, Update}
	}
	return []string{Update}
}

// messageID names the n-th message of a change: "default.17.0.mgv2k1aa". The time keeps it from ever
// naming another change, since a store that was put back from a backup gives numbers again.
func messageID(workspace string, c *scim.Change, n int) string {
	return fmt.Sprintf("%s.%d.%d.%s", workspace, c.Version, n, strconv.FormatInt(c.Time.UnixMilli(), 36))
}

// parseID tells which change a message is of. No workspace has a dot in its name.
func parseID(id string) (workspace string, v scim.Version, ok bool) {
	parts := strings.Split(id, ".")
	if len(parts) != 4 || len(id) > maxID {
		return "", 0, false
	}
	number, err := strconv.ParseUint(parts[1], 10, 64)
	return parts[0], scim.Version(number), err == nil
}

// maxID is longer than any id of ours: what a receiver acknowledges is kept for a while.
const maxID = 150

// claims are the SET of a message (RFC 8417 §2.2, RFC 9967 §2).
func (t *Transmitter) claims(s *Stream, m *message) map[string]any {
	events := map[string]any{}
	for _, kind := range m.kinds {
		payload := map[string]any{}
		if kind == Create || kind == Update {
			payload["attributes"] = append([]string{}, m.attributes...) // an empty list, and not null
			if m.version != 0 {
				payload["version"] = fmt.Sprintf(`W/"%d"`, m.version)
			}
		}
		events[eventURI[kind]] = payload
	}
	txn := m.change.RequestID
	if txn == "" {
		txn = messageID(s.Workspace, m.change, 0)
	}
	return map[string]any{
		"iss": t.Issuer, "aud": s.Audience, "iat": t.Now().Unix(), "jti": m.id,
		"txn": txn, "toe": m.change.Time.Unix(),
		// RFC 9967 §2.1: the subject is sub_id, and there is no sub. An externalId may be
		// an e-mail address, so the id alone says who.
		"sub_id": map[string]any{"format": "scim", "uri": m.path},
		"events": events,
	}
}

// hook is the body of a webhook.
type hook struct {
	Type      string    `json:"type"` // "user.created"
	Timestamp time.Time `json:"timestamp"`
	Data      hookData  `json:"data"`
}

type hookData struct {
	Workspace  string        `json:"workspace"`
	Change     scim.Version  `json:"change,omitempty"` // its number in the feed
	Resource   *hookResource `json:"resource,omitempty"`
	Attributes []string      `json:"attributes,omitempty"`
	RequestID  string        `json:"requestId,omitempty"`
}

type hookResource struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Path string `json:"path"`
}

var past = map[string]string{Create: "created", Update: "updated", Delete: "deleted", Activate: "enabled", Deactivate: "disabled"}

func (t *Transmitter) hookBody(s *Stream, m *message) ([]byte, error) {
	return json.Marshal(hook{
		Type:      strings.ToLower(m.subject.Type) + "." + past[m.kinds[0]],
		Timestamp: m.change.Time,
		Data: hookData{
			Workspace: s.Workspace, Change: m.change.Version, Attributes: m.attributes, RequestID: m.change.RequestID,
			Resource: &hookResource{Type: m.subject.Type, ID: m.subject.ID, Path: m.path},
		},
	})
}
