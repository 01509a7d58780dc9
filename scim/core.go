package scim

import (
	"sync"

	"github.com/elimity-com/scim/optional"
	elimity "github.com/elimity-com/scim/schema"
)

// The common attributes (RFC 7643 §3.1). They belong to every resource and to no schema.
var (
	common      = compileCommon()
	commonNames = func() names {
		n := names{}
		for _, a := range common {
			n.add(a)
		}
		return n
	}()
)

func compileCommon() []*Attribute {
	var list []*Attribute
	for _, ca := range elimity.CommonAttributes() {
		list = append(list, compile(ca, "", nil, adjustCommon))
	}
	return append(list, compile(elimity.SchemasAttributes(), "", nil, adjustCommon))
}

func adjustCommon(path string, a *Attribute) {
	switch path {
	case "externalId":
		a.bound = maxKeyBytes
	case "schemas":
		a.Returned = "always" // RFC 7644 §3.9 has no representation without it
	}
}

// CommonAttributes lists id, externalId, meta and schemas.
func CommonAttributes() []*Attribute { return common }

// DefaultModel is User with the enterprise and account extensions, and Group with
// the account extension (accounts.md §1). Compiled once.
func DefaultModel() *Model { return defaultModel() }

var defaultModel = sync.OnceValue(func() *Model {
	m, err := NewModel(UserDefinition(), GroupDefinition())
	if err != nil {
		panic(err) // the definitions below contradict themselves
	}
	return m
})

// UserDefinition and GroupDefinition are the types of DefaultModel, for a model that
// adds to them.
func UserDefinition() TypeDefinition {
	return TypeDefinition{
		Name: "User", Endpoint: "/Users", Description: "A person's account",
		Schema: Definition{Schema: elimity.CoreUserSchema(), Adjust: adjustUser},
		Extensions: []ExtensionDefinition{
			{Definition: Definition{Schema: elimity.ExtensionEnterpriseUser(), Adjust: adjustEnterprise}, TopLevel: true},
			{Definition: Definition{Schema: accountUserSchema(), Adjust: adjustAccountUser}},
		},
		Unique: []string{"userName"},
	}
}

// GroupDefinition is the type Group of DefaultModel.
func GroupDefinition() TypeDefinition {
	return TypeDefinition{
		Name: "Group", Endpoint: "/Groups", Description: "A group of users and groups",
		Schema:      Definition{Schema: elimity.CoreGroupSchema(), Adjust: adjustGroup},
		Extensions:  []ExtensionDefinition{{Definition: Definition{Schema: accountGroupSchema(), Adjust: adjustAccountGroup}}},
		Unique:      []string{"displayName"},
		MemberTypes: []string{"User", "Group"},
	}
}

// The adjustments say what the constructors cannot, or what elimity's definitions
// leave open: ids compare exactly, what is unique says so, what is worked out is marked.

func adjustUser(path string, a *Attribute) {
	switch path {
	case "userName":
		a.Compare, a.checked, a.bound = compareUserName, true, maxKeyBytes
	case "active":
		a.unset = true // Resource.Active
	case "groups":
		a.Computed = true
	case "groups.value":
		a.CaseExact = true
	case "groups.$ref":
		a.References = []string{"Group"}
	}
}

func adjustGroup(path string, a *Attribute) {
	switch path {
	case "displayName":
		a.Uniqueness = "server"
		a.Compare, a.checked, a.bound = compareDisplayName, true, maxKeyBytes
	case "members.value":
		a.CaseExact, a.Required = true, true
	case "members.display":
		a.Mutability = "readOnly"
	}
}

func adjustEnterprise(path string, a *Attribute) {
	if path == "manager.value" {
		a.CaseExact = true
	}
}

func adjustAccountUser(path string, a *Attribute) {
	switch path {
	case "number":
		a.Uniqueness = "server"
	case "lastLogin", "lastFailedLogin", "lastActivity", "passwordExpires", "activeSessions",
		"trial.exists", "trial.valid", "trial.expired", "owner", "authority":
		a.Computed = true
		if a.Parent != nil && a.Parent.Name == "trial" {
			a.Returned = "request" // they turn by themselves: no resource is written for it
		}
	}
}

func adjustAccountGroup(path string, a *Attribute) {
	if path == "owner" || path == "authority" {
		a.Computed = true
	}
}

func compareUserName(s string) (string, bool) {
	key, err := UserNameKey(s)
	return key, err == nil
}

func compareDisplayName(s string) (string, bool) {
	key, err := DisplayNameKey(s)
	return key, err == nil
}

func accountUserSchema() elimity.Schema {
	readOnly, immutable := elimity.AttributeMutabilityReadOnly(), elimity.AttributeMutabilityImmutable()
	str := func(name, about string) elimity.CoreAttribute {
		return elimity.SimpleCoreAttribute(elimity.SimpleStringParams(elimity.StringParams{Name: name, Description: optional.NewString(about)}))
	}
	flag := func(name, about string, m elimity.AttributeMutability) elimity.CoreAttribute {
		return elimity.SimpleCoreAttribute(boolean(name, about, m))
	}
	date := func(name, about string) elimity.CoreAttribute { // kept beside the resource, and read when asked for
		return elimity.SimpleCoreAttribute(elimity.SimpleDateTimeParams(elimity.DateTimeParams{
			Name: name, Description: optional.NewString(about), Mutability: readOnly, Returned: elimity.AttributeReturnedRequest(),
		}))
	}
	return elimity.Schema{
		ID: AccountUserURN, Name: optional.NewString("Account"),
		Description: optional.NewString("What an account has beyond the core and enterprise schemas"),
		Attributes: append(elimity.Attributes{
			flag("codeAllowed", "Whether the person may write code.", elimity.AttributeMutability{}),
			flag("inactive", "True while the account is deactivated: offline, kept, restorable.", readOnly),
			integer("number", "Sequential number of the account in its workspace.", elimity.AttributeReturned{}),
			author("createdBy", "Who created the account."),
			author("modifiedBy", "Who changed the account last."),
			elimity.SimpleCoreAttribute(elimity.SimpleStringParams(elimity.StringParams{
				Name: "source", CanonicalValues: []string{"local", "ldap", "sso"}, Mutability: immutable,
				Description: optional.NewString("How the person logs in; set at creation, 'local' where not given."),
			})),
			date("lastLogin", "The last login that succeeded."),
			date("lastFailedLogin", "The last login that failed."),
			date("lastActivity", "The last use of a session or token."),
			date("passwordExpires", "When the password expires, where passwords do."),
			integer("activeSessions", "Number of sessions used within five minutes.", elimity.AttributeReturnedRequest()),
			elimity.ComplexCoreAttribute(elimity.ComplexParams{
				Name: "trial", Description: optional.NewString("A trial of the product."),
				SubAttributes: []elimity.SimpleParams{
					boolean("exists", "Whether a trial was ever granted.", readOnly),
					dateTime("grantedOn", "When the trial began.", elimity.AttributeMutability{}),
					dateTime("expiresOn", "When the trial ends.", elimity.AttributeMutability{}),
					boolean("valid", "Granted, not expired, and the account is active.", readOnly),
					boolean("expired", "Now at or past expiresOn.", readOnly),
				},
			}),
			pairs("preferences", "The person's own settings."),
			pairs("properties", "Named values that the person and administrators may write."),
			pairs("adminProperties", "Named values that administrators alone may write."),
			elimity.SimpleCoreAttribute(exactString("metadata", "A JSON object, as text.", elimity.AttributeMutability{})),
			str("description", "Free text about the account."),
			str("queue", "The queue that the account's jobs go to."),
			flag("notificationsEnabled", "Whether the person gets mail about events of the account.", elimity.AttributeMutability{}),
			elimity.SimpleCoreAttribute(exactString("photoHash", "Changes with the photo.", readOnly)),
		}, ownership()...),
	}
}

func accountGroupSchema() elimity.Schema {
	return elimity.Schema{
		ID: AccountGroupURN, Name: optional.NewString("Account Group"),
		Description: optional.NewString("What a group has beyond the core schema"),
		Attributes: append(elimity.Attributes{
			elimity.SimpleCoreAttribute(elimity.SimpleStringParams(elimity.StringParams{
				Name: "description", Description: optional.NewString("Free text about the group."),
			})),
			elimity.SimpleCoreAttribute(boolean("admin", "Whether members have the workspace's administrator role.", elimity.AttributeMutability{})),
			elimity.SimpleCoreAttribute(elimity.SimpleStringParams(elimity.StringParams{
				Name: "source", CanonicalValues: []string{"local", "ldap", "sso"}, Mutability: elimity.AttributeMutabilityImmutable(),
				Description: optional.NewString("Where the group comes from; set at creation, 'local' where not given."),
			})),
			elimity.SimpleCoreAttribute(elimity.SimpleStringParams(elimity.StringParams{
				Name: "ldapGroupNames", MultiValued: true,
				Description: optional.NewString("LDAP groups whose members the group gets at each sync."),
			})),
		}, ownership()...),
	}
}

// ownership is who manages a resource, shown to those who ask (design.md §4.9).
func ownership() []elimity.CoreAttribute {
	readOnly, request := elimity.AttributeMutabilityReadOnly(), elimity.AttributeReturnedRequest()
	return []elimity.CoreAttribute{
		elimity.SimpleCoreAttribute(elimity.SimpleStringParams(elimity.StringParams{
			Name: "owner", Mutability: readOnly, Returned: request, CaseExact: true,
			Description: optional.NewString("Who brought the resource in: 'source:<name>' or 'client:<name>'; absent where it was made by hand."),
		})),
		elimity.ComplexCoreAttribute(elimity.ComplexParams{
			Name: "authority", Mutability: readOnly, Returned: request, MultiValued: true,
			Description: optional.NewString("Who alone may write which attribute of the resource."),
			SubAttributes: []elimity.SimpleParams{
				exactString("attribute", "The attribute.", readOnly),
				exactString("owner", "The source or client that may write it.", readOnly),
			},
		}),
	}
}

func boolean(name, about string, m elimity.AttributeMutability) elimity.SimpleParams {
	return elimity.SimpleBooleanParams(elimity.BooleanParams{Name: name, Description: optional.NewString(about), Mutability: m})
}

func dateTime(name, about string, m elimity.AttributeMutability) elimity.SimpleParams {
	return elimity.SimpleDateTimeParams(elimity.DateTimeParams{Name: name, Description: optional.NewString(about), Mutability: m})
}

func exactString(name, about string, m elimity.AttributeMutability) elimity.SimpleParams {
	return elimity.SimpleStringParams(elimity.StringParams{
		Name: name, Description: optional.NewString(about), Mutability: m, CaseExact: true,
	})
}

// integer is a whole number that only the server writes.
func integer(name, about string, r elimity.AttributeReturned) elimity.CoreAttribute {
	return elimity.SimpleCoreAttribute(elimity.SimpleNumberParams(elimity.NumberParams{
		Name: name, Description: optional.NewString(about), Type: elimity.AttributeTypeInteger(),
		Mutability: elimity.AttributeMutabilityReadOnly(), Returned: r,
	}))
}

// author names the subject of a change, and the administrator behind it if another.
func author(name, about string) elimity.CoreAttribute {
	readOnly := elimity.AttributeMutabilityReadOnly()
	return elimity.ComplexCoreAttribute(elimity.ComplexParams{
		Name: name, Description: optional.NewString(about), Mutability: readOnly,
		SubAttributes: []elimity.SimpleParams{
			exactString("value", "The subject of the change.", readOnly),
			exactString("actor", "The administrator who acted as the subject.", readOnly),
		},
	})
}

// pairs are named strings.
func pairs(name, about string) elimity.CoreAttribute {
	return elimity.ComplexCoreAttribute(elimity.ComplexParams{
		Name: name, Description: optional.NewString(about), MultiValued: true,
		SubAttributes: []elimity.SimpleParams{
			elimity.SimpleStringParams(elimity.StringParams{
				Name: "name", Description: optional.NewString("The name."), CaseExact: true, Required: true,
			}),
			exactString("value", "The value.", elimity.AttributeMutability{}),
		},
	})
}
