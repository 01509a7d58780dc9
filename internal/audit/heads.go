package audit

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// heads is a file that tells how far chains had come. It lies outside of the store: who cuts the
// newest blocks off there, does not cut them off here.
type heads struct {
	path string

	mu sync.Mutex // guards the file, against this process
}

// headNote is how far the chain of a workspace had come.
type headNote struct {
	Chain string `json:"chain"`
	N     uint64 `json:"n"`
	MAC   []byte `json:"mac"`
}

func (h *heads) read() (map[string]headNote, error) {
	notes := map[string]headNote{}
	if h.path == "" {
		return notes, nil
	}
	text, err := os.ReadFile(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return notes, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &notes)
	}
	return notes, err
}

// of is what was noted of a workspace's chain.
func (h *heads) of(workspace string) (headNote, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	notes, err := h.read()
	return notes[workspace], err
}

// note notes how far a chain has come.
func (h *heads) note(workspace string, to headNote) error {
	if h.path == "" {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	notes, err := h.read()
	if err != nil {
		notes = map[string]headNote{} // it can be written anew
	}
	notes[workspace] = to
	text, err := json.Marshal(notes)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(h.path), ".heads-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), h.path)
}
