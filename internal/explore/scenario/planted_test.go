package scenario_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planted is a fault of package session with which a scenario must fail. The tests are compiled
// once more with all faults in place, and an environment variable switches one of them on.
type planted struct {
	name     string
	file     string
	right    string // a text of the file
	wrong    string // replaces right; FAULT stands for whether the fault is switched on
	scenario string // the test that must fail
}

var plantedFaults = []planted{
	{"a stale sign-in is stored", "confirm.go",
		`} else if number != p.signIn.mark {`,
		`} else if number != p.signIn.mark && !FAULT {`,
		"TestExploreDestroy/destroy subject and sign in"},
	{"an error of reading a subject mark is ignored", "confirm.go",
		"number, err := s.f.subjectMark(ctx, p.signIn.subject)\n",
		"number, err := s.f.subjectMark(ctx, p.signIn.subject)\nif FAULT && err != nil {\nnumber, err = p.signIn.mark, nil\n}\n",
		"TestExploreDestroy/destroy subject and sign in"},
	{"Destroy does not follow marks", "destroy.go",
		`key = later`,
		`if FAULT { return ErrNotFound }; key = later`,
		"TestExploreDestroy/destroy and change ID"},
	{"a request with an old ID gets a new session", "renamed.go",
		`return arrived <= renamedAt+overtakes || hasBody`,
		`return !FAULT && (arrived <= renamedAt+overtakes || hasBody)`,
		"TestExploreSignIn/sign in and write"},
	{"a write without an answer counts as failed", "errors.go",
		"func isUnknown(err error) bool {\n\tif err == nil {",
		"func isUnknown(err error) bool {\n\tif FAULT || err == nil {",
		"TestExploreSignIn/double click"},
	{"a record under the new key counts as a completed change of the ID", "unanswered.go",
		`old, err := m.f.fetch(m.ctx, p.oldKey)`,
		`if FAULT { if ours, err := m.isOurs(p); ours || err != nil { return err } }; old, err := m.f.fetch(m.ctx, p.oldKey)`,
		"TestExploreSignIn/double click"},
	{"write numbers are ignored", "unanswered.go",
		`if found.Has(t.number) {`,
		`if found.Has(t.number) && !FAULT {`,
		"TestExploreTake/update and update"},
	{"Take returns the value of its first read", "value.go",
		"t.data = nil\n\t\tif t.missed = !ok;",
		"if FAULT && !ok && t.data != nil { return nil }\nt.data = nil\nif t.missed = !ok;",
		"TestExploreTake/take and take"},
	{"Pop removes a value that it has not read", "value.go",
		`ok && values.Same[T](c, data, p.data) {`,
		`ok && (FAULT || values.Same[T](c, data, p.data)) {`,
		"TestExploreTake/two pops and an append"},
	{"a sign-in is dropped with its session", "identity.go",
		`begins := s.phase == live &&`,
		`begins := !FAULT && s.phase == live &&`,
		"TestExploreSignIn/double click"},
	{"a session that was ended on purpose begins again", "identity.go",
		`s.stored.subject != in.subject`,
		`(s.stored.subject != in.subject || FAULT)`,
		"TestExploreDestroy/destroy and sign in again"},
	{"a new session inherits from the one that has ended", "identity.go",
		`anew := newState(now)`,
		`anew := newState(now); if FAULT { s.mu.Lock(); anew = s.state.clone(); s.mu.Unlock() }`,
		"TestExploreDestroy/destroy and sign in"},
	{"an error response has no cookie", "commit.go",
		`if s := x.close(); s != nil {`,
		`if s := x.close(); s != nil && !FAULT {`,
		"TestExploreSignIn/sign in, then write"},
	{"MaxPerSubject is not checked again", "limit.go",
		`err := check(ctx, p)`,
		`if FAULT { return nil }; err := check(ctx, p)`,
		"TestExploreSignIn/two browsers, one seat, others refused"},
	{"a dropped sign-in is answered 200", "exchange.go",
		`if tooLate && !signsIn {`,
		`if tooLate && (FAULT || !signsIn) {`,
		"TestExploreDestroy/destroy and sign in again"},
}

// switchFile is the file that defines the switch of each fault.
const switchFile = `package session

import "os"

var plantedFault = os.Getenv("SESSION_PLANTED")

func planted(fault string) bool { return fault == plantedFault }
`

// compilePlanted compiles the tests with all faults in place, and returns the program's path.
func compilePlanted(t *testing.T) string {
	dir := t.TempDir()
	root, err := filepath.Abs("../../..") // the directory of package session
	require.NoError(t, err)
	texts := map[string]string{"planted_switches.go": switchFile}
	for _, p := range plantedFaults {
		if texts[p.file] == "" {
			text, err := os.ReadFile(filepath.Join(root, p.file))
			require.NoError(t, err)
			texts[p.file] = string(text)
		}
		require.Equal(t, 1, strings.Count(texts[p.file], p.right),
			"fault %q: the text that it replaces must occur once in %s; if the file has changed, change the fault too", p.name, p.file)
		wrong := strings.ReplaceAll(p.wrong, "FAULT", fmt.Sprintf("planted(%q)", p.name))
		texts[p.file] = strings.Replace(texts[p.file], p.right, wrong, 1)
	}
	replace := map[string]string{}
	for file, text := range texts {
		replace[filepath.Join(root, file)] = filepath.Join(dir, file)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600))
	program := filepath.Join(dir, "planted.test")
	out, err := exec.Command("go", "test", "-c", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

func TestExploreFindsPlantedFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("this test compiles the tests of this package once more")
	}
	program := compilePlanted(t)
	run := func(fault, scenario string) (string, error) {
		test, name, _ := strings.Cut(scenario, "/")
		cmd := exec.Command(program, "-test.failfast", "-test.timeout", "20m", "-test.run", "^"+test+"$/^"+name+"$")
		cmd.Env = append(os.Environ(), "SESSION_PLANTED="+fault)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, p := range plantedFaults {
		t.Run(p.name, func(t *testing.T) {
			out, err := run(p.name, p.scenario)
			require.Error(t, err, "%s does not fail with the fault:\n%s", p.scenario, out)
			require.Contains(t, out, "SESSION_SCHEDULE=", "the test fails for another reason")
			_, found, _ := strings.Cut(out, "SESSION_SCHEDULE=")
			found, _, _ = strings.Cut(found, "--- ")
			t.Log(found)
		})
	}
}
