package sync

import (
	"sync"
	"sync/atomic"
)

// Progress is how far a run has come.
type Progress struct {
	Phase string `json:"phase"` // as in Phase
	Done  int    `json:"done"`  // entries read, or changes applied
	Total int    `json:"total"` // of so many; 0 where that is not known yet
}

// meter counts a run's progress.
type meter struct {
	phase atomic.Pointer[string]
	done  atomic.Int64
	total atomic.Int64
}

func (m *meter) begin(phase string, total int) {
	m.done.Store(0)
	m.total.Store(int64(total))
	m.phase.Store(&phase)
}

func (m *meter) add(n int) { m.done.Add(int64(n)) }

func (m *meter) show() *Progress {
	phase := m.phase.Load()
	if phase == nil {
		return nil
	}
	p := &Progress{Phase: *phase, Done: int(m.done.Load()), Total: int(m.total.Load())}
	if p.Total > 0 {
		p.Done = min(p.Done, p.Total)
	}
	return p
}

// meters are those of the runs and plans that this process is at.
type meters struct {
	mu  sync.Mutex // guards all
	all map[string]*meter
}

func (m *meters) start(id string) (*meter, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := &meter{}
	m.all[id] = one
	return one, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.all, id)
	}
}

// any is the progress of whichever is under way, nil for none.
func (m *meters) any() *Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.all {
		if p := one.show(); p != nil {
			return p
		}
	}
	return nil
}

// fill puts the progress into the report of a run that is under way here.
func (m *meters) fill(r *Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if one := m.all[r.ID]; one != nil && r.Result == Running {
		r.Progress = one.show()
	}
}
