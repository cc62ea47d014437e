//go:build !windows

package sqlite

// filesystems are the names of SQLite's VFSs that store files.
var filesystems = []string{"unix", "unix-dotfile", "unix-excl", "unix-none"}
