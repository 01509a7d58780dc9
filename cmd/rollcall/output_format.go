package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// outputs are the forms of -o: table is for people, the others are the same JSON in other words.
var outputs = []string{"table", "json", "yaml", "jsonl", "csv"}

// formatted is a stdout whose printJSON writes another form. Commands know of table and json alone.
type formatted struct {
	io.Writer
	form string
}

// setOutput reads -o.
func (c *cli) setOutput() error {
	if !slices.Contains(outputs, c.output) {
		return usagef("--output %q is none of %s", c.output, strings.Join(outputs, ", "))
	}
	if c.output != "table" && c.output != "json" {
		c.stdout, c.output = &formatted{c.stdout, c.output}, "json"
	}
	return nil
}

// print writes a value, given as JSON, in the form.
func (f *formatted) print(text []byte) error {
	switch f.form {
	case "yaml":
		out, err := yaml.JSONToYAML(text)
		if err != nil {
			return err
		}
		_, err = f.Writer.Write(out)
		return err
	case "jsonl":
		for _, item := range listIn(text) {
			var line bytes.Buffer
			if err := json.Compact(&line, item); err != nil {
				return err
			}
			line.WriteByte('\n')
			if _, err := f.Writer.Write(line.Bytes()); err != nil {
				return err
			}
		}
		return nil
	}
	return printCSV(f.Writer, listIn(text))
}

// listIn is the elements of an array, or those of an object's only array of objects, or the value itself.
func listIn(text []byte) []json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) == nil {
		return list
	}
	return []json.RawMessage{text}
}

// printCSV writes a line for each object, with a column for each of their members, in the order in
// which they come first. What is no single value stays JSON.
func printCSV(w io.Writer, list []json.RawMessage) error {
	var columns []string
	rows := make([]map[string]string, len(list))
	for i, item := range list {
		keys, values, err := membersOf(item)
		if err != nil {
			keys, values = []string{"value"}, map[string]string{"value": plainValue(item)}
		}
		for _, key := range keys {
			if !slices.Contains(columns, key) {
				columns = append(columns, key)
			}
		}
		rows[i] = values
	}
	out := csv.NewWriter(w)
	if len(columns) > 0 {
		if err := out.Write(columns); err != nil {
			return err
		}
	}
	for _, row := range rows {
		line := make([]string, len(columns))
		for i, key := range columns {
			line[i] = safeCell(row[key])
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// safeCell keeps a spreadsheet from taking a value that somebody chose for a formula.
func safeCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// membersOf reads an object, its keys in their order.
func membersOf(text []byte) (keys []string, values map[string]string, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, fmt.Errorf("no object")
	}
	values = map[string]string{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, err
		}
		name := fmt.Sprint(key)
		keys = append(keys, name)
		values[name] = plainValue(value)
	}
	return keys, values, nil
}

func plainValue(text json.RawMessage) string {
	var s string
	if json.Unmarshal(text, &s) == nil {
		return s
	}
	var b bytes.Buffer
	if json.Compact(&b, text) != nil || b.String() == "null" {
		return ""
	}
	return b.String()
}
