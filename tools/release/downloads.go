package main

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// downloads counts the files that a proxy has sent to an empty module cache.
type downloads struct {
	modules int   // modules whose zip was sent
	goMods  int   // modules of which only the go.mod was sent
	bytes   int64 // the size of all .zip, .mod and .info files; the checksum database does not count
}

// countDownloads counts the files in a module cache that was empty before.
func countDownloads(cache string) (downloads, error) {
	var sent downloads
	mods := 0
	dir := filepath.Join(cache, "cache", "download")
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if filepath.Base(filepath.Dir(name)) != "@v" {
			return nil
		}
		switch filepath.Ext(name) {
		case ".zip":
			sent.modules++
		case ".mod":
			mods++
		case ".info":
		default: // the go command itself writes .ziphash, .lock and list
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		sent.bytes += info.Size()
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	sent.goMods = mods - sent.modules
	return sent, err
}

func (d downloads) megabytes() float64 { return float64(d.bytes) / 1e6 }
