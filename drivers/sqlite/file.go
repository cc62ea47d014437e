package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// errMoved is the error of each call while the file is not the one that the store opened.
const errMoved = fileError("the file was deleted, replaced or moved while the store is open: put it back, or end all processes that use it and start them again")

// creating is held while a store creates and closes a file, and while another looks for its file.
// Closing a file releases all locks that the process has on it, SQLite's included.
var creating sync.Mutex

// create creates an empty file with mode 0600 unless the file exists. SQLite itself would create a
// file that other users can read. The caller holds creating.
func create(path string) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fileError("the file can't be created: its directory does not exist")
	case err != nil:
		return fileError("the file can't be created: " + cause(err))
	}
	err = file.Chmod(0o600) // the umask may have removed bits
	if err := errors.Join(err, file.Close()); err != nil {
		return fileError("the file can't be created: " + cause(err))
	}
	return nil
}

// absolute returns the absolute form of path. It does not resolve ".." elements: after a symbolic
// link, ".." is the parent of the directory that the link leads to.
func absolute(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	if runtime.GOOS == "windows" { // where a name may be relative to a drive
		return filepath.Abs(path)
	}
	dir, err := os.Getwd()
	return dir + string(filepath.Separator) + path, err
}

// target follows symbolic links, and returns the first path that is not a link.
func target(path string) (string, error) {
	const most = 40
	for range most {
		link, err := os.Readlink(path)
		if err != nil {
			return path, nil // not a link, or no such file
		}
		if !filepath.IsAbs(link) {
			dir, _ := filepath.Split(path)
			link = dir + link // filepath.Join would resolve "..", see absolute
		}
		path = link
	}
	return "", fileError("the file can't be opened: too many symbolic links")
}

// look returns the file under path, or nil if there is none.
func look(path string) (os.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fileError("the file can't be opened: " + cause(err))
	case info.IsDir():
		return nil, fileError("the file can't be opened: it is a directory")
	case !info.Mode().IsRegular():
		return nil, fileError("the file can't be opened: it is not a regular file")
	}
	return info, nil
}

// cause returns the text of an error without the name of the file.
func cause(err error) string {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	return err.Error()
}
