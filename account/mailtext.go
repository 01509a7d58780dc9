package account

import (
	"strings"
	"text/template"
	"time"
)

// facts are what the text of a mail is made of.
type facts struct {
	Event     Event
	Workspace string
	Name      string // of the person
	UserName  string
	Message   string // of whoever invites
	Link      string
	Expires   time.Time // of the link
	Data      map[string]string
}

// Until is when the link ends, as people read it.
func (f facts) Until() string { return f.Expires.UTC().Format("2 January 2006, 15:04 UTC") }

// mailTexts are subject and text of each event.
var mailTexts = map[Event][2]string{
	EventInvited: {"You are invited to {{.Workspace}}", `An account was made for you in the workspace {{.Workspace}}, under the user name {{.UserName}}.
{{if .Message}}
{{.Message}}
{{end}}
Open this link to choose a name and a password:

{{.Link}}

It works once, until {{.Until}}.`},
	EventVerify: {"Confirm your registration at {{.Workspace}}", `Somebody, hopefully you, registered in the workspace {{.Workspace}} with this address.

Open this link, and enter the password that you chose there, to get the account:

{{.Link}}

It works once, until {{.Until}}. If it was not you, there is nothing to do: no account is made.`},
	EventKnown: {"You have an account at {{.Workspace}} already", `Somebody, hopefully you, registered in the workspace {{.Workspace}} with this address. You have an account
there already, under the user name {{.UserName}}; nothing was changed.

If you forgot the password, ask for a link to set a new one. If it was not you, there is nothing to do.`},
	EventReset: {"A new password for {{.Workspace}}", `Somebody asked for a link to set a new password for your account {{.UserName}} in the workspace {{.Workspace}}:

{{.Link}}

It works once, until {{.Until}}. If you did not ask for it, there is nothing to do: your password stays as it is.`},
	EventAddress: {"Confirm your e-mail address for {{.Workspace}}", `This address was entered for the account {{.UserName}} in the workspace {{.Workspace}}. Open this link to confirm that it is yours:

{{.Link}}

It works once, until {{.Until}}. If it is not your account, there is nothing to do: nothing is changed.`},
	EventRegistered: {"Your account at {{.Workspace}}", `Your account in the workspace {{.Workspace}} is ready. Your user name is {{.UserName}}.`},
	EventPassword: {"Your password was changed", `The password of your account {{.UserName}} in the workspace {{.Workspace}} was changed, and its sessions have ended.

If it was not you, ask an administrator at once.`},
	EventDisabled:    {"Your account at {{.Workspace}} is disabled", `Your account {{.UserName}} in the workspace {{.Workspace}} was disabled. You cannot log in, and your sessions have ended.`},
	EventEnabled:     {"Your account at {{.Workspace}} is enabled", `Your account {{.UserName}} in the workspace {{.Workspace}} is enabled: you can log in.`},
	EventRole:        {"Your role at {{.Workspace}} was changed", `The role of your account {{.UserName}} in the workspace {{.Workspace}} was changed. Your sessions have ended, and what the old role entitled you to: log in again.`},
	EventTrialEnding: {"Your trial at {{.Workspace}} ends soon", `The trial of your account {{.UserName}} in the workspace {{.Workspace}} ends at {{.Data.at}}.`},
	EventTokenEnding: {"The token {{.Data.token}} ends soon", `The token "{{.Data.token}}" (id {{.Data.id}}) of the workspace {{.Workspace}} ends at {{.Data.at}}. What uses it will be refused from then on.

Replace it before: rollcall token rotate {{.Data.id}}`},
}

// mailEnd is below each of them.
const mailEnd = `

--
Rollcall sent this by itself.{{if not .Link}} You can switch such mails off: set notificationsEnabled of your account to false.{{end}}
`

var mailTemplates = func() map[Event][2]*template.Template {
	all := map[Event][2]*template.Template{}
	for event, text := range mailTexts {
		all[event] = [2]*template.Template{template.Must(template.New("subject").Parse(text[0])), template.Must(template.New("text").Parse("Hello{{with .Name}} {{.}}{{end}},\n\n" + text[1] + mailEnd))}
	}
	return all
}()

// write makes subject and text.
func (f facts) write() (subject, text string) {
	f.Name = oneLine(f.Name)
	made := [2]string{}
	for i, t := range mailTemplates[f.Event] {
		var b strings.Builder
		if err := t.Execute(&b, f); err != nil {
			panic("account: the text of a mail: " + err.Error()) // a test writes each of them
		}
		made[i] = b.String()
	}
	return oneLine(made[0]), made[1]
}

// oneLine is a text without what would begin another line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
