// Package wire is what the application and those who load it say to each other,
// as JSON.
package wire

// View is what a page shows of its session.
type View struct {
	Born  string // names the session, whatever its ID is
	User  string // "" if nobody has signed in
	N     int    // how often something was added
	Carts map[string]int
}

// Usage is what a process holds.
type Usage struct {
	Goroutines     int
	Sockets, Files int
	Heap           uint64 // bytes in use, after a garbage collection
	Resident       uint64 // bytes, with what C has allocated: SQLite's caches and statements
}

// Stopped is what there is after everything was closed.
type Stopped struct {
	Error          string
	Goroutines     string
	Sockets, Files int
}
