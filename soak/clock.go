package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The application is built with a clock that is wrong by as many seconds as the environment
// variable SOAK_CLOCK says. All of its code sees that clock, as on a machine with a wrong clock.

const (
	rightClock = "sec, nsec, mono := runtimeNow()\n"
	wrongClock = rightClock + "\tsec += wrongBy\n"
	howWrong   = `
var wrongBy = func() int64 {
	text, _ := syscall.Getenv("SOAK_CLOCK")
	by, _ := atoi(text)
	return int64(by)
}()
`
)

// overlay writes a copy of time.go of package time with the wrong clock into dir. It returns the
// file for the -overlay flag of go build.
func overlay(dir string) (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	changed := strings.Replace(string(text), rightClock, wrongClock, 1) + howWrong
	if !strings.Contains(changed, wrongClock) {
		return "", fmt.Errorf("%s has a time.Now that overlay does not know; adapt rightClock in clock.go", runtime.Version())
	}
	if !strings.Contains(changed, "\t\"syscall\"\n") {
		changed = strings.Replace(changed, "import (\n", "import (\n\t\"syscall\"\n", 1)
	}
	replacement := filepath.Join(dir, "time.go")
	if err := os.WriteFile(replacement, []byte(changed), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replacement}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, list, 0o600)
}
