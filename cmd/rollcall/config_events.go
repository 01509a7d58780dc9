package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"rollcall/internal/events"
	"rollcall/store"
)

// EventsConfig is how other systems are told what changed.
type EventsConfig struct {
	// Issuer is the claim iss of every token; "" takes server.base_url.
	Issuer string `key:"issuer"`
	// AllowNetworks are private networks that streams may deliver to. Without them whoever
	// may make a stream could reach what only we can.
	AllowNetworks []netip.Prefix `key:"allow_networks"`
	// GiveUpAfter is how old a change is when it becomes a dead letter.
	GiveUpAfter Duration                 `key:"give_up_after"`
	Streams     map[string]*StreamConfig `key:"streams"`
}

// StreamConfig is who is told of the changes of a workspace, and how (events.Stream).
type StreamConfig struct {
	Name          string   // its key under events.streams
	Workspace     string   `key:"workspace"`
	Method        string   `key:"method" enum:"push,poll,webhook"`
	Endpoint      string   `key:"endpoint"` // https URL that events are sent to
	Audience      []string `key:"audience"`
	Events        []string `key:"events" enum:"create,update,delete,activate,deactivate"`
	Client        string   `key:"client"`
	Authorization Secret   `key:"authorization"` // header that goes with each event, where the receiver wants one
	Secret        Secret   `key:"secret"`
}

func (s *StreamConfig) setDefaults(name string) {
	*s = StreamConfig{Name: name, Workspace: "default", Method: "push"}
}

func (s *StreamConfig) stream() events.Stream {
	return events.Stream{
		Name: s.Name, Workspace: s.Workspace, Method: s.Method, Endpoint: s.Endpoint, Audience: s.Audience, Events: s.Events,
		Client: s.Client, Authorization: events.Secret(s.Authorization.Reveal()), Secret: events.Secret(s.Secret.Reveal()),
	}
}

// issuer is the claim iss, "" where there is none.
func (c *Config) issuer() string {
	if c.Events.Issuer != "" {
		return c.Events.Issuer
	}
	return c.Server.BaseURL
}

func (l *loader) checkEvents() {
	c := l.config
	if text := c.Events.Issuer; text != "" {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			l.bad("events.issuer", "Write an absolute URL, such as https://scim.example.com", "%s cannot be an issuer", quote(text))
		}
	}
	if !l.broken["events.give_up_after"] && c.Events.GiveUpAfter < 60*second {
		l.bad("events.give_up_after", "", "%s is shorter than a minute", c.Events.GiveUpAfter)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Events.Streams)) {
		s, path := c.Events.Streams[name], "events.streams."+name+"."
		l.checkWorkspace(path+"workspace", s.Workspace)
		stream := s.stream()
		for _, text := range events.Problems(&stream, c.issuer()) {
			key, text, _ := strings.Cut(text, ": ")
			if !l.broken[path+key] {
				l.bad(path+key, "", "%s", text)
			}
		}
	}
}

// newTransmitter makes what tells other systems. It delivers only while it runs.
func (c *core) newTransmitter(ctx context.Context) (*events.Transmitter, error) {
	var streams []events.Stream
	for _, name := range slices.Sorted(maps.Keys(c.config.Events.Streams)) {
		s := c.config.Events.Streams[name]
		if _, err := c.workspace(ctx, s.Workspace); err != nil {
			return nil, fmt.Errorf("stream %s: %w", name, err)
		}
		streams = append(streams, s.stream())
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost" // it is for people to read
	}
	return events.New(events.Config{
		Feed: func(ctx context.Context, workspace string) (events.Feed, error) {
			w, err := c.store.Workspace(ctx, workspace)
			return eventFeed{w}, err
		},
		State: c.store.State(), Issuer: c.config.issuer(), Streams: streams, AllowNetworks: c.config.Events.AllowNetworks,
		GiveUpAfter: time.Duration(c.config.Events.GiveUpAfter), Holder: fmt.Sprintf("%s:%d", host, os.Getpid()), Logger: c.log,
		Observe: c.metrics.Delivered,
	})
}

// eventFeed is the feed of a workspace for events, which need not know of schemas.
type eventFeed struct{ *store.Workspace }

func (f eventFeed) Endpoint(ctx context.Context, typ string) (string, error) {
	model, err := f.Model(ctx)
	if err != nil {
		return "", err
	}
	if t := model.Type(typ); t != nil {
		return "/" + strings.Trim(t.Endpoint, "/"), nil
	}
	return "/" + typ, nil
}
