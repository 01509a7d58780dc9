package account

import (
	"strings"
	"testing"
	"time"
)

// TestMailTexts writes a mail of each event: none lacks what it is about, and nothing that somebody
// chose begins a line of the head.
func TestMailTexts(t *testing.T) {
	for event := range mailTexts {
		f := facts{Event: event, Workspace: "lab", Name: "Ada\r\nBcc: x@example.com", UserName: "ada", Message: "Come in", Link: "https://x/console/reset?code=c",
			Expires: time.Now(), Data: map[string]string{"at": "tomorrow", "token": "crawler\r\nBcc: y", "id": "t1"}}
		subject, text := f.write()
		if subject == "" || strings.ContainsAny(subject, "\r\n") || strings.Contains(text, "<no value>") || !strings.Contains(text, "Hello Ada Bcc: x@example.com,") {
			t.Errorf("%s: subject %q, text:\n%s", event, subject, text)
		}
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]bool{"jane@example.com": true, "j.d+x@sub.example.org": true, "": false, "jane": false, "Jane <jane@example.com>": false,
		"jane@example.com\r\nBcc: x@example.com": false, "a@b@c": false, "jane@example.com, x@example.com": false, strings.Repeat("a", 300) + "@example.com": false} {
		if _, ok := address(text); ok != want {
			t.Errorf("address(%.40q) = %t, want %t", text, ok, want)
		}
	}
}

// TestWarnings: each time before the end is told of once, and none after the end.
func TestWarnings(t *testing.T) {
	const day = 24 * time.Hour
	for left, want := range map[time.Duration]time.Duration{31 * day: 0, 30 * day: 30 * day, 8 * day: 30 * day, 7 * day: 7 * day, day: day, time.Minute: day, 0: 0, -day: 0} {
		if got, _ := warning(left, tokenWarnings); got != want {
			t.Errorf("warning(%v) = %v, want %v", left, got, want)
		}
	}
}
