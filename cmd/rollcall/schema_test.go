package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/testserver"
	"rollcall/scim"
)

const hrURN = "urn:example:params:scim:schemas:hr:1.0:User"

// hrSchema has an attribute of every type, and one of every kind of the other characteristics.
const hrSchema = `{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
  "id": "` + hrURN + `", "name": "HR", "description": "What the HR system knows",
  "attributes": [
    {"name": "badge", "description": "on the door", "uniqueness": "server"},
    {"name": "code", "caseExact": true, "canonicalValues": ["A", "B"]},
    {"name": "remote", "type": "boolean"},
    {"name": "grade", "type": "integer"},
    {"name": "pension", "type": "integer", "uniqueness": "global"},
    {"name": "share", "type": "decimal"},
    {"name": "hired", "type": "dateTime"},
    {"name": "key", "type": "binary"},
    {"name": "page", "type": "reference", "referenceTypes": ["external"]},
    {"name": "skills", "multiValued": true},
    {"name": "desk", "type": "complex", "subAttributes": [{"name": "room", "required": true}, {"name": "floor", "type": "integer"}]},
    {"name": "visas", "type": "complex", "multiValued": true, "subAttributes": [{"name": "value"}, {"name": "type"}, {"name": "primary", "type": "boolean"}]},
    {"name": "origin", "mutability": "immutable"},
    {"name": "computed", "mutability": "readOnly"},
    {"name": "pin", "mutability": "writeOnly"},
    {"name": "secret", "returned": "never"},
    {"name": "onRequest", "returned": "request"},
    {"name": "always", "returned": "always"}
  ]
}`

const deviceSchema = `{
  "id": "urn:example:params:scim:schemas:core:1.0:Device", "name": "Device",
  "attributes": [
    {"name": "serialNumber", "required": true, "uniqueness": "server", "caseExact": true},
    {"name": "displayName"},
    {"name": "active", "type": "boolean"},
    {"name": "maker", "mutability": "immutable"},
    {"name": "unlockCode", "mutability": "writeOnly"},
    {"name": "owner", "type": "complex", "subAttributes": [{"name": "value"}, {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}]}
  ]
}`

const deviceType = `{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
  "id": "Device", "name": "Device", "endpoint": "/Devices", "description": "A machine",
  "schema": "urn:example:params:scim:schemas:core:1.0:Device",
  "schemaExtensions": [{"schema": "urn:example:params:scim:schemas:lease:1.0:Device", "required": true}]
}`

const leaseSchema = `{"id": "urn:example:params:scim:schemas:lease:1.0:Device", "attributes": [{"name": "until", "type": "dateTime", "required": true}, {"name": "number", "type": "integer", "uniqueness": "server"}]}`

// hr is a user's values of the extension in an answer.
func hr(a answer) map[string]any {
	m, _ := a.body[hrURN].(map[string]any)
	return m
}

// found are the userNames that a filter finds, in the order of the answer.
func (s *served) found(endpoint, key, query string) string {
	s.t.Helper()
	a := s.want(http.StatusOK, "GET", "/scim/v2/"+endpoint+"?"+query, "")
	var names []string
	list, _ := a.body["Resources"].([]any)
	for _, r := range list {
		names = append(names, fmt.Sprint(r.(map[string]any)[key]))
	}
	return strings.Join(names, " ")
}

func filtered(filter string) string { return "filter=" + url.QueryEscape(filter) }

func TestCustomExtension(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, storeURL string) {
		s := startServer(t, storeURL, "")
		s.want(http.StatusCreated, "POST", "/api/v1/schemas", hrSchema)
		served := s.want(http.StatusOK, "GET", "/scim/v2/Schemas/"+hrURN, "")
		if list, _ := served.body["attributes"].([]any); len(list) != 18 {
			t.Errorf("the schema is served with %d attributes, want 18", len(list))
		}
		if a := s.want(http.StatusOK, "GET", "/scim/v2/ResourceTypes/User", ""); !strings.Contains(a.text, hrURN) {
			t.Errorf("the resource type does not name the extension: %s", a.text)
		}
		body := func(userName, values string) string {
			return fmt.Sprintf(`{"schemas":[%q,%q],"userName":%q,%q:{%s}}`, scim.UserURN, hrURN, userName, hrURN, values)
		}
		ann := s.want(http.StatusCreated, "POST", "/scim/v2/Users", body("ann", `"badge":"B-1","CODE":"A","remote":true,"grade":7,"pension":101,"share":0.5,
			"hired":"2020-01-31T08:00:00Z","key":"aGVsbG8=","page":"https://example.com/ann","skills":["go","ldap"],"desk":{"room":"12a","floor":3},
			"visas":[{"value":"DE","type":"work","primary":true},{"value":"FR","type":"study"}],"origin":"north","computed":"no","pin":"1234","secret":"x","onRequest":"y","always":"z"`))
		got := hr(ann)
		for name, want := range map[string]any{"badge": "B-1", "code": "A", "remote": true, "grade": 7.0, "share": 0.5, "key": "aGVsbG8=",
			"origin": "north", "always": "z", "computed": nil, "pin": nil, "secret": nil, "onRequest": nil} {
			if got[name] != want {
				t.Errorf("%s = %v after POST, want %v", name, got[name], want)
			}
		}
		if urns, _ := ann.body["schemas"].([]any); !slices.Contains(urns, any(hrURN)) {
			t.Errorf("schemas = %v, want %s among them", urns, hrURN)
		}
		path := "/scim/v2/Users/" + ann.body["id"].(string)
		s.want(http.StatusCreated, "POST", "/scim/v2/Users", body("bob", `"badge":"b-2","grade":30,"share":0.25,"hired":"2021-01-31T08:00:00+01:00","skills":["sql"],"desk":{"room":"7","floor":1}`))
		s.want(http.StatusCreated, "POST", "/scim/v2/Users", `{"userName":"cy"}`)

		for name, tt := range map[string]struct{ values, wants string }{
			"a unique value":                   {`"badge":"b-1"`, "badge"},
			"a unique number":                  {`"pension":101.0`, "pension"},
			"a boolean that is a word":         {`"remote":"perhaps"`, "remote"},
			"an integer that is a decimal":     {`"grade":1.5`, "grade"},
			"a dateTime that is a day":         {`"hired":"monday"`, "hired"},
			"binary that is no base64":         {`"key":"***"`, "key"},
			"one value for several":            {`"skills":"go"`, "skills"},
			"a required sub-attribute missing": {`"desk":{"floor":1}`, "desk.room"},
		} {
			code := http.StatusBadRequest
			if strings.HasPrefix(name, "a unique") {
				code = http.StatusConflict
			}
			if a := s.want(code, "POST", "/scim/v2/Users", body("dan", tt.values)); !strings.Contains(a.text, tt.wants) {
				t.Errorf("%s: %s, want %q named", name, a.text, tt.wants)
			}
		}

		for filter, want := range map[string]string{
			hrURN + ` pr`: "ann bob", hrURN + `:badge eq "B-2"`: "bob", hrURN + `:pension eq 101`: "ann", hrURN + `:code eq "a"`: "", `grade gt 7`: "bob",
			hrURN + `:grade ge 7 and ` + hrURN + `:share lt 0.5`: "bob", hrURN + `:hired lt "2020-06-01T00:00:00Z"`: "ann",
			hrURN + `:remote eq true`: "ann", hrURN + `:skills eq "SQL"`: "bob", hrURN + `:skills co "da"`: "ann", hrURN + `:desk.room eq "12A"`: "ann",
			hrURN + `:visas[type eq "work" and value eq "DE"]`: "ann", hrURN + `:page sw "https://"`: "ann", hrURN + `:key eq "aGVsbG8="`: "ann", "not (" + hrURN + " pr)": "cy",
		} {
			if got := s.found("Users", "userName", filtered(filter)+"&sortBy=userName"); got != want {
				t.Errorf("filter %s found %q, want %q", filter, got, want)
			}
		}
		for _, hidden := range []string{"secret", "pin"} {
			s.want(http.StatusForbidden, "GET", "/scim/v2/Users?"+filtered(hrURN+`:`+hidden+` pr`), "")
			if a := s.do("GET", "/scim/v2/Users?sortBy="+hrURN+":"+hidden, ""); a.code < 400 {
				t.Errorf("sorted by %s: %d", hidden, a.code)
			}
			if a := s.want(http.StatusOK, "GET", path+"?attributes="+hrURN+":"+hidden, ""); strings.Contains(a.text, `"`+hidden+`"`) {
				t.Errorf("%s was returned: %s", hidden, a.text)
			}
		}
		for by, want := range map[string]string{"badge": "ann bob cy", "grade": "ann bob cy", "share": "bob ann cy", "hired": "ann bob cy", "desk.floor": "bob ann cy", "skills": "ann bob cy"} {
			if got := s.found("Users", "userName", "sortBy="+hrURN+":"+by); got != want {
				t.Errorf("sorted by %s: %q, want %q", by, got, want)
			}
		}
		shown := hr(s.want(http.StatusOK, "GET", path+"?attributes="+hrURN+":onRequest,"+hrURN+":desk.floor", ""))
		if text, _ := json.Marshal(shown); string(text) != `{"always":"z","desk":{"floor":3},"onRequest":"y"}` {
			t.Errorf("asked for onRequest and desk.floor: %s", text)
		}
		if got := hr(s.want(http.StatusOK, "GET", path+"?excludedAttributes="+hrURN+":badge,"+hrURN+":always", "")); got["badge"] != nil || got["always"] != "z" {
			t.Errorf("excluded badge and always: %v", got)
		}

		patch := func(code int, ops string) answer {
			t.Helper()
			return s.want(code, "PATCH", path, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+ops+`]}`)
		}
		got = hr(patch(http.StatusOK, `{"op":"replace","path":"`+hrURN+`:grade","value":8},{"op":"add","path":"`+hrURN+`:skills","value":["sql"]},
			{"op":"remove","path":"`+hrURN+`:remote"},{"op":"replace","path":"`+hrURN+`:visas[type eq \"study\"].value","value":"IT"},
			{"op":"replace","value":{"`+hrURN+`":{"desk":{"floor":4}},"`+hrURN+`:code":"B"}}`))
		if got["grade"] != 8.0 || fmt.Sprint(got["skills"]) != "[go ldap sql]" || got["remote"] != nil || got["code"] != "B" ||
			fmt.Sprint(got["desk"]) != "map[floor:4 room:12a]" || !strings.Contains(fmt.Sprint(got["visas"]), "IT") {
			t.Errorf("after PATCH: %v", got)
		}
		patch(http.StatusBadRequest, `{"op":"replace","path":"`+hrURN+`:origin","value":"south"}`)
		patch(http.StatusBadRequest, `{"op":"replace","path":"`+hrURN+`:computed","value":"x"}`)
		patch(http.StatusBadRequest, `{"op":"replace","path":"`+hrURN+`:colour","value":"x"}`)
		patch(http.StatusConflict, `{"op":"replace","path":"`+hrURN+`:badge","value":"B-2"}`)

		if a := s.want(http.StatusBadRequest, "PUT", path, body("ann", `"origin":"south"`)); a.body["scimType"] != "mutability" {
			t.Errorf("PUT of another immutable value: %s", a.text)
		}
		got = hr(s.want(http.StatusOK, "PUT", path, body("ann", `"badge":"B-9"`)))
		if text, _ := json.Marshal(got); string(text) != `{"badge":"B-9","origin":"north"}` {
			t.Errorf("after PUT: %s", text)
		}
		s.want(http.StatusCreated, "POST", "/scim/v2/Users", body("eve", `"badge":"B-1","pension":101`)) // both are free again

		inUse(t, s)
		s.stop()
		s.start()
		if got := s.found("Users", "userName", filtered(hrURN+`:badge eq "b-9"`)); got != "ann" {
			t.Errorf("after a restart the badge finds %q, want ann", got)
		}
		s.stop()
		fsck(t, storeURL)
	})
}

// inUse holds what may be done to a schema that resources have values of, and what may not.
func inUse(t *testing.T, s *served) {
	t.Helper()
	call := "/api/v1/schemas/" + hrURN
	if a := s.want(http.StatusConflict, "DELETE", call, ""); !strings.Contains(a.text, "in-use") {
		t.Errorf("deletion in use: %s", a.text)
	}
	if a := s.want(http.StatusConflict, "PUT", call, strings.Replace(hrSchema, `{"name": "grade", "type": "integer"},`, "", 1)); !strings.Contains(a.text, "grade") {
		t.Errorf("an attribute less: %s", a.text)
	}
	s.want(http.StatusConflict, "PUT", call+"?extends=Group", hrSchema)
	s.want(http.StatusConflict, "POST", "/api/v1/schemas", hrSchema)
	s.want(http.StatusBadRequest, "PUT", call, strings.Replace(hrSchema, hrURN, hrURN+"x", 1))
	wider := strings.Replace(hrSchema, `{"name": "remote"`, `{"name": "shift"}, {"name": "remote"`, 1)
	s.want(http.StatusOK, "PUT", call, wider)
	s.want(http.StatusCreated, "POST", "/scim/v2/Users", `{"userName":"fay","`+hrURN+`":{"shift":"late"}}`)
	if got := s.found("Users", "userName", filtered(hrURN+`:shift eq "late"`)); got != "fay" {
		t.Errorf("the new attribute finds %q, want fay", got)
	}
}

func TestCustomResourceType(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, storeURL string) {
		s := startServer(t, storeURL, "")
		if a := s.want(http.StatusBadRequest, "POST", "/api/v1/resource-types", deviceType); !strings.Contains(a.text, "Device") {
			t.Errorf("a type without its schema: %s", a.text)
		}
		s.want(http.StatusCreated, "POST", "/api/v1/schemas", deviceSchema)
		s.want(http.StatusCreated, "POST", "/api/v1/schemas?extends=none", leaseSchema)
		s.want(http.StatusNotFound, "GET", "/scim/v2/Devices", "")
		s.want(http.StatusCreated, "POST", "/api/v1/schemas", deviceType) // as well as by /resource-types
		s.want(http.StatusConflict, "POST", "/api/v1/resource-types", deviceType)
		s.want(http.StatusOK, "GET", "/scim/v2/ResourceTypes/Device", "")
		if a := s.want(http.StatusOK, "GET", "/scim/v2/ResourceTypes/User", ""); strings.Contains(a.text, "Device") {
			t.Errorf("the Device's schemas extend User: %s", a.text)
		}

		const lease = `"urn:example:params:scim:schemas:lease:1.0:Device":{"until":"2027-01-01T00:00:00Z"%s}`
		body := func(serial, more, inLease string) string {
			return fmt.Sprintf(`{"schemas":["urn:example:params:scim:schemas:core:1.0:Device"],"serialNumber":%q,%s`+lease+`}`, serial, more, inLease)
		}
		ann := s.want(http.StatusCreated, "POST", "/scim/v2/Users", `{"userName":"ann"}`)
		id := ann.body["id"].(string)
		one := s.want(http.StatusCreated, "POST", "/scim/v2/Devices", body("S-1", `"displayName":"Laptop","maker":"Acme","unlockCode":"0000","active":true,"owner":{"value":"`+id+`","$ref":"../Users/`+id+`"},`, `,"number":5`))
		path := "/scim/v2/Devices/" + one.body["id"].(string)
		if location := one.header.Get("Location"); location != s.base+path {
			t.Errorf("Location = %q, want %q", location, s.base+path)
		}
		if one.body["unlockCode"] != nil || one.body["owner"].(map[string]any)["$ref"] != "../Users/"+id {
			t.Errorf("the new device: %s", one.text)
		}
		s.want(http.StatusCreated, "POST", "/scim/v2/Devices", body("s-1", `"displayName":"Phone",`, "")) // caseExact
		if a := s.want(http.StatusConflict, "POST", "/scim/v2/Devices", body("S-1", "", "")); a.body["scimType"] != "uniqueness" || !strings.Contains(a.text, "serialNumber") {
			t.Errorf("a serialNumber twice: %s", a.text)
		}
		s.want(http.StatusConflict, "POST", "/scim/v2/Devices", body("S-3", "", `,"number":5`))
		s.want(http.StatusBadRequest, "POST", "/scim/v2/Devices", `{"serialNumber":"S-4"}`) // the extension is required
		if a := s.want(http.StatusBadRequest, "POST", "/scim/v2/Devices", `{`+fmt.Sprintf(lease, "")+`}`); !strings.Contains(a.text, "serialNumber") {
			t.Errorf("without serialNumber: %s", a.text)
		}

		if got := s.found("Devices", "displayName", filtered(`serialNumber eq "S-1"`)); got != "Laptop" {
			t.Errorf("by serialNumber: %q, want Laptop", got)
		}
		if got := s.found("Devices", "displayName", "sortBy=displayName&sortOrder=descending"); got != "Phone Laptop" {
			t.Errorf("sorted: %q", got)
		}
		if got := s.found("Devices", "displayName", filtered(`owner.value eq "`+id+`" and active eq true`)); got != "Laptop" {
			t.Errorf("by owner: %q, want Laptop", got)
		}
		search := s.want(http.StatusOK, "POST", "/scim/v2/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"displayName eq \"laptop\" or userName eq \"ann\"","attributes":["serialNumber","userName"]}`)
		if search.body["totalResults"] != 2.0 || !strings.Contains(search.text, `"serialNumber":"S-1"`) {
			t.Errorf("a search of all types: %s", search.text)
		}
		bulk := s.want(http.StatusOK, "POST", "/scim/v2/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[
			{"method":"POST","path":"/Devices","bulkId":"a","data":`+body("S-7", "", "")+`},{"method":"POST","path":"/Devices","bulkId":"b","data":`+body("S-1", "", "")+`}]}`)
		if !strings.Contains(bulk.text, `"201"`) || !strings.Contains(bulk.text, `"409"`) {
			t.Errorf("two devices in bulk, one with a serialNumber in use: %s", bulk.text)
		}
		s.want(http.StatusForbidden, "GET", "/scim/v2/Devices?"+filtered(`unlockCode eq "0000"`), "")
		patch := func(code int, op string) answer {
			t.Helper()
			return s.want(code, "PATCH", path, `{"Operations":[`+op+`]}`)
		}
		if a := patch(http.StatusOK, `{"op":"replace","path":"displayName","value":"Desktop"}`); a.body["displayName"] != "Desktop" {
			t.Errorf("after PATCH: %s", a.text)
		}
		if a := patch(http.StatusBadRequest, `{"op":"replace","path":"maker","value":"Other"}`); a.body["scimType"] != "mutability" {
			t.Errorf("another maker: %s", a.text)
		}
		patch(http.StatusConflict, `{"op":"replace","path":"serialNumber","value":"s-1"}`)
		patch(http.StatusBadRequest, `{"op":"remove","path":"serialNumber"}`)
		s.want(http.StatusOK, "PUT", path, body("S-9", `"maker":"Acme",`, ""))
		s.want(http.StatusOK, "GET", path+"?attributes=serialNumber", "")

		if a := s.want(http.StatusConflict, "DELETE", "/api/v1/resource-types/Device", ""); !strings.Contains(a.text, "Device/") {
			t.Errorf("deletion in use: %s", a.text)
		}
		s.want(http.StatusConflict, "PUT", "/api/v1/resource-types/Device", strings.Replace(deviceType, "/Devices", "/Machines", 1))
		s.want(http.StatusOK, "PUT", "/api/v1/resource-types/Device", strings.Replace(deviceType, "A machine", "Any machine", 1))
		s.want(http.StatusConflict, "DELETE", "/api/v1/schemas/urn:example:params:scim:schemas:core:1.0:Device", "")
		list := s.want(http.StatusOK, "GET", "/scim/v2/Devices", "")
		for _, r := range list.body["Resources"].([]any) {
			s.want(http.StatusNoContent, "DELETE", "/scim/v2/Devices/"+r.(map[string]any)["id"].(string), "")
		}
		s.want(http.StatusNoContent, "DELETE", "/api/v1/resource-types/Device", "")
		s.want(http.StatusNotFound, "GET", "/scim/v2/Devices", "")
		s.want(http.StatusNoContent, "DELETE", "/api/v1/schemas/urn:example:params:scim:schemas:core:1.0:Device", "")
		s.stop()
		fsck(t, storeURL)
	})
}

// TestSchemaRefusals sends every schema that package scim refuses, and what else is no change.
func TestSchemaRefusals(t *testing.T) {
	s := startServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), "")
	text, err := os.ReadFile("../../scim/testdata/invalid_schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ Name, Wants, Text string }
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) < 40 {
		t.Fatalf("%d invalid schemas: %v", len(rows), err)
	}
	for _, tt := range rows {
		a := s.do("POST", "/api/v1/schemas", tt.Text)
		detail, _ := a.body["detail"].(string)
		if a.code != http.StatusBadRequest || !strings.Contains(detail, tt.Wants) {
			t.Errorf("%s: POST = %d %s, want 400 that names %q", tt.Name, a.code, a.text, tt.Wants)
		}
	}
	s.want(http.StatusBadRequest, "POST", "/api/v1/schemas?extends=Toaster", hrSchema)
	s.want(http.StatusRequestEntityTooLarge, "POST", "/api/v1/schemas", `{"id":"`+strings.Repeat("x", scim.MaxSchemaBytes)+`"}`)
	s.want(http.StatusForbidden, "DELETE", "/api/v1/schemas/"+scim.UserURN, "")
	s.want(http.StatusForbidden, "DELETE", "/api/v1/resource-types/User", "")
	s.want(http.StatusNotFound, "DELETE", "/api/v1/schemas/urn:example:none", "")
	s.want(http.StatusNotFound, "GET", "/api/v1/resource-types/None", "")
	s.want(http.StatusNotFound, "GET", "/api/v1/schemas?workspace=none", "")

	code, token, errs := s.cli("token", "create", "okta")
	if code != exitDone {
		t.Fatal(errs)
	}
	auth := "Bearer " + strings.TrimSpace(token)
	if a := s.as(auth, "POST", "/api/v1/schemas", hrSchema); a.code != http.StatusForbidden {
		t.Errorf("POST with a token for provisioning = %d, want 403", a.code)
	}
	if a := s.as(auth, "GET", "/api/v1/schemas", ""); a.code != http.StatusForbidden {
		t.Errorf("GET with a token for provisioning = %d, want 403", a.code)
	}
	if a := s.want(http.StatusOK, "GET", "/scim/v2/Schemas", ""); a.body["totalResults"] != 5.0 {
		t.Errorf("%v schemas after the refusals, want the 5 that are built in", a.body["totalResults"])
	}
}

// TestSchemaReplicas holds that another process has a schema within a second.
func TestSchemaReplicas(t *testing.T) {
	storeURL := testserver.StartRedis(t).URL()
	one, two := startServer(t, storeURL, ""), startServer(t, storeURL, "")
	two.want(http.StatusOK, "GET", "/scim/v2/Schemas", "")
	began := time.Now()
	one.want(http.StatusCreated, "POST", "/api/v1/schemas", hrSchema)
	for two.do("GET", "/scim/v2/Schemas/"+hrURN, "").code != http.StatusOK {
		if time.Since(began) > 5*time.Second {
			t.Fatal("the other process does not see the schema")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the other process saw the schema after %v, want a second at most", took)
	}
	two.want(http.StatusCreated, "POST", "/scim/v2/Users", `{"userName":"ann","`+hrURN+`":{"badge":"1"}}`)
	one.want(http.StatusConflict, "POST", "/scim/v2/Users", `{"userName":"bob","`+hrURN+`":{"badge":"1"}}`)
	one.want(http.StatusConflict, "DELETE", "/api/v1/schemas/"+hrURN, "")
}

const corpLDIF = `dn: uid=zoe,dc=example,dc=org
objectClass: inetOrgPerson
entryUUID: 6c1f0a52-6a3e-4b8e-9a51-3f6f0b0f8e11
uid: zoe
cn: Zoe
sn: Z
employeeNumber: 4711
carLicense: 9
businessCategory: go
businessCategory: sql
`

// TestSchemaConfig holds schemas that the configuration adds, to one workspace and to all.
func TestSchemaConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := "schemas:\n  hr: { file: " + write("hr.json", hrSchema) + " }\n" +
		"  device: { file: " + write("device.json", deviceSchema) + ", workspace: lab }\n" +
		"  lease: { file: " + write("lease.json", leaseSchema) + ", workspace: lab }\n" +
		"  type: { file: " + write("type.json", deviceType) + ", workspace: lab }\n" +
		"sources:\n  corp:\n    type: ldif\n    path: " + write("corp.ldif", corpLDIF) + "\n    users:\n      attributes:\n" +
		"        \"" + hrURN + ":badge\": employeeNumber\n        \"" + hrURN + ":grade\": carLicense\n        \"" + hrURN + ":skills\": businessCategory\n" +
		"clients:\n  scanner: { workspace: lab }\nownership:\n  \"" + hrURN + ":badge\": scanner\n"
	s := startServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), config)
	s.want(http.StatusOK, "GET", "/scim/v2/Schemas/"+hrURN, "")
	s.want(http.StatusNotFound, "GET", "/scim/v2/Devices", "")
	s.want(http.StatusOK, "GET", "/w/lab/scim/v2/Devices", "")
	s.want(http.StatusOK, "GET", "/w/lab/scim/v2/Schemas/"+hrURN, "")
	s.want(http.StatusConflict, "POST", "/api/v1/schemas", hrSchema)
	s.want(http.StatusForbidden, "DELETE", "/api/v1/schemas/"+hrURN, "")
	ann := s.want(http.StatusCreated, "POST", "/scim/v2/Users", `{"userName":"ann","`+hrURN+`":{"badge":"1"}}`)
	s.want(http.StatusBadRequest, "PATCH", "/scim/v2/Users/"+ann.body["id"].(string), `{"Operations":[{"op":"replace","path":"`+hrURN+`:badge","value":"2"}]}`)

	if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone {
		t.Fatalf("sync run = %d\n%s%s", code, out, errs)
	}
	mapped := s.want(http.StatusOK, "GET", "/scim/v2/Users?"+filtered(hrURN+`:badge eq "4711"`), "")
	if !strings.Contains(mapped.text, `"userName":"zoe"`) || !strings.Contains(mapped.text, `"grade":9`) || !strings.Contains(mapped.text, `"skills":["go"`) {
		t.Errorf("mapped from LDIF: %s", mapped.text)
	}

	for name, tt := range map[string]struct{ config, wants string }{
		"no file":             {"schemas:\n  hr: {}\n", "schemas.hr.file"},
		"a file that is not":  {"schemas:\n  hr: { file: " + dir + "/none.json }\n", "schemas.hr.file"},
		"a schema with fault": {"schemas:\n  hr: { file: " + write("bad.json", strings.Replace(hrSchema, `"decimal"`, `"float"`, 1)) + " }\n", "share"},
		"a type alone":        {"schemas:\n  type: { file: " + dir + "/type.json }\n", "Device"},
		"extends of a type":   {"schemas:\n  type: { file: " + dir + "/type.json, extends: [User] }\n", "schemas.type.extends"},
		"extends of nothing":  {"schemas:\n  hr: { file: " + dir + "/hr.json, extends: [Toaster] }\n", "Toaster"},
		"a strange workspace": {"schemas:\n  hr: { file: " + dir + "/hr.json, workspace: a/b }\n", "schemas.hr.workspace"},
	} {
		code, out, errs := runCLI(t, nil, "config", "check", "--config", write("bad.yaml", tt.config))
		if code != exitUsage || !strings.Contains(out+errs, tt.wants) {
			t.Errorf("%s: config check = %d, want %d and %q named\n%s%s", name, code, exitUsage, tt.wants, out, errs)
		}
	}
}

func TestSchemaCommand(t *testing.T) {
	s := startServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), "")
	file := filepath.Join(t.TempDir(), "hr.json")
	if err := os.WriteFile(file, []byte(hrSchema), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args  string
		code  int
		wants string
	}{
		{"schema add " + file, exitDone, hrURN},
		{"schema add " + file, exitFailed, "already"},
		{"schema add --replace --extends User,Group " + file, exitDone, hrURN},
		{"schema list", exitDone, "User,Group"},
		{"schema list -o json", exitDone, `"attributeCount": 18`},
		{"schema show " + hrURN, exitDone, `"badge"`},
		{"schema show User", exitDone, hrURN},
		{"schema delete " + hrURN, exitDone, "deleted"},
		{"schema delete " + hrURN, exitFailed, "no schema"},
		{"schema add " + file + "x", exitUsage, "no such file"},
	} {
		code, out, errs := s.cli(strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(out+errs, tt.wants) {
			t.Errorf("%s = %d, want %d and %q\n%s%s", tt.args, code, tt.code, tt.wants, out, errs)
		}
	}
}
