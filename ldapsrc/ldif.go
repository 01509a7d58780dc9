package ldapsrc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"

	dirsync "rollcall/sync"
)

// LDIFConfig configures a source that is an LDIF file.
type LDIFConfig struct {
	Path   string // the file
	FS     fs.FS  // where Path is; nil for the machine's own files
	Preset string // see Presets
	// Users and Groups as for a directory. An empty base is the whole file.
	Users  Users
	Groups Groups
	Logger *slog.Logger // nil for silence
}

// LDIF is a source that reads an LDIF file (RFC 2849): an export, a fixture, the demo's
// people. The file is read anew by every call of Entries.
//
// An entry without the preset's stable id gets one made of its DN: the UUIDv5
// (RFC 4122 §4.3) of its canonical form in the name space of DNs. Such an entry is
// somebody else once it is renamed, so an export with operational attributes is better.
type LDIF struct {
	reading *reading
	config  LDIFConfig
	users   *filter
	groups  *filter
}

var _ dirsync.Source = (*LDIF)(nil)

// Validate reports everything that is wrong with a configuration.
func (c LDIFConfig) Validate() error {
	_, err := NewLDIF(c)
	return err
}

// NewLDIF makes a source. It does not open the file.
func NewLDIF(c LDIFConfig) (*LDIF, error) {
	s := &LDIF{config: c}
	var problems []error
	if c.Path == "" {
		problems = append(problems, errors.New("path: is missing"))
	}
	var errs []error
	s.reading, errs = newReading(c.Preset, c.Users, c.Groups, c.Logger)
	problems = append(problems, errs...)
	if len(errs) == 0 {
		var err error
		if s.users, err = compileFilter(s.reading.users.filter); err != nil {
			problems = append(problems, fmt.Errorf("users.%w", err))
		}
		if s.groups, err = compileFilter(s.reading.groups.filter); err != nil {
			problems = append(problems, fmt.Errorf("groups.%w", err))
		}
		s.reading.users.table.dnID = true
		s.reading.groups.table.dnID = true
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *LDIF) open() (fs.File, error) {
	if s.config.FS != nil {
		return s.config.FS.Open(s.config.Path)
	}
	return os.Open(s.config.Path)
}

// Check opens the file and reads its first record.
func (s *LDIF) Check(context.Context) (Info, error) {
	f, err := s.open()
	if err != nil {
		return Info{}, s.unreachable(err)
	}
	defer f.Close()
	if _, err := newLDIFReader(f).record(); err != nil && !errors.Is(err, io.EOF) {
		return Info{}, s.incomplete(err)
	}
	return Info{URL: s.config.Path, Vendor: "LDIF"}, nil
}

func (s *LDIF) unreachable(err error) error {
	return &ReadError{Kind: ErrUnreachable, Where: s.config.Path, Reason: "the file cannot be opened",
		Remedy: "look at its path and permissions", Err: err}
}

func (s *LDIF) incomplete(err error) error {
	return &ReadError{Kind: ErrIncomplete, Where: s.config.Path, Reason: "the file cannot be read whole",
		Remedy: "export it again; nothing was concluded from it", Err: err}
}

// Entries implements sync.Source: users as they come, then the groups, which are kept
// until the file has ended.
func (s *LDIF) Entries(ctx context.Context) iter.Seq2[dirsync.Entry, error] {
	return func(yield func(dirsync.Entry, error) bool) {
		f, err := s.open()
		if err != nil {
			yield(dirsync.Entry{}, s.unreachable(err))
			return
		}
		defer f.Close()
		r := s.reading.start(yield)
		if err := s.read(ctx, newLDIFReader(f), r); err != nil {
			r.emit(dirsync.Entry{}, err)
		}
	}
}

func (s *LDIF) read(ctx context.Context, in *ldifReader, r *read) error {
	users, groups := s.reading.users, s.reading.groups
	um, gm := users.table.mapper(), groups.table.mapper()
	var kept []*rawEntry
	var canon []byte
	underUsers, underGroups := users.base == "", groups.base == ""
	for !r.stopped {
		if ctx.Err() != nil {
			return s.incomplete(context.Cause(ctx))
		}
		raw, err := in.record()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.incomplete(err)
		}
		canon, err = appendDN(canon[:0], string(raw.dn))
		badDN := err != nil // in every scope: the mapping will report it
		underUsers = underUsers || inScope(canon, users.canon, ScopeSub)
		underGroups = underGroups || inScope(canon, groups.canon, ScopeSub)
		if (badDN || inScope(canon, users.canon, users.scope)) && s.users.match(raw) {
			r.user(um, raw)
		} else if (badDN || inScope(canon, groups.canon, groups.scope)) && s.groups.match(raw) {
			kept = append(kept, raw)
		}
	}
	if !r.stopped && !(underUsers && underGroups) {
		base := users.base
		if underUsers {
			base = groups.base
		}
		return &ReadError{Kind: ErrNoBase, Where: s.config.Path, Reason: "nothing in the file is at or below the base " + base,
			Remedy: "correct the base, or export that part of the directory"}
	}
	for _, raw := range kept {
		if !r.group(gm, raw) {
			return nil
		}
	}
	if !r.stopped {
		r.finish()
	}
	return nil
}
