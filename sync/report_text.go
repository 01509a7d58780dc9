package sync

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// WriteText writes the report for people: what changes ("+" a new resource, "~" a change with
// old and new values, "-" one that is disabled), what could not be used ("x"), which
// limit blocks it ("!"), and a line that sums it up.
func (r *Report) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	r.writeHead(b)
	for i := range r.Changes {
		r.Changes[i].writeText(b, r.Trigger == Undoing)
	}
	if n := r.ChangeCount - len(r.Changes); n > 0 && len(r.Changes) > 0 {
		fmt.Fprintf(b, "  … and %d more changes\n", n)
	}
	for _, p := range r.Errors {
		p.writeText(b)
	}
	if n := r.ErrorCount - len(r.Errors); n > 0 && len(r.Errors) > 0 {
		fmt.Fprintf(b, "  … and %d more entries that could not be used\n", n)
	}
	r.writeVerdict(b)
	r.writeSum(b)
	if r.Trigger == DryRun && r.Hash != "" && r.ChangeCount > 0 && r.Result != Blocked {
		fmt.Fprintf(b, "Apply just this with: rollcall sync apply %s\n", r.ID)
	}
	return b.Flush()
}

func (r *Report) writeHead(w io.Writer) {
	switch {
	case r.Trigger == DryRun && r.ID != "":
		fmt.Fprintf(w, "Plan %s for %s", r.ID, r.Source)
	case r.Trigger == DryRun:
		fmt.Fprintf(w, "Plan for %s", r.Source)
	default:
		fmt.Fprintf(w, "Run %s of %s (%s), %s", r.ID, r.Source, r.Trigger, r.Started.Format(time.RFC3339))
	}
	if !r.Finished.IsZero() {
		fmt.Fprintf(w, ", %v", r.Finished.Sub(r.Started).Round(time.Millisecond))
	}
	fmt.Fprintf(w, ": %s\n", r.Result)
	if r.Undoes != "" {
		fmt.Fprintf(w, "Takes back run %s\n", r.Undoes)
	}
	if r.Error != "" {
		fmt.Fprintf(w, "! %s\n", clean(r.Error))
	}
	for _, m := range r.Moved {
		fmt.Fprintf(w, "  %s %s: %s\n", strings.ToLower(m.Type), clean(cmp.Or(m.Name, m.ExternalID)), m.text())
	}
	if n := r.MovedCount - len(r.Moved); n > 0 {
		fmt.Fprintf(w, "  … and %d more that are not as planned\n", n)
	}
}

// text says what is not as planned.
func (m *Moved) text() string {
	switch {
	case m.Was == "":
		return fmt.Sprintf("%s, which was not planned", m.Is)
	case m.Is == "":
		return fmt.Sprintf("%s was planned, and is no longer needed", m.Was)
	case m.Was != m.Is:
		return fmt.Sprintf("%s was planned, and %s is needed now", m.Was, m.Is)
	}
	return fmt.Sprintf("%s was planned, with other values than are needed now", m.Was)
}

func (c *Change) writeText(w io.Writer, undo bool) {
	sign := "~"
	switch c.Action {
	case Create:
		sign = "+"
	case Disable, Delete:
		sign = "-"
	}
	fmt.Fprintf(w, "%s %s %s", sign, strings.ToLower(c.Type), clean(cmp.Or(c.Name, c.ExternalID)))
	if c.Action == Delete {
		fmt.Fprint(w, "  deleted")
	}
	if c.Action != Create && c.Action != Delete {
		var parts []string
		for _, d := range c.Attributes {
			parts = append(parts, fmt.Sprintf("%s: %s → %s", clean(d.Path), shownValue(d.Old), shownValue(d.New)))
		}
		if len(parts) > 0 {
			fmt.Fprintf(w, "  %s", strings.Join(parts, ", "))
		}
	}
	if c.MembersAdded > 0 || c.MembersRemoved > 0 {
		fmt.Fprintf(w, "  members: +%d −%d", c.MembersAdded, c.MembersRemoved)
	}
	switch {
	case c.Mapped:
		fmt.Fprint(w, "  (by its ldapGroupNames)")
	case c.DN == "" && !undo:
		fmt.Fprint(w, "  (no longer in the source)")
	}
	if c.Error != "" {
		fmt.Fprintf(w, "  (not applied: %s)", clean(c.Error))
	}
	fmt.Fprintln(w)
}

func (p *Problem) writeText(w io.Writer) {
	fmt.Fprintf(w, "x %s: ", clean(cmp.Or(p.DN, p.ID)))
	if p.Attribute != "" && p.Kind != "conflict" { // whose reason names it
		fmt.Fprintf(w, "%s: ", clean(p.Attribute))
	}
	fmt.Fprintf(w, "%s. %s\n", strings.TrimSuffix(clean(p.Reason), "."), clean(p.Remedy))
}

func (r *Report) writeVerdict(w io.Writer) {
	if r.Verdict == nil || !r.Verdict.Blocked {
		return
	}
	if r.Approved {
		fmt.Fprintf(w, "Approved by %s beyond these limits, as %s showed:\n", clean(cmp.Or(r.By, "the operator")), r.Plan)
	}
	broken := 0
	for _, c := range r.Verdict.Limits {
		if c.Passed {
			continue
		}
		if broken++; broken <= maxLimits {
			fmt.Fprintf(w, "! %s\n", clean(c.String()))
		}
	}
	if broken > maxLimits {
		fmt.Fprintf(w, "! … and %d more limits\n", broken-maxLimits)
	}
	if !r.Approved {
		fmt.Fprintf(w, "  %s\n", r.Verdict.Next)
	}
}

// writeSum sums up: what was done, or where nothing was, what would be.
func (r *Report) writeSum(w io.Writer) {
	n, t := r.Counts, r.Counts.Tally
	lead := "Done: "
	switch {
	case r.Trigger == DryRun, r.Result == Blocked:
		lead, t = "Planned: ", r.Planned
	case r.Result == Running:
		lead = "So far: "
	}
	fmt.Fprintf(w, "%s%d created, %d updated, %d disabled, %d enabled", lead, t.Created, t.Updated, t.Disabled, t.Enabled)
	if t.Deleted > 0 {
		fmt.Fprintf(w, ", %d deleted", t.Deleted)
	}
	fmt.Fprintf(w, "; members +%d −%d.\n", t.MembersAdded, t.MembersRemoved)
	if r.Trigger == Undoing {
		fmt.Fprintf(w, "%s left as they are.\n", plural(r.ErrorCount, "resource"))
		return
	}
	fmt.Fprintf(w, "Source: %s, %s, %d unchanged", plural(n.Users, "user"), plural(n.Groups, "group"), n.Unchanged)
	more := func(count int, text string) {
		if count > 0 {
			fmt.Fprintf(w, ", %d %s", count, text)
		}
	}
	more(n.Skipped, "left out")
	more(n.Failed, "refused")
	more(n.MissingUsers, "users missing")
	more(n.MissingGroups, "groups missing")
	more(n.Dangling, "members unknown")
	fmt.Fprintln(w, ".")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// maxLimits is how many broken limits are listed.
const maxLimits = 10

// maxShown bounds the text of one value.
const maxShown = 80

func shownValue(v json.RawMessage) string {
	if len(v) == 0 {
		return "(none)"
	}
	text := []rune(clean(string(v)))
	if len(text) > maxShown {
		return string(text[:maxShown]) + "…"
	}
	return string(text)
}

// clean takes out what a terminal would act upon: names come from others.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
