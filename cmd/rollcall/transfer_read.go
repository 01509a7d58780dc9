package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"rollcall/scim"
)

// maxImportLine bounds a line of a file: a group of 100,000 members has 10 MB.
const maxImportLine = 64 << 20

// readImport reads a file of JSON lines or CSV. What is wrong with a line is an item's error.
func (c *cli) readImport(path string) ([]importItem, error) {
	f, err := c.openImport(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	first, err := r.Peek(64)
	if len(first) == 0 {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if bytes.HasPrefix(bytes.TrimLeft(first, "\xef\xbb\xbf \r\n\t"), []byte("{")) {
		return readLines(r)
	}
	return readCSV(r)
}

// notImported are attributes that the server makes.
var notImported = []string{"id", "meta", "groups"}

func readLines(r io.Reader) ([]importItem, error) {
	var items []importItem
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 1<<16), maxImportLine)
	seen := map[string]int{}
	for n := 1; lines.Scan(); n++ {
		text := bytes.TrimSpace(bytes.TrimPrefix(lines.Bytes(), []byte("\xef\xbb\xbf")))
		if len(text) == 0 {
			continue
		}
		item := importItem{line: n}
		if err := json.Unmarshal(text, &item.body); err != nil {
			item.err = fmt.Errorf("it is no JSON object: %w", err)
		} else {
			item.err = item.identify(seen)
		}
		items = append(items, item)
	}
	if err := lines.Err(); err != nil {
		return nil, usagef("the file cannot be read: %v", err)
	}
	return items, nil
}

// identify finds out of which type a line is, and takes out what the server makes.
func (item *importItem) identify(seen map[string]int) error {
	meta, _ := item.body["meta"].(map[string]any)
	typ, _ := meta["resourceType"].(string)
	for _, t := range transferTypes {
		if typ == t.name || typ == "" && item.body[t.key] != nil && (t.name == "User" || item.body["userName"] == nil) {
			item.typ = t
			break
		}
	}
	if item.typ.name == "" {
		return fmt.Errorf("it is neither a User nor a Group: meta.resourceType says %q", typ)
	}
	key, _ := item.body[item.typ.key].(string)
	if key == "" {
		return fmt.Errorf("%s is missing", item.typ.key)
	}
	item.id, _ = item.body["id"].(string)
	for _, name := range notImported {
		delete(item.body, name)
	}
	unique := item.typ.name + " " + strings.ToLower(key)
	if before := seen[unique]; before > 0 && item.typ.name == "User" {
		return fmt.Errorf("%s is that of line %d too", item.typ.key, before)
	}
	seen[unique] = item.line
	return nil
}

// csvColumns are the columns of CSV, and the paths of SCIM that they stand for.
var csvColumns = [][2]string{
	{"userName", "userName"}, {"externalId", "externalId"}, {"active", "active"}, {"displayName", "displayName"}, {"givenName", "name.givenName"},
	{"familyName", "name.familyName"}, {"email", "emails"}, {"title", "title"}, {"userType", "userType"},
}

func readCSV(r io.Reader) ([]importItem, error) {
	in := csv.NewReader(r)
	in.TrimLeadingSpace = true
	header, err := in.Read()
	if err != nil {
		return nil, usagef("the line of names cannot be read: %v", err)
	}
	paths := make([]string, len(header))
	for i, name := range header {
		name = strings.TrimSpace(strings.TrimPrefix(name, "\xef\xbb\xbf"))
		paths[i] = name
		for _, column := range csvColumns {
			if strings.EqualFold(column[0], name) {
				paths[i] = column[1]
			}
		}
		if _, err := scim.DefaultModel().Type("User").Find(paths[i]); err != nil {
			return nil, usagef("the column %q is neither one of %s nor an attribute of a user", name, columnNames())
		}
	}
	var items []importItem
	seen := map[string]int{}
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return items, nil
		}
		line, _ := in.FieldPos(0)
		item := importItem{line: line, typ: transferTypes[0], body: resource{}}
		var parse *csv.ParseError
		switch {
		case errors.As(err, &parse):
			item.line, item.err = parse.Line, parse.Err
		case err != nil:
			return nil, err
		default:
			if item.err = item.fill(paths, row); item.err == nil {
				item.err = item.identify(seen)
			}
		}
		items = append(items, item)
	}
}

func columnNames() string {
	var names []string
	for _, column := range csvColumns {
		names = append(names, column[0])
	}
	return strings.Join(names, ", ")
}

// fill takes the values of a row; an empty one says nothing.
func (item *importItem) fill(paths, row []string) error {
	item.body["schemas"] = []any{scim.UserURN}
	for i, value := range row {
		if value = strings.TrimSpace(value); value == "" {
			continue
		}
		value = strings.TrimPrefix(value, "'") // as export writes what looks like a formula
		switch path := paths[i]; {
		case path == "active":
			switch strings.ToLower(value) {
			case "true", "yes", "1":
				item.body["active"] = true
			case "false", "no", "0":
				item.body["active"] = false
			default:
				return fmt.Errorf("active is %q, want true or false", value)
			}
		case path == "emails":
			item.body["emails"] = []any{map[string]any{"value": value, "type": "work", "primary": true}}
		case strings.Contains(path, ".") || strings.HasPrefix(path, "urn:"):
			parent, sub, _ := strings.Cut(path, ".")
			if i := strings.LastIndexByte(path, ':'); i > 0 { // of an extension
				parent, sub = path[:i], path[i+1:]
			}
			object, ok := item.body[parent].(map[string]any)
			if !ok {
				object = map[string]any{}
				item.body[parent] = object
			}
			object[sub] = value
		default:
			item.body[path] = value
		}
	}
	return nil
}

// exportCSV writes users in the columns of import.
func exportCSV(ctx context.Context, client *client, path string, w io.Writer) error {
	out := csv.NewWriter(w)
	header := make([]string, len(csvColumns))
	for i, column := range csvColumns {
		header[i] = column[0]
	}
	if err := out.Write(header); err != nil {
		return err
	}
	err := eachResource(ctx, client, path, func(r resource) error {
		row := make([]string, len(csvColumns))
		for i, column := range csvColumns {
			row[i] = safeCell(r.cell(column[1]))
		}
		return out.Write(row)
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// cell is the value at a path, "" for none.
func (r resource) cell(path string) string {
	var v any = r[path]
	if parent, sub, ok := strings.Cut(path, "."); ok {
		object, _ := r[parent].(map[string]any)
		v = object[sub]
	}
	if path == "emails" {
		if v = any(r.primary(path)); v == "-" {
			v = nil
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
