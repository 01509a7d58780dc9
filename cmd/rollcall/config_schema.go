package main

import (
	_ "embed"
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
)

// settingTexts says what each setting is, by its key with NAME for a name: made from the comments
// of deploy/rollcall.example.yaml and of Config by TestSettingsPage.
//
//go:embed settings.json
var settingTexts []byte

func settingText() map[string]string {
	texts := map[string]string{}
	_ = json.Unmarshal(settingTexts, &texts) // a test holds that it is JSON
	return texts
}

func (c *cli) configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the configuration, for editors", Args: noArgs,
		Long: `Print the JSON Schema of rollcall.yaml. Editors with a YAML language server complete and check
against it where the file begins with

  # yaml-language-server: $schema=./rollcall.schema.json`,
		Example: `  rollcall config schema > rollcall.schema.json`,
		RunE: func(*cobra.Command, []string) error {
			schema := sectionSchema(reflect.TypeFor[Config](), "", settingText())
			schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
			schema["title"] = "Configuration of Rollcall"
			return printJSON(c.stdout, schema)
		},
	}
}

// sectionSchema is the JSON Schema of a section whose keys begin so.
func sectionSchema(section reflect.Type, prefix string, texts map[string]string) map[string]any {
	properties := map[string]any{}
	for _, s := range settingsOf(section) {
		key := join(prefix, s.key)
		var schema map[string]any
		switch {
		case isSection(s.typ):
			schema = sectionSchema(s.typ, key, texts)
		case isNamed(s.typ):
			schema = map[string]any{"type": []string{"object", "null"}, "additionalProperties": sectionSchema(s.typ.Elem().Elem(), key+".NAME", texts)}
		default:
			schema = valueSchema(s)
		}
		if text := texts[key]; text != "" {
			schema["description"] = text
		}
		properties[s.key] = schema
		if s.typ == secretType {
			properties[s.key+"_file"] = map[string]any{"type": "string", "description": "a file that holds it, which not everybody can read"}
		}
	}
	return map[string]any{"type": []string{"object", "null"}, "additionalProperties": false, "properties": properties}
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

// valueSchema is the schema of one value. What is read from a text may stand there as a number too.
func valueSchema(s setting) map[string]any {
	scalar := func(t reflect.Type) map[string]any {
		switch {
		case s.enum != nil:
			values := make([]any, 0, 2*len(s.enum))
			for _, v := range s.enum {
				values = append(values, v)
				var n int
				if _, err := fmt.Sscanf(v, "%d", &n); err == nil {
					values = append(values, n)
				}
			}
			switch s.key {
			case "tls":
				values = append(values, true, false) // on and off are words of YAML 1.1
			}
			return map[string]any{"enum": values}
		case t == secretType || t.Kind() == reflect.String && !reflect.PointerTo(t).Implements(textType):
			return map[string]any{"type": []string{"string", "number"}}
		case reflect.PointerTo(t).Implements(textType) || t.Kind() == reflect.Pointer:
			return map[string]any{"type": []string{"string", "number", "boolean"}}
		case t.Kind() == reflect.Bool:
			return map[string]any{"type": "boolean"}
		}
		return map[string]any{"type": "integer"}
	}
	switch {
	case s.typ.Kind() == reflect.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": map[string]any{"type": []string{"string", "number", "boolean"}}}
	case s.typ.Kind() == reflect.Slice:
		item := scalar(s.typ.Elem())
		return map[string]any{"anyOf": []any{item, map[string]any{"type": "array", "items": item}}}
	}
	return scalar(s.typ)
}

//go:embed rollcall.init.yaml
var initialConfig string

func (c *cli) configInitCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "init", Short: "Write a first configuration to begin with", Args: noArgs,
		Long: "Write a first configuration, with comments, to begin with: to stdout, or into a file that is not\nthere yet.",
		Example: `  rollcall config init --file rollcall.yaml
  rollcall config check --config rollcall.yaml`,
		RunE: func(*cobra.Command, []string) error {
			if file == "" {
				_, err := fmt.Fprint(c.stdout, initialConfig)
				return err
			}
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
			if os.IsExist(err) {
				return usagef("%s is there already: remove it first, or name another file", file)
			}
			if err != nil {
				return err
			}
			if _, err = f.WriteString(initialConfig); err == nil {
				err = f.Close()
			}
			if err == nil {
				fmt.Fprintf(c.stderr, "Wrote %s. Next: rollcall config check --config %[1]s\n", file)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "file to write, which must not exist")
	return cmd
}

// settingInfo is one setting for the reference.
type settingInfo struct{ key, value, env, text string }

// settingsList lists every setting with its default.
func settingsList() []settingInfo {
	texts := settingText()
	var list []settingInfo
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for _, s := range settingsOf(v.Type()) {
			f, key := v.Field(s.index), join(prefix, s.key)
			switch {
			case isSection(s.typ):
				walk(f, key)
			case isNamed(s.typ):
				element := reflect.New(s.typ.Elem().Elem())
				element.Interface().(named).setDefaults("NAME")
				walk(element.Elem(), key+".NAME")
			default:
				info := settingInfo{key: key, text: texts[key]}
				if value, set := shownValue(f); set {
					info.value = yamlValue(value)
				}
				if s.typ.Kind() != reflect.Map {
					info.env = envPrefix + strings.ReplaceAll(envForm(strings.ReplaceAll(key, "NAME", "0")), "_0_", "_{NAME}_")
				}
				if s.enum != nil {
					info.text = strings.TrimSpace(info.text + " (" + strings.Join(s.enum, ", ") + ")")
				}
				list = append(list, info)
			}
		}
	}
	walk(reflect.ValueOf(defaultConfig()).Elem(), "")
	return list
}
