package memory

// Count returns how many records and marks the stores of a name keep, and how many entries their
// indexes have.
func Count(name string) (n int) {
	sharedMu.Lock()
	rs := shared[name]
	sharedMu.Unlock()
	for i := range rs.shards {
		sh := &rs.shards[i]
		sh.mu.Lock()
		n += len(sh.entries) + len(sh.byExpiry) + len(sh.subjects) + len(sh.marks.byKey)
		sh.mu.Unlock()
	}
	return n
}
