package ldapsrc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"rollcall/scim"
	dirsync "rollcall/sync"
)

// rawEntry is an entry as the directory sent it. Its bytes are borrowed: they hold
// until the next entry is read.
type rawEntry struct {
	dn    []byte
	attrs []rawAttr
}

type rawAttr struct {
	name   []byte // attribute description: a type, and perhaps options (RFC 4512 §2.5)
	values [][]byte
}

// maxValue bounds a mapped value. What people type is shorter; a photograph is longer.
const maxValue = 8192

// table says how the entries of one search become resources of one type. It is
// compiled from a preset and the configuration, and immutable.
type table struct {
	resourceType string
	rules        []*rule
	slots        map[string]int // folded LDAP attribute type -> slot
	names        []string       // slot -> LDAP attribute type, as it is asked for
	sources      [][]int        // rule -> slots
	id           int            // slot of the stable id
	idText       idSyntax
	status       int // slot, or -1
	members      []int
	memberUID    int // slot or -1
	uid          int // of a user: what memberUid speaks of; or -1
	sid          int // objectSid, or -1
	primaryGroup int // primaryGroupID, or -1
	// dnID: an entry without stable id gets one made of its DN (LDIF files).
	dnID bool
}

func newTable(resourceType, id string) *table {
	t := &table{resourceType: resourceType, slots: map[string]int{},
		status: -1, memberUID: -1, uid: -1, sid: -1, primaryGroup: -1}
	t.setID(id)
	return t
}

func (t *table) setID(attribute string) {
	t.id, t.idText = t.slot(attribute), idSyntaxOf(attribute)
}

func (t *table) slot(attribute string) int {
	folded := strings.ToLower(attribute)
	i, ok := t.slots[folded]
	if !ok {
		i = len(t.names)
		t.slots[folded] = i
		t.names = append(t.names, attribute)
	}
	return i
}

func (t *table) addRule(r *rule) {
	var slots []int
	for _, s := range r.sources {
		slots = append(slots, t.slot(s))
	}
	t.rules = append(t.rules, r)
	t.sources = append(t.sources, slots)
}

// compile adds the rules of a preset and the overrides of the configuration: a path
// that both have is the configuration's, and an empty source takes the preset's away.
// It returns every problem.
func (t *table) compile(model *scim.Model, preset, overrides map[string]string) (problems []error) {
	if model == nil {
		model = scim.DefaultModel()
	}
	typ := model.Type(t.resourceType)
	rules := map[string]*rule{}
	for _, mapping := range []map[string]string{preset, overrides} {
		for _, path := range slices.Sorted(maps.Keys(mapping)) {
			source := mapping[path]
			if path == "externalId" {
				if err := checkAttribute(source); err != nil {
					problems = append(problems, fmt.Errorf("externalId: %w", err))
					continue
				}
				t.setID(source)
				continue
			}
			r, err := parseRule(typ, path, source)
			switch {
			case err != nil:
				problems = append(problems, err)
			case source == "":
				delete(rules, r.path)
			default:
				rules[r.path] = r
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(rules)) {
		t.addRule(rules[path])
	}
	if name := t.nameAttribute(); rules[name] == nil {
		problems = append(problems, fmt.Errorf("%s has no source: a %s cannot be without", name, t.resourceType))
	}
	return problems
}

// nameAttribute is the attribute that a resource of the type must have.
func (t *table) nameAttribute() string {
	if t.resourceType == "Group" {
		return "displayName"
	}
	return "userName"
}

// userTable and groupTable compile the two tables of a source.
func userTable(p *preset, u Users) (*table, []error) {
	t := newTable("User", p.ID)
	problems := t.compile(u.Model, p.Users.Attributes, u.Attributes)
	if p.Users.Status != "" {
		t.status = t.slot(p.Users.Status)
	}
	if p.Groups.MemberUID != "" {
		t.uid = t.slot("uid")
	}
	if p.Users.PrimaryGroup {
		t.sid, t.primaryGroup = t.slot("objectSid"), t.slot("primaryGroupID")
	}
	return t, problems
}

func groupTable(p *preset, g Groups) (*table, []error) {
	t := newTable("Group", p.ID)
	problems := t.compile(g.Model, p.Groups.Attributes, g.Attributes)
	for _, m := range p.Groups.Members {
		t.members = append(t.members, t.slot(m))
	}
	if p.Groups.MemberUID != "" {
		t.memberUID = t.slot(p.Groups.MemberUID)
	}
	if p.Users.PrimaryGroup {
		t.sid = t.slot("objectSid")
	}
	return t, problems
}

// mapper applies a table to one entry after another. It is not for concurrent use.
type mapper struct {
	*table
	values [][][]byte // slot -> values of this entry, borrowed
	ranges []valueRange
	folded []byte // scratch
	canon  []byte // canonical DN of this entry; empty where the DN is none
}

// valueRange is the option of an attribute that came in part (MS-ADTS §3.1.1.3.1.3.3).
type valueRange struct {
	given bool // there was such an option
	bad   bool // it made no sense
	first int
	next  int // the first value still to come; 0 where this range is the last
}

// partial tells that values are missing.
func (r valueRange) partial() bool { return r.given && (r.bad || r.first > 0 || r.next > 0) }

func (t *table) mapper() *mapper {
	return &mapper{table: t, values: make([][][]byte, len(t.names)), ranges: make([]valueRange, len(t.names))}
}

// load sorts an entry's attributes into slots. What no rule asks for is dropped here.
func (m *mapper) load(raw *rawEntry) {
	clear(m.values)
	clear(m.ranges)
	for _, a := range raw.attrs {
		typ, option := a.name, []byte(nil)
		for i, c := range a.name {
			if c == ';' {
				typ, option = a.name[:i], a.name[i+1:]
				break
			}
		}
		m.folded = m.folded[:0]
		for _, c := range typ {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			m.folded = append(m.folded, c)
		}
		slot, ok := m.slots[string(m.folded)]
		if !ok {
			continue
		}
		if option == nil {
			// Active Directory sends an empty "member" beside "member;range=0-1499".
			if len(m.values[slot]) == 0 {
				m.values[slot] = a.values
			}
			continue
		}
		r, ok := parseRange(string(option))
		switch {
		case ok && m.ranges[slot].given:
			m.join(slot, a.values, r)
		case ok:
			m.values[slot], m.ranges[slot] = a.values, r
		case slices.Contains(m.members, slot):
			m.ranges[slot] = valueRange{given: true, bad: true} // members in a form that is not known: not all are
		}
		// Any other option (a language, ";binary") is another attribute: RFC 4512 §2.5.2.
	}
}

// join adds the next range of an attribute that came in several.
func (m *mapper) join(slot int, values [][]byte, r valueRange) {
	has := &m.ranges[slot]
	if r.bad || has.bad || has.next == 0 || r.first != has.next {
		has.bad = true
		return
	}
	has.next = r.next
	m.values[slot] = append(slices.Clip(m.values[slot]), values...)
}

// parseRange reads "range=0-1499" and the last one, "range=1500-*".
func parseRange(option string) (r valueRange, ok bool) {
	spec, ok := strings.CutPrefix(strings.ToLower(option), "range=")
	if !ok {
		return r, false
	}
	low, high, _ := strings.Cut(spec, "-")
	first, err := strconv.ParseUint(low, 10, 31)
	if err != nil {
		return valueRange{given: true, bad: true}, true
	}
	if high == "*" {
		return valueRange{given: true, first: int(first)}, true
	}
	last, err := strconv.ParseUint(high, 10, 31)
	if err != nil || last < first {
		return valueRange{given: true, bad: true}, true
	}
	return valueRange{given: true, first: int(first), next: int(last) + 1}, true
}

// entry maps an entry. On an error the entry that comes with it has as much of DN, ID and
// Type as could be told. Its memory is its own.
func (m *mapper) entry(raw *rawEntry) (dirsync.Entry, *dirsync.EntryError) {
	m.load(raw)
	e := dirsync.Entry{Type: m.resourceType}
	fail := func(attribute, reason, remedy string) (dirsync.Entry, *dirsync.EntryError) {
		return e, &dirsync.EntryError{DN: e.DN, ID: e.ID, Attribute: attribute, Reason: reason, Remedy: remedy}
	}
	e.DN = strings.ToValidUTF8(string(raw.dn), "\uFFFD")
	var err error
	m.canon, err = appendDN(m.canon[:0], e.DN)
	if err != nil || len(e.DN) != len(raw.dn) {
		m.canon = m.canon[:0]
		e.DN = e.DN[:min(len(e.DN), 256)]
		return fail("", "its DN cannot be read (RFC 4514)", "look at the entry on the server; rename it")
	}
	if reason, remedy := m.stableID(&e); reason != "" {
		return fail(m.names[m.id], reason, remedy)
	}
	e.Attributes = make(map[string]any, 8)
	for i, r := range m.rules {
		if attribute, err := m.apply(e.Attributes, r, m.sources[i]); err != nil {
			return fail(attribute, err.Error(), "correct the value in the directory, or map "+r.path+" to another attribute")
		}
	}
	if name := m.nameAttribute(); e.Attributes[name] == nil {
		return fail(m.sourceOf(name), "is missing, and "+name+" is made of it",
			"give the entry a value, leave it out with a filter, or map "+name+" to another attribute")
	}
	if name, ok := e.Attributes["userName"].(string); ok {
		if _, err := scim.UserNameKey(name); err != nil {
			return fail(m.sourceOf("userName"), "cannot be a userName (RFC 8265 §3.3)", "correct the value in the directory, or map userName to another attribute")
		}
	}
	if m.status >= 0 {
		active, told, err := statusOf(m.names[m.status], m.values[m.status])
		if err != nil {
			return fail(m.names[m.status], err.Error(), "correct the value in the directory")
		}
		if told {
			e.Attributes["active"] = active
		}
	}
	return e, nil
}

func (m *mapper) stableID(e *dirsync.Entry) (reason, remedy string) {
	values := m.values[m.id]
	switch {
	case len(values) == 0 && m.dnID:
		e.ID = dnUUID(m.canon)
		return "", ""
	case len(values) == 0:
		return "is missing: without a stable id a renamed entry would be somebody else",
			"let the bind account read " + m.names[m.id] + ", or choose the preset of this server"
	case len(values) > 1:
		return "has several values; a stable id has one", "choose an attribute with one value"
	}
	id, err := m.idText(values[0])
	if err != nil {
		return err.Error(), "choose the preset of this server, or another attribute for externalId"
	}
	if id == "" {
		return "is empty", "choose another attribute for externalId"
	}
	e.ID = id
	return "", ""
}

// sourceOf names the LDAP attributes behind a SCIM path.
func (m *mapper) sourceOf(path string) string {
	for _, r := range m.rules {
		if r.path == path {
			return strings.Join(r.sources, "|")
		}
	}
	return ""
}

// apply evaluates one rule. On an error it names the LDAP attribute at fault.
func (m *mapper) apply(attrs map[string]any, r *rule, slots []int) (attribute string, err error) {
	values, attribute, err := m.valuesOf(r, slots)
	if err != nil || len(values) == 0 {
		return attribute, err
	}
	if r.urn != "" {
		ext, _ := attrs[r.urn].(map[string]any)
		if ext == nil {
			ext = map[string]any{}
			attrs[r.urn] = ext
		}
		attrs = ext
	}
	typed := make([]any, len(values))
	for i, v := range values {
		if typed[i], err = r.value(v); err != nil {
			return attribute, err
		}
	}
	switch {
	case r.multi && r.sub == "":
		attrs[r.attr] = typed
	case r.multi:
		list, _ := attrs[r.attr].([]any)
		attrs[r.attr] = addValues(list, r, typed)
	case r.sub != "":
		parts, _ := attrs[r.attr].(map[string]any)
		if parts == nil {
			parts = map[string]any{}
			attrs[r.attr] = parts
		}
		parts[r.sub] = typed[0]
	default:
		attrs[r.attr] = typed[0]
	}
	return "", nil
}

// valuesOf are the values that a rule finds in the entry, none where it has none, and the LDAP
// attribute that they come from.
func (m *mapper) valuesOf(r *rule, slots []int) (values []string, attribute string, err error) {
	if r.template != nil {
		return m.templated(r, slots)
	}
	if len(slots) == 0 {
		return []string{r.constant}, "", nil
	}
	for _, s := range slots {
		if values, err = m.texts(s); err != nil || len(values) > 0 {
			return values, m.names[s], err
		}
	}
	return nil, "", nil
}

// templated is valuesOf for a template: one value, of the first values of its attributes.
func (m *mapper) templated(r *rule, slots []int) (values []string, attribute string, err error) {
	attribute = strings.Join(r.sources, "|")
	first := make(map[string]string, len(slots))
	for i, s := range slots {
		values, err := m.texts(s)
		if err != nil {
			return nil, m.names[s], err
		}
		first[r.sources[i]] = ""
		if len(values) > 0 {
			first[r.sources[i]] = values[0]
		}
	}
	text, err := r.template.text(first)
	if err != nil || text == "" {
		return nil, attribute, err
	}
	return []string{text}, attribute, nil
}

// addValues adds to a multi-valued attribute. Each LDAP value of "value" is a value of
// its own, and the first of type work is primary. Any other sub-attribute joins the
// first value of its type, as the parts of an address do.
func addValues(list []any, r *rule, values []any) []any {
	if r.sub != "value" {
		for _, v := range list {
			if v := v.(map[string]any); v["type"] == r.kind || r.kind == "" && v["type"] == nil {
				v[r.sub] = values[0]
				return list
			}
		}
		values = values[:1]
	}
	for i, v := range values {
		e := map[string]any{r.sub: v}
		if r.kind != "" {
			e["type"] = r.kind
		}
		if r.kind == "work" && r.sub == "value" && i == 0 {
			e["primary"] = true
		}
		list = append(list, e)
	}
	return list
}

// texts are the values of a slot as text: blank ones left out, spaces around trimmed
// (LDAP calls both insignificant, RFC 4518 §2.6.1).
func (m *mapper) texts(slot int) ([]string, error) {
	if m.ranges[slot].partial() {
		return nil, errors.New("came in part only")
	}
	var out []string
	for _, v := range m.values[slot] {
		s, err := text(v)
		if err != nil {
			return nil, err
		}
		if s != "" {
			out = append(out, s)
		}
	}
	return out, nil
}

func text(v []byte) (string, error) {
	switch {
	case len(v) > maxValue:
		return "", fmt.Errorf("is longer than %d bytes", maxValue)
	case !utf8.Valid(v):
		return "", errors.New("is not valid UTF-8")
	case slices.Contains(v, 0):
		return "", errors.New("holds a NUL character")
	}
	return strings.TrimSpace(string(v)), nil
}

// permanentLock is what an administrator sets to lock an account for good
// (draft-behera-ldap-password-policy §5.3.3). Every other time there is a lockout after
// wrong passwords: it ends by itself, and were it to disable the account, anybody could
// take a colleague out of every application by mistyping a password five times.
const permanentLock = "000001010000Z"

// statusOf reads a status attribute. told is false where it does not tell: then the
// entry has no attribute active, and the account is left as it is.
func statusOf(attribute string, values [][]byte) (active, told bool, err error) {
	value := ""
	if len(values) > 0 {
		value = string(values[0])
	}
	switch attribute {
	case "pwdAccountLockedTime":
		return value != permanentLock, true, nil
	case "nsAccountLock":
		return !strings.EqualFold(value, "true"), true, nil
	case "userAccountControl":
		if value == "" {
			return false, false, nil // the bind account may not read it
		}
		flags, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return false, false, errors.New("is not a number")
		}
		return flags&2 == 0, true, nil // ADS_UF_ACCOUNTDISABLE, MS-ADTS §2.2.16
	}
	return false, false, fmt.Errorf("tells nothing that is known")
}
