package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"rollcall/scim"
)

// peopleStore holds accounts that are looked up by name or address.
type peopleStore struct {
	*fakeStore
	people map[string]string // userName: the account's text
}

func (s *peopleStore) stored(name string) *scim.Stored {
	return &scim.Stored{Header: scim.Header{Ref: scim.Ref{Type: "User", ID: "id-" + name}, Version: 1}, Body: []byte(s.people[name])}
}

func (s *peopleStore) Lookup(_ context.Context, _, _, name string, _ scim.With) (*scim.Stored, error) {
	s.saw("lookup")
	if s.people[name] == "" {
		return nil, scim.ErrNotFound
	}
	return s.stored(name), nil
}

func (s *peopleStore) Query(_ context.Context, q *scim.Query) (*scim.Page, error) {
	s.saw("query")
	page := &scim.Page{}
	for name := range s.people {
		if strings.Contains(q.Filter.String(), `"`+name+`@example.com"`) {
			page.Resources = append(page.Resources, s.stored(name))
		}
	}
	return page, nil
}

// TestLoginLooksTheSame holds that a login that is refused does the same work whatever is wrong with it:
// one derivation of a key, with the same parameters, and the same reads and writes.
func TestLoginLooksTheSame(t *testing.T) {
	b := newBench(t)
	accounts := &peopleStore{b.store, map[string]string{
		"ada": `{"userName":"ada"}`, "off": `{"userName":"off","active":false}`, "none": `{"userName":"none"}`,
		"sso": `{"userName":"sso","` + scim.AccountUserURN + `":{"source":"sso"}}`,
	}}
	b.open = func(_ context.Context, name string) (scim.Store, error) {
		if name != "default" {
			return nil, scim.ErrNotFound
		}
		return accounts, nil
	}
	derived := ""
	b.hasher.derive = func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
		derived += fmt.Sprintf("argon2id(%d %d %d %d) ", time, memory, threads, keyLen)
		return argon2.IDKey(password, salt, 1, 8, 1, keyLen)
	}
	for _, name := range []string{"ada", "off"} {
		hash, err := b.hasher.hash(t.Context(), "the right password")
		if err != nil {
			t.Fatal(err)
		}
		value, err := json.Marshal(person{ID: "id-" + name, Epoch: 1, Password: hash})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.state.KV("persons").Put(t.Context(), "id-"+name, value, nil); err != nil {
			t.Fatal(err)
		}
	}
	work := map[string]string{}
	for i, l := range []Login{
		{"default", "ada", "a wrong password", netip.Addr{}}, {"default", "nobody", "the right password", netip.Addr{}}, {"default", "off", "the right password", netip.Addr{}},
		{"default", "none", "the right password", netip.Addr{}}, {"default", "sso", "the right password", netip.Addr{}}, {"elsewhere", "ada", "the right password", netip.Addr{}},
		{"default", "ada", strings.Repeat("x", maxPassword+1), netip.Addr{}},
	} {
		for _, form := range []string{"", "@example.com"} {
			l := l
			l.UserName += form
			l.Addr = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			b.people.cache, b.settingsCache = newCache[*person](b.Directory.now), newCache[*Settings](b.Directory.now)
			b.store.calls, derived = nil, ""
			before := b.operations()
			in, err := b.LogIn(t.Context(), l)
			if in != nil || !errors.Is(err, scim.ErrUnauthenticated) || err.Error() != errLogin.Error() {
				t.Errorf("LogIn(%q) = %v, %v; want the one refusal", l.UserName, in, err)
			}
			did := fmt.Sprint(derived, b.store.calls, " state ", b.operations()-before)
			if want := work[form]; want == "" {
				work[form] = did
			} else if did != want {
				t.Errorf("LogIn(%q in %s) does %s; a wrong password does %s", l.UserName, l.Workspace, did, want)
			}
		}
	}
	t.Log(work)
}

// operations counts what was asked of the state.
func (b *bench) operations() int {
	n := 0
	for _, kv := range b.state.others {
		n += kv.gets + kv.puts
	}
	return n
}

// TestLoginsQueue: as many passwords are hashed at once as there are cores, some wait, and who comes
// then is told when to come back.
func TestLoginsQueue(t *testing.T) {
	b := newBench(t)
	for range cap(b.hasher.waiting) {
		b.hasher.waiting <- struct{}{}
	}
	for range 2 * tierPair.free { // nobody is slowed down by it
		_, err := b.LogIn(t.Context(), Login{Workspace: "elsewhere", UserName: "ada", Password: "x"})
		var e *scim.Error
		if !errors.Is(err, scim.ErrUnavailable) || !errors.As(err, &e) || e.RetryAfter <= 0 {
			t.Fatalf("LogIn with a full queue = %v, want ErrUnavailable and when to try again", err)
		}
	}
}
