package sqlite

import (
	"os"
	"syscall"
)

// openPath opens a file without access to its content (O_PATH), so that closing it does not
// release the locks that the process has on the file, as closing any other descriptor would.
const openPath = 0x200000

// pin opens the file under path, so that no other file gets its inode number, by which stores
// recognize it. It returns nil if the file can't be pinned.
func pin(path string) *os.File {
	file, err := os.OpenFile(path, openPath|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return file
}
