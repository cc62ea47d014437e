package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	modpath "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// publish writes the module in dir to the file system proxy, as a proxy would serve it after it has been tagged.
// See "go help goproxy" for the layout.
func publish(proxy, dir string, v modpath.Version) error {
	escaped, err := modpath.EscapePath(v.Path)
	if err != nil {
		return err
	}
	versions := filepath.Join(proxy, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"Version": v.Version, "Time": time.Now().UTC()})
	if err != nil {
		return err
	}
	goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		"list":              []byte(v.Version + "\n"),
		v.Version + ".info": info,
		v.Version + ".mod":  goMod,
	} {
		if err := os.WriteFile(filepath.Join(versions, name), text, 0o644); err != nil {
			return err
		}
	}
	return writeZip(filepath.Join(versions, v.Version+".zip"), dir, v)
}

func writeZip(name, dir string, v modpath.Version) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := zip.CreateFromDir(f, v, dir); err != nil {
		f.Close()
		return fmt.Errorf("zip of %s: %w", v.Path, err)
	}
	return f.Close()
}

// addLicense copies the repository's LICENSE into a module that has none, as the go command does
// when it makes a zip from a repository.
func addLicense(root, dir string) error {
	own := filepath.Join(dir, "LICENSE")
	if _, err := os.Stat(own); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return copyFile(filepath.Join(root, "LICENSE"), own)
}
