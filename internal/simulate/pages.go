package simulate

import (
	"fmt"
	"net/http"
	"slices"
)

// maxPages bounds an import from a server that holds far more than the run made.
const maxPages = 100

// oktaImport is O7, twice: in pages of 100, as Okta asks, and in smaller ones. The order is the same, every
// page states the same total, and each of ours is there just once.
func (s *sim) oktaImport() {
	whole, all := s.importUsers(100)
	again, _ := s.importUsers(20)
	n := min(len(whole), len(again))
	s.expect("O7", "import", "order of two imports is the same", slices.Equal(whole[:n], again[:n]), true)
	if !all {
		return // there is more than we read; ours may be behind it
	}
	times := map[string]int{}
	for _, id := range whole {
		times[id]++
	}
	for _, u := range s.there() {
		s.expect("O7", u.name(), "times in the import", times[u.id], 1)
	}
}

// importUsers reads pages; all tells that it reached the end.
func (s *sim) importUsers(count int) (ids []string, all bool) {
	total := -1.0
	for range maxPages {
		a := s.send(request{step: "O7", what: "import users", method: http.MethodGet, path: "/Users",
			query: fmt.Sprintf("startIndex=%d&count=%d", len(ids)+1, count), accept: []int{200}})
		if !a.ok {
			return ids, false
		}
		page := s.listOf("O7", "import", a)
		said, _ := a.body["totalResults"].(float64)
		if total < 0 {
			total = said
		}
		s.expect("O7", "import", fmt.Sprintf("totalResults at %d", len(ids)+1), said, total)
		for _, v := range page {
			r, _ := v.(map[string]any)
			id, _ := r["id"].(string)
			ids = append(ids, id)
		}
		if float64(len(ids)) >= total {
			return ids, true
		}
		if len(page) == 0 {
			s.expect("O7", "import", "number of users in its pages", len(ids), int(total))
			return ids, false
		}
	}
	return ids, false
}
