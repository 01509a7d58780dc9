package store

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"time"

	"rollcall/scim"
)

// A backup is one gzip stream: the head as a line of JSON, then batches of Items, then the tail as
// JSON, with what each workspace consists of and the sum of everything before it. It holds the
// hashes of tokens and whatever is secret in the store: keep it as safe as that.

// BackupFormat is the format that this program writes, and the newest that it reads.
const BackupFormat = 1

// BackupHead is what a backup begins with.
type BackupHead struct {
	Rollcall string    `json:"rollcall"` // "backup"
	Format   int       `json:"format"`
	Version  string    `json:"version"` // of the program that wrote it
	Layout   int       `json:"layout"`  // the newest that any workspace in it may have
	Created  time.Time `json:"created"`
}

// backupTail is what it ends with.
type backupTail struct {
	Workspaces []Copied `json:"workspaces"`
	SHA256     string   `json:"sha256"`
}

// ErrDamagedBackup tells that a file is no backup, or not whole, or not as it was written.
var ErrDamagedBackup = errors.New("the backup is damaged")

// ErrMoved tells that the store was written to while it was read, so that what was read is of
// no one moment.
var ErrMoved = errors.New("the store was written to while it was read")

const (
	batchMark, tailMark = 'B', 'E'
	maxBackupPart       = 1 << 30 // bytes of one value: more is damage
)

// numbers are the newest numbers of every workspace's feed.
func (s *Store) numbers(ctx context.Context, names []string) (map[string]scim.Version, error) {
	all := map[string]scim.Version{}
	for _, name := range names {
		_, newest, err := s.backend.Feed(ctx, name, scim.MustExist-1, 1)
		if err != nil {
			return nil, err
		}
		all[name] = newest
	}
	return all, nil
}

// Backup writes everything of a store to w. It is ErrMoved, and what was written is worthless, where
// a resource changed meanwhile: read a snapshot, or try again.
func Backup(ctx context.Context, b Backend, w io.Writer, version string) ([]Copied, error) {
	s := New(Config{Backend: b})
	if err := s.CheckWhole(ctx); err != nil {
		return nil, err
	}
	names, err := s.everyWorkspace(ctx)
	if err != nil {
		return nil, err
	}
	before, err := s.numbers(ctx, names)
	if err != nil {
		return nil, err
	}
	packed, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	out := &backupWriter{sum: sha256.New()}
	out.w = bufio.NewWriterSize(io.MultiWriter(packed, out.sum), 1<<16)
	head, err := json.Marshal(BackupHead{"backup", BackupFormat, version, Layout, time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return nil, err
	}
	if err := out.write(append(head, '\n')); err != nil {
		return nil, err
	}
	var all []Copied
	for _, name := range names {
		sum := newDigest(name)
		err := b.Dump(ctx, name, func(items []Item) error {
			sum.add(items)
			return out.batch(name, items)
		})
		if err != nil {
			return nil, fmt.Errorf("store: back up %s: %w", name, err)
		}
		all = append(all, sum.copied())
	}
	after, err := s.numbers(ctx, names)
	if err != nil {
		return nil, err
	}
	if !maps.Equal(before, after) {
		return nil, ErrMoved
	}
	return all, out.end(packed, all)
}

type backupWriter struct {
	w   *bufio.Writer
	sum hash.Hash
	buf []byte
}

func (o *backupWriter) write(b []byte) error {
	_, err := o.w.Write(b)
	return err
}

func (o *backupWriter) batch(ws string, items []Item) error {
	if len(items) == 0 {
		return nil
	}
	b := append(o.buf[:0], batchMark)
	part := func(text string) { b = append(binary.AppendUvarint(b, uint64(len(text))), text...) }
	part(ws)
	b = binary.AppendUvarint(b, uint64(len(items)))
	for i := range items {
		b = append(b, byte(items[i].Kind))
		part(items[i].Key)
		part(items[i].Sub)
		b = append(binary.AppendUvarint(b, uint64(len(items[i].Value))), items[i].Value...)
	}
	o.buf = b
	return o.write(b)
}

func (o *backupWriter) end(packed *gzip.Writer, all []Copied) error {
	if err := o.w.Flush(); err != nil {
		return err
	}
	tail, err := json.Marshal(backupTail{all, hex.EncodeToString(o.sum.Sum(nil))})
	if err != nil {
		return err
	}
	if _, err := packed.Write(append([]byte{tailMark}, tail...)); err != nil {
		return err
	}
	return packed.Close()
}

// ReadBackup reads a backup to its end and passes on what is in it, in its order. It is
// ErrDamagedBackup at the first thing that cannot be right, which may be as late as the end: until it
// returns without an error nothing of what was passed on is to be trusted.
func ReadBackup(r io.Reader, fn func(ws string, items []Item) error) (head BackupHead, all []Copied, err error) {
	packed, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return head, nil, damaged("it is not gzip: %v", err)
	}
	in := &backupReader{r: bufio.NewReaderSize(packed, 1<<16), sum: sha256.New()}
	line, err := in.line()
	if err != nil || json.Unmarshal(line, &head) != nil || head.Rollcall != "backup" {
		return head, nil, damaged("it does not begin as a backup")
	}
	if head.Format > BackupFormat || head.Layout > Layout {
		return head, nil, fmt.Errorf("the backup was written by Rollcall %s: %w", head.Version, ErrNewer)
	}
	digests := map[string]*digest{}
	for {
		mark, err := in.r.ReadByte()
		if err != nil {
			return head, nil, damaged("it ends in the middle")
		}
		if mark == tailMark {
			all, err = in.tail(digests)
			return head, all, err
		}
		if mark != batchMark {
			return head, nil, damaged("there is something between its parts")
		}
		in.note([]byte{mark})
		ws, items, err := in.batch()
		if err != nil {
			return head, nil, damaged("a part cannot be read: %v", err)
		}
		if digests[ws] == nil {
			digests[ws] = newDigest(ws)
		}
		digests[ws].add(items)
		if err := fn(ws, items); err != nil {
			return head, nil, err
		}
	}
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamagedBackup, fmt.Sprintf(format, args...))
}

type backupReader struct {
	r   *bufio.Reader
	sum hash.Hash
}

func (in *backupReader) note(b []byte) { in.sum.Write(b) }

func (in *backupReader) line() ([]byte, error) {
	line, err := in.r.ReadSlice('\n')
	in.note(line)
	return line, err
}

func (in *backupReader) number() (uint64, error) {
	n, err := binary.ReadUvarint(in.r)
	in.note(binary.AppendUvarint(nil, n))
	return n, err
}

func (in *backupReader) part() ([]byte, error) {
	n, err := in.number()
	if err != nil {
		return nil, err
	}
	if n > maxBackupPart {
		return nil, errors.New("a value is too large")
	}
	var b bytes.Buffer // grows with what comes, not with what is said to come
	if _, err := io.CopyN(&b, in.r, int64(n)); err != nil {
		return nil, err
	}
	in.note(b.Bytes())
	return b.Bytes(), nil
}

func (in *backupReader) batch() (ws string, items []Item, err error) {
	name, err := in.part()
	if err != nil {
		return "", nil, err
	}
	n, err := in.number()
	if err != nil {
		return "", nil, err
	}
	for range n {
		kind, err := in.r.ReadByte()
		if err != nil {
			return "", nil, err
		}
		in.note([]byte{kind})
		if itemNames[ItemKind(kind)] == "" {
			return "", nil, fmt.Errorf("there is no kind %q", kind)
		}
		var parts [3][]byte
		for i := range parts {
			if parts[i], err = in.part(); err != nil {
				return "", nil, err
			}
		}
		items = append(items, Item{ItemKind(kind), string(parts[0]), string(parts[1]), parts[2]})
	}
	return string(name), items, nil
}

// tail holds what was read against what the end says.
func (in *backupReader) tail(digests map[string]*digest) ([]Copied, error) {
	sum := hex.EncodeToString(in.sum.Sum(nil))
	var tail backupTail
	text, err := io.ReadAll(io.LimitReader(in.r, 64<<20)) // to the end, where gzip's own sum is checked
	if err != nil || json.Unmarshal(text, &tail) != nil {
		return nil, damaged("its end cannot be read")
	}
	if tail.SHA256 != sum {
		return nil, damaged("its sum is %s, and should be %s", sum, tail.SHA256)
	}
	for _, w := range tail.Workspaces {
		d := digests[w.Workspace]
		if d == nil {
			d = newDigest(w.Workspace)
		}
		if got := d.copied(); got.Hash != w.Hash {
			return nil, damaged("workspace %s is not what it was", w.Workspace)
		}
	}
	return tail.Workspaces, nil
}

// Restore puts a backup into an empty store, reads the store again and compares. A restore that
// was stopped is begun again by the next; until one has finished no server starts on the store.
func Restore(ctx context.Context, r io.Reader, to Backend, progress func(Copied)) (BackupHead, []Copied, error) {
	target := New(Config{Backend: to})
	if err := target.beginCopy(ctx); err != nil {
		return BackupHead{}, nil, err
	}
	counted := map[string]*digest{}
	head, all, err := ReadBackup(r, func(ws string, items []Item) error {
		if counted[ws] == nil {
			counted[ws] = newDigest(ws)
		}
		counted[ws].add(items)
		progress(counted[ws].copied())
		return to.Load(ctx, ws, items)
	})
	if err != nil {
		return head, nil, err
	}
	for _, w := range all {
		sum := newDigest(w.Workspace)
		if err := to.Dump(ctx, w.Workspace, func(items []Item) error { sum.add(items); return nil }); err != nil {
			return head, nil, fmt.Errorf("store: verify what was restored of %s: %w", w.Workspace, err)
		}
		if got := sum.copied(); got.Hash != w.Hash {
			return head, nil, fmt.Errorf("store: workspace %s is not what the backup has: %v, want %v. Something else writes to the store, or an earlier restore left more behind: "+
				"stop every server, empty the store, and restore again", w.Workspace, got.Items, w.Items)
		}
	}
	return head, all, to.KVDelete(ctx, systemWorkspace, copySpace, copyKey)
}
