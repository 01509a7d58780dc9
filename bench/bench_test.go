package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"nothing", nil, 0},
		{"one", []float64{3}, 3},
		{"odd, out of order", []float64{9, 1, 5}, 5},
		{"even", []float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("%s: median(%v) = %v, want %v", test.name, test.values, got, test.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, test := range []struct {
		name   string
		sorted []time.Duration
		q      float64
		want   time.Duration
	}{
		{"nothing", nil, 0.5, 0},
		{"one", hundred[:1], 0.99, 1},
		{"p50 of 100", hundred, 0.5, 50},
		{"p99 of 100", hundred, 0.99, 99},
		{"all", hundred, 1, 100},
		{"none", hundred, 0, 1},
	} {
		if got := quantile(test.sorted, test.q); got != test.want {
			t.Errorf("%s: quantile(%v) = %d, want %d", test.name, test.q, got, test.want)
		}
	}
}

// A machine that becomes half as fast half way through shows the same ratio.
func TestRatiosFollowTheCeiling(t *testing.T) {
	got := ratios([]float64{80, 60, 40}, []float64{100, 100, 50, 50})
	if want := []float64{0.8, 0.8, 0.8}; !slices.Equal(got, want) {
		t.Errorf("ratios = %v, want %v", got, want)
	}
}

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte("42 (a (odd) name) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 5 0 1000 1 2 3"))
	if err != nil || got != 2*time.Second {
		t.Errorf("parseStat = %v, %v, want 2s", got, err)
	}
	for _, text := range []string{"", "42 (x) S 1 2", "42 (x) S 1 42 42 0 -1 4194560 100 0 0 0 x 50 0"} {
		if got, err := parseStat([]byte(text)); err == nil {
			t.Errorf("parseStat(%q) = %v, want an error", text, got)
		}
	}
}

func TestCPUOf(t *testing.T) {
	out := []byte("cpu: AMD EPYC\nBenchmarkDecode/tap-2 \t 5\t 14242375 ns/op\t 1566 cpu-ns/entry\t 873345 B/op\nBenchmarkDecode/go-ldap \t 5\t 981603476 ns/op\t 104502.5 cpu-ns/entry\nPASS\n")
	for name, want := range map[string]float64{"tap": 1566, "go-ldap": 104502.5, "other": 0} {
		if got := cpuOf(out, name); got != want {
			t.Errorf("cpuOf(%s) = %v, want %v", name, got, want)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	for _, test := range []struct {
		name, text string
		status     int
		body       string
		fails      bool
	}{
		{name: "length", text: "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", status: 200, body: "hello"},
		{name: "chunks", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na\r\n, everyone\r\n0\r\n\r\n", status: 200, body: "hello, everyone"},
		{name: "no content", text: "HTTP/1.1 204 No Content\r\nETag: W/\"1\"\r\n\r\n", status: 204},
		{name: "neither", text: "HTTP/1.1 200 OK\r\n\r\nhello", status: 200, fails: true},
		{name: "cut off", text: "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", status: 200, body: "", fails: true},
		{name: "no HTTP", text: "SSH-2.0-server\r\n", fails: true},
	} {
		// Two answers on one connection: the first must be read to its very end.
		c := &conn{in: bufio.NewReader(strings.NewReader(test.text + "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"))}
		if test.fails {
			c.in = bufio.NewReader(strings.NewReader(test.text))
		}
		status, err := c.read()
		if test.fails {
			if err == nil {
				t.Errorf("%s: read = %d, want an error", test.name, status)
			}
			continue
		}
		if err != nil || status != test.status || string(c.body) != test.body {
			t.Errorf("%s: read = %d %q, %v, want %d %q", test.name, status, c.body, err, test.status, test.body)
		}
		if status, err := c.read(); err != nil || status != 201 {
			t.Errorf("%s: the next read = %d, %v, want 201", test.name, status, err)
		}
	}
}

func TestUserIs1200Bytes(t *testing.T) {
	for _, n := range []int{0, 1, 777, 99_999, 12_345_678} {
		text := appendUser(nil, n)
		if len(text) < 1150 || len(text) > 1260 {
			t.Errorf("user %d has %d bytes, want about 1200", n, len(text))
		}
		var user struct{ UserName, ExternalID string }
		if err := json.Unmarshal(text, &user); err != nil || user.UserName != userName(n) || user.ExternalID != externalID(n) {
			t.Errorf("user %d = %+v, %v, want userName %s", n, user, err, userName(n))
		}
	}
	for name, text := range map[string][]byte{
		"appendRetitle": appendRetitle(nil, 7), "appendMembership add": appendMembership(nil, "a", false), "appendMembership remove": appendMembership(nil, "a", true),
		"appendGroup": appendGroup(nil, 1, []string{"a", "b"}), "appendMembers": appendMembers(nil, nil), "appendSynced": appendSynced(nil, 3),
	} {
		if !json.Valid(text) {
			t.Errorf("%s = %s, which is no JSON", name, text)
		}
	}
}

func TestTree(t *testing.T) {
	tree := newTree(1000)
	var b bytes.Buffer
	if err := tree.writeLDIF(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for what, want := range map[string]int{"\nobjectClass: inetOrgPerson\n": 1000, "\nobjectClass: groupOfNames\n": tree.groups, "\nmember: ": tree.memberships()} {
		if got := strings.Count(text, what); got != want {
			t.Errorf("the tree has %d of %q, want %d", got, what, want)
		}
	}
	if got := tree.memberships(); got != 2500 {
		t.Errorf("memberships = %d, want 2500", got)
	}
}

// Every request about a membership must change something: what is added was not there, and what
// is removed was.
func TestMembershipsAlwaysChange(t *testing.T) {
	d := &data{users: make([]string, 100), groups: make([]string, 5)}
	for name, pick := range map[string]func(int) (int, int, bool){"small": d.smallMember, "large": d.largeMember} {
		type pair struct{ group, user int }
		member := map[pair]bool{}
		for g := range d.groups {
			for _, u := range d.members(g) {
				member[pair{g, u}] = true
			}
		}
		for n := range 500 {
			g, u, remove := pick(n)
			if member[pair{g, u}] != remove {
				t.Fatalf("%s: request %d has remove %v of user %d in group %d, who is a member: %v", name, n, remove, u, g, member[pair{g, u}])
			}
			member[pair{g, u}] = !remove
		}
	}
}

func TestVerdicts(t *testing.T) {
	for _, test := range []struct {
		row  Row
		want string
	}{
		{Row{Ratio: 0.9, Goal: 0.85, Floor: 0.5}, "ok"},
		{Row{Ratio: 0.6, Goal: 0.85, Floor: 0.5}, "held"},
		{Row{Ratio: 0.4, Goal: 0.85, Floor: 0.5}, "short"},
		{Row{Ratio: 0.7, Goal: 0.8}, "short"},
	} {
		if got := test.row.verdict(); got != test.want {
			t.Errorf("verdict of %.2f at goal %s = %q, want %q", test.row.Ratio, test.row.goal(), got, test.want)
		}
	}
	for want, c := range map[string]Check{"ok": {Value: 9, Goal: 10}, "short": {Value: 11, Goal: 10}, "": {Value: 11}} {
		if got := c.verdict(); got != want {
			t.Errorf("verdict of %v at goal %v = %q, want %q", c.Value, c.Goal, got, want)
		}
	}
}

func TestTables(t *testing.T) {
	tab := table{head: []string{"what", "ratio"}, rows: [][]string{{"é", "1"}, {"a|b", "0.5"}}}
	if got, want := tab.text(), "what  ratio\né     1\na|b   0.5\n"; got != want {
		t.Errorf("text = %q, want %q", got, want)
	}
	if got, want := tab.markdown(), "| what | ratio |\n|---|---|\n| é | 1 |\n| a\\|b | 0.5 |\n"; got != want {
		t.Errorf("markdown = %q, want %q", got, want)
	}
	r := &Result{Command: "go run ./bench", Rows: []Row{{Operation: "GET", Versus: "get", Goal: 0.85, Ratio: 0.9, CPURatio: 0.51}}, Checks: []Check{{Name: "sync", Value: 2, Unit: "s", Goal: 10}}}
	for _, want := range []string{"`go run ./bench`", "| GET | 0 | 0 | 0 | get | 0 | 0.90 (0.00-0.00) | ≥ 0.85 | ok | 0.51 |", "| sync | 2.00 s | ≤ 10.0 s | ok |"} {
		if got := r.document(); !strings.Contains(got, want) {
			t.Errorf("the document lacks %q:\n%s", want, got)
		}
	}
}

func TestFlags(t *testing.T) {
	quick, err := parse([]string{"-quick", "-users", "500"}, io.Discard)
	if err != nil || !slices.Equal(quick.sizes, []int{500}) || quick.rounds != 3 || !slices.Equal(quick.people, []int{10_000}) {
		t.Errorf("parse(-quick -users 500) = %+v, %v", quick, err)
	}
	if got := quick.connsFor(operation{}, true); !slices.Equal(got, []int{16}) {
		t.Errorf("connsFor when quick = %v, want 16", got)
	}
	if got := quick.connsFor(operation{wide: true}, true); len(got) != 3 {
		t.Errorf("connsFor a wide operation = %v, want three", got)
	}
	whole, err := parse(nil, io.Discard)
	if err != nil || !slices.Equal(whole.sizes, []int{1000, 10_000, 100_000}) {
		t.Errorf("parse() = %+v, %v, want three sizes", whole, err)
	}
	for what, got := range map[string][]int{"a size before the last": whole.connsFor(operation{wide: true}, false), "long requests": whole.connsFor(operation{few: true}, true)} {
		if len(got) != 1 {
			t.Errorf("connsFor %s = %v, want one", what, got)
		}
	}
	for _, args := range [][]string{{"-users", "3"}, {"-conns", "x"}, {"-conns", "0"}, {"-run", "("}, {"-slice", "-1s"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("parse(%q) gave no error", args)
		}
	}
	if none, err := parse([]string{"-ldap", "0"}, io.Discard); err != nil || len(none.people) != 0 {
		t.Errorf("parse(-ldap 0) = %+v, %v, want no directories", none, err)
	}
}
