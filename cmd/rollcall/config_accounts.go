package main

import (
	"bytes"
)

// maxBreached bounds the file of passwords: a set of a million takes some 100 MB of memory.
const maxBreached = 32 << 20

// breached reads the passwords that nobody may choose; nil for none.
func (a AccountsConfig) breached() (map[string]bool, error) {
	if a.BreachedPasswords == "" {
		return nil, nil
	}
	text, _, err := readFile(a.BreachedPasswords, maxBreached)
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for line := range bytes.Lines(text) {
		if password := string(bytes.TrimRight(line, "\r\n")); password != "" {
			set[password] = true
		}
	}
	return set, nil
}
