package sync

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"rollcall/scim"
)

// Where a followed source was is kept, with what the follower knows of it, so that after a restart runs go on
// reading what changed. It may be older than what the last run has done, never newer: it is written when
// that has been applied, and the source tells again of what came after it, which changes nothing. A run of
// everything takes it away when it begins, and what does not end well when it ends: then everything is read.

const (
	positionPart = 1 << 19 // bytes of it in one value
	positionHead = "head"
	// keepPositionEvery is how often it is written at the most, but for runs of everything: it is as large as
	// the source.
	keepPositionEvery = 5 * time.Minute
)

// position is the head of what is kept. The parts have keys that begin with Name, so that a head never names
// those of another.
type position struct {
	Name    string    `json:"name"`
	Parts   int       `json:"parts"`
	Sum     string    `json:"sum"`     // SHA-256 of all parts together
	Mapping string    `json:"mapping"` // what entries are compared by: another one is to see them all
	Whole   time.Time `json:"whole"`   // when everything was last read
}

func (r *Runner) positions() scim.KV { return r.config.State.KV("sync/position/" + r.config.Name) }

func partKey(name string, n int) string { return fmt.Sprintf("%s/%06d", name, n) }

// noteBegin notes that a run of a followed source has begun.
func (t *run) noteBegin(ctx context.Context) error {
	if t.heard == nil || t.heard.delta == nil && t.heard.err == nil {
		if err := t.positions().Delete(ctx, positionHead); err != nil {
			return err
		}
	}
	return t.lastRun().Put(ctx, t.config.Name, []byte(t.report.ID), nil)
}

// goOn is resume for who waits for changes.
func (r *Runner) goOn(ctx context.Context) error {
	r.followed.mu.Lock()
	defer r.followed.mu.Unlock()
	if !r.followed.whole.IsZero() {
		return nil
	}
	why, err := r.resume(ctx)
	if why != "" {
		err = &ReadWhole{Why: why}
	}
	return err
}

// resume goes on from what is kept, or tells why that cannot be. The caller holds followed.mu.
func (r *Runner) resume(ctx context.Context) (why string, err error) {
	text, err := r.positions().Get(ctx, positionHead)
	if errors.Is(err, scim.ErrNotFound) {
		return "no earlier read is there to go on from", nil
	}
	if err != nil {
		return "", fmt.Errorf("sync: where %s was: %w", r.config.Name, err)
	}
	var p position
	if json.Unmarshal(text, &p) != nil {
		return "what was kept of an earlier read is damaged", nil
	}
	if p.Mapping != r.mapping.sum() {
		return "entries are mapped otherwise than in the earlier read", nil
	}
	var all bytes.Buffer
	for n := range p.Parts {
		part, err := r.positions().Get(ctx, partKey(p.Name, n))
		if err != nil && !errors.Is(err, scim.ErrNotFound) {
			return "", fmt.Errorf("sync: where %s was: %w", r.config.Name, err)
		}
		all.Write(part)
	}
	if sum := sha256.Sum256(all.Bytes()); hex.EncodeToString(sum[:]) != p.Sum {
		return "what was kept of an earlier read is damaged", nil
	}
	err = r.config.Follower.Resume(all.Bytes())
	if whole := (*ReadWhole)(nil); errors.As(err, &whole) {
		return whole.Why, nil
	}
	if err == nil {
		r.followed.whole, r.followed.saved = p.Whole, time.Now()
	}
	return "", err
}

// keepPosition writes where the source is, where that is due. What cannot be written is only logged: the one of
// before is as good, if older.
func (t *run) keepPosition(ctx context.Context, whole bool) {
	f := &t.followed
	f.moved = f.moved || t.heard != nil && t.heard.delta != nil
	if !whole && (!f.moved || time.Since(f.saved) < keepPositionEvery) {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := t.writePosition(last); err != nil {
		t.log.Warn("where the source is could not be kept; after a restart it may be read whole", "error", err)
	}
	f.saved, f.moved = time.Now(), false
}

func (t *run) writePosition(ctx context.Context) error {
	text, err := t.config.Follower.Position()
	if err != nil || text == nil {
		return errors.Join(err, t.positions().Delete(ctx, positionHead))
	}
	sum := sha256.Sum256(text)
	p := position{Name: t.report.ID, Sum: hex.EncodeToString(sum[:]), Mapping: t.mapping.sum(), Whole: t.followed.whole}
	for part := range slices.Chunk(text, positionPart) {
		if err := t.positions().Put(ctx, partKey(p.Name, p.Parts), part, nil); err != nil {
			return err
		}
		p.Parts++
	}
	head, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := t.positions().Put(ctx, positionHead, head, nil); err != nil {
		return err
	}
	return t.tidyPositions(ctx, p.Name)
}

// tidyPositions drops the parts that are of no use but those of one name; "" for all.
func (t *run) tidyPositions(ctx context.Context, but string) error {
	var old []string
	err := t.positions().Scan(ctx, func(key string, _ []byte) error {
		if key != positionHead && (but == "" || key < partKey(but, 0) || key > partKey(but, 999_999)) {
			old = append(old, key)
		}
		return nil
	})
	for _, key := range old {
		err = errors.Join(err, t.positions().Delete(ctx, key))
	}
	return err
}

// dropPosition takes it away, even if the run was told to stop.
func (t *run) dropPosition(ctx context.Context) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := errors.Join(t.positions().Delete(last, positionHead), t.tidyPositions(last, "")); err != nil {
		t.log.Warn("where the source was could not be forgotten", "error", err)
	}
}

// sum changes when entries are mapped, and so compared, otherwise.
func (m *mapping) sum() string {
	h := sha256.New()
	for _, typ := range slices.Sorted(maps.Keys(m.seeds)) {
		field(h, string(m.seeds[typ]))
	}
	return hex.EncodeToString(h.Sum(nil))
}
