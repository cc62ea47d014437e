//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filedriver_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
	"gosession.dev/session/examples/filedriver"
)

var target = drivertest.Target{
	Driver: filedriver.Driver{},
	DSN:    func(t testing.TB) string { return t.TempDir() },
	BadDSN: []string{"", "sessions?mode=0700", "sessions\x00"},
	DownDSN: func(t testing.TB) (dsn string, up func()) {
		blocked := filepath.Join(t.TempDir(), "mount")
		plant(t, blocked, "a file where a directory has to be")
		return filepath.Join(blocked, "sessions"), func() { os.Remove(blocked) }
	},
	Neighbours: func(t testing.TB) (a, b string) {
		dir := t.TempDir()
		return filepath.Join(dir, "app"), filepath.Join(dir, "app2")
	},
	Count: func(t testing.TB, dsn string) int {
		files, err := os.ReadDir(dsn)
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	},
	Corrupt: map[string]func(t testing.TB, dsn, key string){
		"empty": func(t testing.TB, dsn, key string) { plant(t, fileOf(dsn, key), "") },
		"text":  func(t testing.TB, dsn, key string) { plant(t, fileOf(dsn, key), `{"cart":3}`) },
		"cut off": func(t testing.TB, dsn, key string) {
			plant(t, fileOf(dsn, key), "\x81\x00\x00\x00\x00\x00\x00\x00\x01")
		},
	},
}

func fileOf(dir, key string) string { return filepath.Join(dir, hex.EncodeToString([]byte(key))) }

func plant(t testing.TB, name, content string) {
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, target) }

func TestHistories(t *testing.T) { histories.Run(t, target, 3*time.Second) }
