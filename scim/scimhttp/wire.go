package scimhttp

import (
	"fmt"
	"strings"

	"rollcall/scim"
)

// wireModel is a model with all text of its answers that can be made beforehand.
type wireModel struct {
	exact  map[string]*wireType // by endpoint, as the model spells it
	folded map[string]*wireType // in lower case
	byType map[string]*wireType // by resource type
	all    []*wireType          // in the model's order

	config                 *document
	resourceTypes, schemas documents
}

// wireType is a resource type, ready to be written.
type wireType struct {
	*scim.ResourceType
	name            string // endpoint without its slash: "Users"
	routes, route   string // for the log
	open            string // {"schemas":["urn:…:User"
	extensions      []wireExtension
	metaOpen        string // "meta":{"resourceType":"User"
	members, groups *scim.Attribute
	whole           *projection // where the client does not ask for another
}

type wireExtension struct {
	key  []byte // urn:…": as it stands in stored text that has the extension, behind a quotation mark
	item string // ,"urn:…"
}

// maxModels bounds what is kept of models that have been replaced.
const maxModels = 256

// wire gives the compiled form of a model. Models are immutable, so their address is
// their name.
func (h *Handler) wire(m *scim.Model) (*wireModel, error) {
	h.mu.RLock()
	w := h.models[m]
	h.mu.RUnlock()
	if w != nil {
		return w, nil
	}
	w, err := compile(m, h.cfg)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.models) >= maxModels {
		clear(h.models)
	}
	h.models[m] = w
	return w, nil
}

func compile(m *scim.Model, c Config) (*wireModel, error) {
	if m == nil {
		return nil, fmt.Errorf("scimhttp: Config.Model gave no model")
	}
	w := &wireModel{exact: map[string]*wireType{}, folded: map[string]*wireType{}, byType: map[string]*wireType{}}
	for _, t := range m.Types {
		wt := compileType(t)
		w.exact[wt.name] = wt
		w.folded[strings.ToLower(wt.name)] = wt
		w.byType[t.Name] = wt
		w.all = append(w.all, wt)
	}
	w.compileDiscovery(m, c)
	return w, nil
}

func compileType(t *scim.ResourceType) *wireType {
	name := strings.Trim(t.Endpoint, "/")
	w := &wireType{
		ResourceType: t,
		name:         name,
		routes:       "/scim/v2/" + name,
		route:        "/scim/v2/" + name + "/{id}",
		open:         `{"schemas":[` + quote(t.Schema.URN),
		metaOpen:     `"meta":{"resourceType":` + quote(t.Name),
	}
	for _, e := range t.Extensions {
		urn := quote(e.Schema.URN)
		w.extensions = append(w.extensions, wireExtension{key: []byte(urn[1:] + ":"), item: "," + urn})
	}
	for _, a := range t.Schema.Attributes {
		switch a.Name {
		case "members":
			w.members = a
		case "groups":
			w.groups = a
		}
	}
	w.whole = w.project(projectionAll, nil)
	return w
}

// endpoint finds a type by the name in a path, ignoring case.
func (w *wireModel) endpoint(name string) *wireType {
	if t := w.exact[name]; t != nil {
		return t
	}
	return w.folded[strings.ToLower(name)]
}

func quote(s string) string { return string(appendString(nil, s)) }
