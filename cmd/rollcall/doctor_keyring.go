package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"rollcall/account"
)

// keyrings looks at the files of keys.
func (d *doctor) keyrings() {
	d.keyring("secrets.keyring", d.config.Secrets.Keyring, "secrets of people cannot be kept or read")
	d.keyring("audit.keyring", d.config.Audit.Keyring, "the audit cannot be sealed")
}

func (d *doctor) keyring(setting, path, without string) {
	const todo = "let the user that the server runs as read and write it, with mode 0400, the same file for every replica"
	_, err := os.Stat(path)
	switch {
	case path == "":
		d.warn("keyring", "set "+setting, "%s names no file: %s", setting, without)
	case errors.Is(err, fs.ErrNotExist):
		f, err := os.CreateTemp(filepath.Dir(path), ".rollcall-doctor-*")
		if err != nil {
			d.fail("keyring", todo, false, "%s: there is no %s, and it cannot be made: %s", setting, path, without)
			return
		}
		f.Close()
		os.Remove(f.Name())
		d.ok("keyring", "%s: %s is made at first use", setting, path)
	default:
		if _, _, err := account.NewKeyring(path, setting).Newest("doctor"); err != nil {
			d.fail("keyring", todo, false, "%s: %v: %s", setting, err, without)
			return
		}
		d.ok("keyring", "%s: %s can be read", setting, path)
	}
}
