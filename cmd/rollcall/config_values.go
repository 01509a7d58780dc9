package main

import (
	"encoding"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A setting's value is always made from a text, whether that came from the file, the
// environment or a flag: setText is the one place that reads it.

// Duration is a time.Duration that is written as Go writes it, or with d (24 hours) and w
// (7 days) in front: 90s, 12h, 30d, 1w2d.
type Duration time.Duration

const second = Duration(time.Second)

var daysAndWeeks = regexp.MustCompile(`^(?:(\d{1,9})w)?(?:(\d{1,9})d)?(.*)$`)

// ParseDuration reads a duration. It is never negative.
func ParseDuration(text string) (Duration, error) {
	bad := func() (Duration, error) {
		return 0, fmt.Errorf("%q is no duration. Write a number and a unit: 500ms, 30s, 5m, 12h, 30d, 2w", text)
	}
	m := daysAndWeeks.FindStringSubmatch(text)
	if m == nil || text == "" {
		return bad()
	}
	total := 0.0
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour} {
		if m[i+1] != "" {
			n, err := strconv.Atoi(m[i+1])
			if err != nil {
				return bad()
			}
			total += float64(n) * float64(unit)
		}
	}
	var rest time.Duration
	if m[3] != "" {
		var err error
		if rest, err = time.ParseDuration(m[3]); err != nil || strings.ContainsAny(m[3], "+-") {
			return bad()
		}
	}
	if total+float64(rest) >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too long: 290 years are the most", text)
	}
	return Duration(total) + Duration(rest), nil
}

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}

// String writes a duration so that ParseDuration reads it.
func (d Duration) String() string {
	const day = 24 * time.Hour
	t := time.Duration(d)
	s := ""
	if t >= day {
		s = strconv.FormatInt(int64(t/day), 10) + "d"
		if t %= day; t == 0 {
			return s
		}
	}
	rest := t.String()
	if strings.HasSuffix(rest, "m0s") {
		rest = strings.TrimSuffix(rest, "0s")
	}
	if strings.HasSuffix(rest, "h0m") {
		rest = strings.TrimSuffix(rest, "0m")
	}
	return s + rest
}

// Percent is a share between 0 and 100.
type Percent float64

// UnmarshalText reads a share such as 20%.
func (p *Percent) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(v >= 0 && v <= 100) { // so that NaN is refused too
		return fmt.Errorf("%q is no share. Write a percentage from 0%% to 100%%, such as 20%%", text)
	}
	*p = Percent(v)
	return nil
}

func (p Percent) String() string {
	return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%"
}

// Limit allows a number or a share, whichever is more.
type Limit struct {
	Count   int
	Percent float64
}

// UnmarshalText reads 500, 20%, or both: "500, 20%".
func (l *Limit) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is no limit. Write a number, a percentage, or both, of which the larger counts: 500, 5%%, \"10, 5%%\"", text)
	*l = Limit{}
	var counts, shares int
	for part := range strings.SplitSeq(string(text), ",") {
		part = strings.TrimSpace(part)
		if strings.HasSuffix(part, "%") {
			var p Percent
			if p.UnmarshalText([]byte(part)) != nil {
				return bad
			}
			l.Percent = float64(p)
			shares++
			continue
		}
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return bad
		}
		l.Count = int(n)
		counts++
	}
	if counts > 1 || shares > 1 {
		return bad
	}
	return nil
}

func (l Limit) String() string {
	switch {
	case l.Percent == 0:
		return strconv.Itoa(l.Count)
	case l.Count == 0:
		return Percent(l.Percent).String()
	}
	return strconv.Itoa(l.Count) + ", " + Percent(l.Percent).String()
}

// Runs is a number of runs in a row.
type Runs int

var runsText = regexp.MustCompile(`^(\d{1,4})(?: +runs?)?$`)

// UnmarshalText reads 1, "1 run" or "2 runs".
func (r *Runs) UnmarshalText(text []byte) error {
	m := runsText.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("%q is no number of runs. Write 1 run, 2 runs, …", text)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil || n < 1 || n > 1000 {
		return fmt.Errorf("%q is not between 1 run and 1000 runs", text)
	}
	*r = Runs(n)
	return nil
}

func (r Runs) String() string {
	if r == 1 {
		return "1 run"
	}
	return strconv.Itoa(int(r)) + " runs"
}

// DN is a distinguished name.
type DN string

// Secret is a value that no log, error or answer may show: whatever prints it says
// "redacted". It is behind a pointer so that printing a struct around it shows none either.
type Secret struct {
	value *string
	file  string // where it was read from, "" for nowhere
}

const redacted = "redacted"

// NewSecret makes a secret of a text.
func NewSecret(text string) Secret { return Secret{value: &text} }

// Reveal is the secret itself, "" for none.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Read is the secret as it is now: one that came from a file is read again, so that it can
// be changed under a running server.
func (s Secret) Read() (string, error) {
	if s.file == "" {
		return s.Reveal(), nil
	}
	now, err := readSecret(s.file)
	return now.Reveal(), err
}

// IsSet tells whether there is one.
func (s Secret) IsSet() bool { return s.value != nil }

// UnmarshalText takes a text as it is. An empty one is refused: it would be a
// password that everybody knows, or an LDAP bind that succeeds as nobody (RFC 4513
// §5.1.2).
func (s *Secret) UnmarshalText(text []byte) error {
	switch {
	case len(text) == 0:
		return errors.New("it is empty. Leave it out, or give it a value")
	case strings.ContainsRune(string(text), 0):
		return errors.New("it has a NUL byte")
	}
	value := string(text)
	s.value = &value
	return nil
}

// Format prints "redacted" for every verb of fmt.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) } //nolint:errcheck // fmt's own buffer

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (Secret) MarshalYAML() (any, error)    { return redacted, nil }

// setText reads a text into a setting that is no section and no list.
func setText(v reflect.Value, text string) error {
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		if err := setText(p.Elem(), text); err != nil {
			return err
		}
		v.Set(p)
		return nil
	}
	switch p := v.Addr().Interface().(type) {
	case *netip.Prefix:
		return setPrefix(p, text)
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		if strings.ContainsRune(text, 0) {
			return errors.New("it has a NUL byte")
		}
		v.SetString(text)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is no whole number", text)
		}
		v.SetInt(int64(n))
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
	default:
		panic("no text makes a " + v.Type().String()) // a field of Config that needs a case here
	}
	return nil
}

// setPrefix reads a network, or an address that is a network of its own.
func setPrefix(p *netip.Prefix, text string) error {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		*p = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return fmt.Errorf("%q is no network. Write an address or a prefix: 10.0.0.1, 10.0.0.0/8, fd00::/8", text)
	}
	*p = prefix.Masked()
	return nil
}

// splitList cuts the text of a variable or a flag into the items of a list.
func splitList(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
