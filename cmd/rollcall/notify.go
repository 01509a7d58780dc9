package main

import (
	"context"
	"net"
	"strconv"
	"time"
)

// notifier tells systemd how the service does (sd_notify(3)). One without a socket tells nobody.
type notifier struct {
	socket   string
	watchdog time.Duration // between two signs of life; 0 for none
}

func (c *cli) notifier() notifier {
	n := notifier{socket: c.env("NOTIFY_SOCKET")}
	if usec, err := strconv.ParseInt(c.env("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
		n.watchdog = time.Duration(usec) * time.Microsecond / 3
	}
	return n
}

// say sends states such as "READY=1". Nothing depends on it: an error is no concern of ours.
func (n notifier) say(states string) {
	if n.socket == "" {
		return
	}
	addr := &net.UnixAddr{Name: n.socket, Net: "unixgram"}
	if addr.Name[0] == '@' { // the abstract namespace
		addr.Name = "\x00" + addr.Name[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, addr)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(states))
}

// live gives signs of life until the context ends.
func (n notifier) live(ctx context.Context) {
	if n.watchdog == 0 {
		return
	}
	tick := time.NewTicker(n.watchdog)
	defer tick.Stop()
	for {
		n.say("WATCHDOG=1")
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
