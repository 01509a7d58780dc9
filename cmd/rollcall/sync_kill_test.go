package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/testserver"
	dirsync "rollcall/sync"
)

// restless is an LDIF source that has other people and groups in every round: most have a new
// title, some are new, some are missing, some members come and go.
type restless struct {
	ldifSource
	users, groups map[string]string // what a store is to have of the last round: title, and members
}

const restlessPeople = 400

func (r *restless) put(round int) {
	r.t.Helper()
	var b strings.Builder
	id := func(n int) string { return fmt.Sprintf("entryUUID: 0f4b2a1e-0000-4000-8000-%012d\n\n", n) }
	b.WriteString("dn: dc=example,dc=com\nobjectClass: domain\ndc: example\n" + id(0))
	r.users, r.groups = map[string]string{}, map[string]string{}
	for i := range restlessPeople {
		if i%10 == round%10 {
			continue // missing in this round
		}
		name, title := fmt.Sprintf("p%d", i), fmt.Sprintf("title %d of %d", round, i)
		fmt.Fprintf(&b, "dn: uid=%[1]s,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: %[1]s\ncn: %[1]s\nsn: P\ntitle: %[2]s\n", name, title)
		b.WriteString(id(1000 + i))
		r.users[name] = title
	}
	for g := range 20 {
		name := fmt.Sprintf("g%d", g)
		fmt.Fprintf(&b, "dn: cn=%[1]s,dc=example,dc=com\nobjectClass: groupOfNames\ncn: %[1]s\n", name)
		var members []string
		for i := range restlessPeople {
			if person := fmt.Sprintf("p%d", i); (i+g+round)%4 == 0 && r.users[person] != "" {
				fmt.Fprintf(&b, "member: uid=%s,dc=example,dc=com\n", person)
				members = append(members, person)
			}
		}
		b.WriteString(id(9000 + g))
		slices.Sort(members)
		r.groups[name] = strings.Join(members, " ")
	}
	if err := os.WriteFile(r.path, []byte(b.String()), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// config lets every change pass: what is held here is how it is applied.
func (r *restless) config() string {
	return r.ldifSource.config(`    groups: { base: "dc=example,dc=com" }
    guard: { max_missing: 100%, max_member_removals: 100%, max_removals: 100% }
`)
}

// holds compares what a server has with the source's last round, each person and group once.
func (r *restless) holds(s *served) {
	r.t.Helper()
	names := map[string]string{} // by id
	seen := map[string]bool{}
	for start := 1; ; {
		page := s.want(200, "GET", fmt.Sprintf("/scim/v2/Users?startIndex=%d&count=1000", start), "").body
		list, _ := page["Resources"].([]any)
		for _, one := range list {
			u := one.(map[string]any)
			name := u["userName"].(string)
			names[u["id"].(string)] = name
			if seen[name] {
				r.t.Errorf("there are two of %s", name)
			}
			seen[name] = true
			title, there := r.users[name]
			if u["active"] == false == there || there && u["title"] != title {
				r.t.Errorf("%s: active %v, title %v, want active %v, title %s", name, u["active"], u["title"], there, title)
			}
		}
		if start += len(list); len(list) == 0 || start > int(page["totalResults"].(float64)) {
			break
		}
	}
	for name := range r.users {
		if !seen[name] {
			r.t.Errorf("%s is missing", name)
		}
	}
	groups, _ := s.want(200, "GET", "/scim/v2/Groups?count=1000", "").body["Resources"].([]any)
	if len(groups) != len(r.groups) {
		r.t.Errorf("%d groups, want %d", len(groups), len(r.groups))
	}
	for _, one := range groups {
		g := one.(map[string]any)
		var members []string
		list, _ := g["members"].([]any)
		for _, m := range list {
			// Whoever is missing keeps the memberships until the group's entry says otherwise.
			members = append(members, names[m.(map[string]any)["value"].(string)])
		}
		slices.Sort(members)
		if name := g["displayName"].(string); strings.Join(members, " ") != r.groups[name] {
			r.t.Errorf("members of %s = %v, want %s", name, members, r.groups[name])
		}
	}
}

// expire ends the time of a lock of a workspace at once, which is else 30 s.
func expire(t *testing.T, r *testserver.Redis, name string) {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "DEL {default}:lock:%s\r\n", name)
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, ":") {
		t.Fatalf("DEL = %q, %v", line, err)
	}
}

// feedEntry is one change of the feed.
type feedEntry struct {
	Version   int
	Op        string
	RequestID string
	Resource  struct{ Type, ID string }
}

// feed reads the feed behind a number, and holds that its numbers rise one by one.
func (s *served) feed(after int) []feedEntry {
	s.t.Helper()
	var all []feedEntry
	for {
		a := s.want(200, "GET", fmt.Sprintf("/api/v1/changes?after=%d&limit=1000", after+len(all)), "")
		var page struct{ Changes []feedEntry }
		if err := json.Unmarshal([]byte(a.text), &page); err != nil {
			s.t.Fatal(err)
		}
		for _, c := range page.Changes {
			if c.Version != after+len(all)+1 {
				s.t.Fatalf("the feed goes from %d to %d", after+len(all), c.Version)
			}
			all = append(all, c)
		}
		if len(page.Changes) == 0 {
			return all
		}
	}
}

// startRun asks for a run and does not wait for its end, which comes on the channel.
func (s *served) startRun() <-chan *dirsync.Report {
	ended := make(chan *dirsync.Report, 1)
	go func() {
		_, out, _ := s.cli("sync", "run", "corp", "-o", "json")
		r := &dirsync.Report{}
		_ = json.Unmarshal([]byte(out), r) // nothing, where the server was killed
		ended <- r
	}()
	return ended
}

// TestKilledRuns holds that kill -9 of the server at any point of a run costs nothing: the next run
// makes all of it as the source says, with no duplicate, and feed and store are sound.
func TestKilledRuns(t *testing.T) {
	redis := testserver.StartRedis(t)
	source := &restless{ldifSource: *newLDIF(t, 0)}
	source.put(0)
	s := startServer(t, redis.URL(), source.config())
	begin := time.Now()
	s.syncJSON(exitDone, "run", "corp")
	long := time.Since(begin)
	cut := 0
	for round := 1; round <= testserver.Rounds(4, 50); round++ {
		source.put(round)
		ended := s.startRun()
		time.Sleep(time.Duration(rand.Float64() * float64(long)))
		s.proc.Kill()
		if r := <-ended; r.Result == "" {
			cut++
		}
		s.start()
		expire(t, redis, "sync/corp")
		s.syncJSON(exitDone, "run", "corp")
		source.holds(s)
		if t.Failed() {
			t.Fatalf("after the kill of round %d", round)
		}
	}
	created := map[string]int{}
	for _, c := range s.feed(0) {
		if c.Op == "create" {
			created[c.Resource.ID]++
		}
	}
	if want := restlessPeople + 20; len(created) != want {
		t.Errorf("the feed has %d creations, want %d", len(created), want)
	}
	t.Logf("%d runs were cut off", cut)
	s.stop()
	fsck(t, redis.URL())
}

// TestPausedPastTheLock holds that a server which was stopped for longer than its lock lasts
// applies nothing over what another has done meanwhile: in the feed none of its changes comes
// behind the first of the other.
func TestPausedPastTheLock(t *testing.T) {
	redis := testserver.StartRedis(t)
	source := &restless{ldifSource: *newLDIF(t, 0)}
	source.put(0)
	one := startServer(t, redis.URL(), source.config())
	two := startServer(t, redis.URL(), source.config())
	begin := time.Now()
	one.syncJSON(exitDone, "run", "corp")
	long := time.Since(begin)
	overtaken, read := 0, 0
	for round := 1; round <= testserver.Rounds(4, 100); round++ {
		source.put(2 * round)
		ended := one.startRun()
		time.Sleep(time.Duration(rand.Float64() * float64(long)))
		sendSignal(t, one, syscall.SIGSTOP)
		expire(t, redis, "sync/corp")
		source.put(2*round + 1)
		second := two.syncJSON(exitDone, "run", "corp")
		sendSignal(t, one, syscall.SIGCONT)
		first := <-ended
		if first.Failure == dirsync.FailedLock {
			overtaken++
		}
		source.holds(two)
		feed := two.feed(read)
		read += len(feed)
		checkOrder(t, feed, first.ID, second.ID)
		if t.Failed() {
			t.Fatalf("in round %d, in which the first run ended %s %s", round, first.Result, first.Failure)
		}
		two.syncJSON(exitDone, "run", "corp") // and nothing is left to do
	}
	t.Logf("%d runs were overtaken", overtaken)
	one.stop()
	two.stop()
	fsck(t, redis.URL())
}

func sendSignal(t *testing.T, s *served, sig syscall.Signal) {
	t.Helper()
	if err := s.proc.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func checkOrder(t *testing.T, feed []feedEntry, first, second string) {
	t.Helper()
	behind := false
	for _, c := range feed {
		switch {
		case c.RequestID == second:
			behind = true
		case c.RequestID == first && behind && first != "":
			t.Errorf("change %d of the run that was paused comes behind the first of the one that took over", c.Version)
			return
		}
	}
}
