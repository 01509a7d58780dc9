package store

// UseScan makes lists read every record: what the index must agree with.
func (w *Workspace) UseScan() { w.find = scan{w} }

// SkipFence makes lists answer from the index as it is, which plants stale reads.
func (w *Workspace) SkipFence() { w.find.(*index).unfenced = true }

// Indexed tells whether the workspace has its index in memory.
func (w *Workspace) Indexed() bool {
	x := w.find.(*index)
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.view != nil
}
