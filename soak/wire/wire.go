// Package wire has the messages, in JSON, from the application to the soak test.
package wire

// View is what a page shows about its session.
type View struct {
	Born  string         // the name of the session, which it keeps when its ID changes
	User  string         // "" if nobody has signed in
	N     int            // the counter
	Carts map[string]int // the last value that each tab has put into its cart
}

// Usage is the resources that a process uses.
type Usage struct {
	Goroutines     int
	Sockets, Files int
	Heap           uint64 // bytes in use, after a garbage collection
	Resident       uint64 // bytes, including memory that C has allocated, such as SQLite's caches
}

// Stopped is what a process still has open after it has closed everything. It is the zero value if
// nothing is left.
type Stopped struct {
	Error          string // from closing
	Goroutines     string // the stacks of those that are left
	Sockets, Files int    // more than at the start of the process
}
