package sqlite

// filesystems are the names of SQLite's VFSs that store files.
var filesystems = []string{"win32", "win32-longpath", "win32-none", "win32-longpath-none"}
