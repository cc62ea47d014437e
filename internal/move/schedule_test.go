package move_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/intercept"
	"gosession.dev/session/internal/move"
)

// Several processes work on one session, and the calls that they make to the two stores
// come in any order; one of these may fail. Each order is one of rapid's: a failing one
// is shortened.
func TestSchedules(t *testing.T) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && !t.Failed(); {
		rapid.Check(t, func(rt *rapid.T) {
			w := newWorld(rt)
			w.run()
			w.judge()
		})
	}
}

// act is what a process does with the session.
type act struct {
	verb     string
	letter   string // that it appends to the data, if it writes
	prepares bool   // it is at stage=prepare
}

func (a act) String() string { return fmt.Sprintf("%s%s prepares=%v", a.verb, a.letter, a.prepares) }

// renamed is the key of the session after a ChangeID.
func (a act) renamed() string { return "renamed-" + a.letter }

// do does it, and again after a conflict, as package session does.
func (a act) do(s *move.Store) error {
	ctx, err := context.Background(), driver.ErrConflict
	for tries := 0; errors.Is(err, driver.ErrConflict) && tries < 6; tries++ {
		err = a.try(ctx, s)
	}
	return err
}

func (a act) try(ctx context.Context, s *move.Store) error {
	switch a.verb {
	case "destroy":
		return s.Destroy(ctx, oldKey)
	case "destroy subject":
		return s.DestroySubject(ctx, "ada")
	case "sign out":
		return signOut(ctx, s)
	case "touch":
		return s.Touch(ctx, oldKey, time.Now().Add(2*time.Hour).UTC().Truncate(time.Millisecond))
	case "move":
		_, err := s.Move(ctx, oldKey)
		return err
	}
	r, err := s.Retrieve(ctx, oldKey)
	if err != nil || a.verb == "retrieve" {
		return err
	}
	r.Data = append(r.Data, a.letter...)
	if a.verb == "flush" {
		return s.Flush(ctx, r)
	}
	r.Key = a.renamed()
	return s.ChangeID(ctx, oldKey, r)
}

// signOut ends the session, whatever its key is by now.
func signOut(ctx context.Context, s *move.Store) error {
	for key := oldKey; ; {
		err := s.Destroy(ctx, key)
		if !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		rename, err := s.Renamed(ctx, key)
		if err != nil {
			return err
		}
		key = rename.To
	}
}

// world is the two stores and the processes.
type world struct {
	rt       *rapid.T
	to, from driver.Store
	acts     []act
	errs     []error
	fault    string // "", "fails", "dies" or "answer lost"
	faulty   int    // which process it concerns
	at       int    // which of its calls

	keepsMarks bool          // both stores do
	later      time.Duration // how much time has passed since, for both stores

	waiting []chan bool // of each process; it sends when it wants to make a call
	turns   []chan bool
	log     []string
}

func newWorld(rt *rapid.T) *world {
	w := &world{rt: rt}
	now := func() time.Time { return time.Now().Add(w.later) }
	w.to, w.from = memory.New(memory.Options{Now: now}), memory.New(memory.Options{Now: now})
	w.keepsMarks = rapid.Bool().Draw(rt, "new keeps marks")
	lists := rapid.Bool().Draw(rt, "new lists subjects")
	switch destroyer := w.to.(driver.SubjectDestroyer); {
	case !lists && w.keepsMarks:
		w.to = unlisted{w.to, destroyer, w.to.(driver.RenameTracker)}
	case !lists:
		w.to = unlistedUnmarking{w.to, destroyer}
	case !w.keepsMarks:
		w.to = listedUnmarking{w.to, destroyer, w.to.(driver.SubjectLister)}
	}
	if err := w.from.Create(context.Background(), newRecord(oldKey, "0")); err != nil {
		rt.Fatal(err)
	}
	calls := rapid.SampledFrom([]int{0, 3, 4, 9}).Draw(rt, "calls of a move before") // in old, frozen, in both, in new
	p := &process{calls: calls}
	_, _ = move.New(intercept.New(w.to, p.around), intercept.New(w.from, p.around)).Move(context.Background(), oldKey)
	verbs := []string{"retrieve", "flush", "rename", "destroy", "destroy subject", "touch", "move"}
	if w.keepsMarks {
		verbs = append(verbs, "sign out")
	}
	for i := range rapid.IntRange(2, 3).Draw(rt, "processes") {
		a := act{verb: rapid.SampledFrom(verbs).Draw(rt, "verb"), letter: string(rune('A' + i))}
		a.prepares = a.verb != "move" && rapid.Bool().Draw(rt, "prepares")
		w.acts = append(w.acts, a)
	}
	w.errs = make([]error, len(w.acts))
	w.fault = rapid.SampledFrom([]string{"", "fails", "dies", "answer lost"}).Draw(rt, "fault")
	w.faulty = rapid.IntRange(0, len(w.acts)-1).Draw(rt, "of process")
	w.at = rapid.IntRange(1, 10).Draw(rt, "at call")
	return w
}

// unlisted is a store that ends the sessions of a subject, and can't list them, as
// memcached is.
type unlisted struct {
	driver.Store
	driver.SubjectDestroyer
	driver.RenameTracker
}

// unlistedUnmarking and listedUnmarking are stores that keep no marks.
type (
	unlistedUnmarking struct {
		driver.Store
		driver.SubjectDestroyer
	}
	listedUnmarking struct {
		driver.Store
		driver.SubjectDestroyer
		driver.SubjectLister
	}
)

// run lets one process at a time make one call, whichever rapid chooses.
func (w *world) run() {
	running := map[int]bool{}
	for i := range w.acts {
		w.waiting, w.turns = append(w.waiting, make(chan bool)), append(w.turns, make(chan bool))
		running[i] = true
	}
	for i, a := range w.acts {
		calls := 0
		to := intercept.New(w.to, w.around(i, "new", &calls))
		from := intercept.New(w.from, w.around(i, "old", &calls))
		s := move.New(to, from)
		if a.prepares {
			s = move.Prepare(to, from)
		}
		go func() {
			w.errs[i] = a.do(s)
			close(w.waiting[i])
		}()
	}
	ready := map[int]bool{}
	for {
		for i := range running {
			if !ready[i] {
				_, more := <-w.waiting[i]
				ready[i] = more
				if !more {
					delete(running, i)
				}
			}
		}
		if len(running) == 0 {
			return
		}
		next := rapid.SampledFrom(slices.Sorted(maps.Keys(running))).Draw(w.rt, "next")
		ready[next] = false
		w.turns[next] <- true
	}
}

// around waits for the turn of a process before each of its calls.
func (w *world) around(i int, store string, calls *int) intercept.Around {
	return func(ctx context.Context, call string, do func(context.Context) error) error {
		w.waiting[i] <- true
		<-w.turns[i]
		*calls++
		hit := i == w.faulty && (*calls == w.at || *calls > w.at && w.fault == "dies")
		what := ""
		var err error
		if !hit || w.fault == "" || w.fault == "answer lost" {
			err = do(ctx)
		}
		if hit && w.fault != "" {
			err, what = errDied, w.fault
		}
		w.log = append(w.log, fmt.Sprintf("%d: %s.%s = %v %s", i, store, call, err, what))
		return err
	}
}

// judge compares what is left with what the processes were told.
func (w *world) judge() {
	ended, missed, subjectEnded, mayHaveEnded, mayHaveRenamed := 0, false, false, false, false
	signedOut, notSignedOut := false, false
	wrote, mayHaveWritten := "0", ""
	now, may := oldKey, []string{oldKey}
	for i, a := range w.acts {
		ok, unknown := w.errs[i] == nil, errors.Is(w.errs[i], errDied)
		if !ok && !unknown && !errors.Is(w.errs[i], driver.ErrNotFound) && !errors.Is(w.errs[i], driver.ErrConflict) {
			w.fatal("%v: error %v", a, w.errs[i])
		}
		missed = missed || errors.Is(w.errs[i], driver.ErrNotFound)
		switch {
		case a.verb == "sign out" && ok:
			signedOut, subjectEnded = true, true
		case a.verb == "sign out" && unknown:
			mayHaveEnded = true
		case a.verb == "sign out":
			notSignedOut = true
		case a.verb == "destroy" && ok:
			ended++
		case a.verb == "destroy subject" && ok:
			subjectEnded = true
		case strings.HasPrefix(a.verb, "destroy") && unknown:
			mayHaveEnded = true
		case a.verb == "rename" && ok:
			now = a.renamed()
			ended++ // no more than one is told that it has ended this key
		case a.verb == "rename" && unknown:
			mayHaveRenamed = true
			may = append(may, a.renamed())
		}
		if a.verb == "flush" || a.verb == "rename" {
			if ok {
				wrote += a.letter
			}
			if unknown {
				mayHaveWritten += a.letter
			}
		}
	}
	if ended > 1 {
		w.fatal("it has ended %d times", ended)
	}
	may = append(may, now)
	if now != oldKey && rapid.Bool().Draw(w.rt, "looks at marks") {
		w.judgeMark(now)
	}
	if rapid.Bool().Draw(w.rt, "looks without marks only") { // the first look completes what was left
		w.later = driver.MarkLifetime + time.Minute
	}
	found := w.find()
	w.later = driver.MarkLifetime + time.Minute
	if again := w.find(); !maps.Equal(found, again) {
		w.fatal("%v, and without marks %v", found, again)
	}
	w.moveRest()
	if again := w.find(); !maps.Equal(found, again) {
		w.fatal("%v, and after moving %v", found, again)
	}
	destroyed := slices.ContainsFunc(w.acts, func(a act) bool { return a.verb == "destroy" && w.errs[slices.Index(w.acts, a)] == nil })
	alive := ended == 0 && !subjectEnded && !mayHaveEnded && !mayHaveRenamed
	switch {
	case signedOut && len(found) > 0:
		w.fatal("the user has signed out, and the session is there: %v", found)
	case notSignedOut && !destroyed && !subjectEnded && !mayHaveEnded:
		w.fatal("the user could not sign out")
	case missed && alive:
		w.fatal("somebody has not found it")
	case subjectEnded && len(found) > 0 && !mayHaveRenamed:
		w.fatal("all of the subject have ended, and it is there: %v", found)
	case destroyed && found[oldKey] != "":
		w.fatal("it has ended, and is there: %v", found)
	case now != oldKey && found[oldKey] != "":
		w.fatal("it has been renamed, and is there: %v", found)
	case !destroyed && !subjectEnded && !mayHaveEnded && len(found) == 0:
		w.fatal("it is lost")
	case !destroyed && !subjectEnded && !mayHaveEnded && now != oldKey && found[now] == "":
		w.fatal("it is not under its new key: %v", found)
	}
	for key, data := range found {
		if !slices.Contains(may, key) {
			w.fatal("nobody has made %q", key)
		}
		for _, letter := range data {
			if !strings.ContainsRune(wrote+mayHaveWritten, letter) {
				w.fatal("nobody has written %q: %q", letter, data)
			}
		}
		for _, letter := range wrote {
			if key == now && !strings.ContainsRune(data, letter) {
				w.fatal("an update is lost: %q of %q", data, wrote)
			}
		}
	}
}

// judgeMark expects a mark that leads to a key, unless a store keeps none.
func (w *world) judgeMark(to string) {
	ctx, s := context.Background(), move.New(w.to, w.from)
	rename, err := s.Renamed(ctx, oldKey)
	switch {
	case !w.keepsMarks:
		if !errors.Is(err, errors.ErrUnsupported) {
			w.fatal("there are no marks in the new store, and Renamed = %v", err)
		}
	case err != nil || rename.To != to:
		w.fatal("it was renamed to %q, and Renamed = %q, %v", to, rename.To, err)
	default:
		for _, stage := range []*move.Store{s, move.Prepare(w.to, w.from)} {
			if err := stage.Destroy(ctx, oldKey); !errors.Is(err, driver.ErrNotFound) {
				w.fatal("Destroy of a marked key = %v", err)
			}
			if err := stage.Create(ctx, newRecord(oldKey, "x")); !errors.Is(err, driver.ErrExists) {
				w.fatal("Create onto a marked key = %v", err)
			}
		}
		if rename, err := s.Renamed(ctx, oldKey); err != nil || rename.To != to {
			w.fatal("Destroy or Create has ended a mark: %q, %v", rename.To, err)
		}
	}
}

// find returns the data of what there is, by key.
func (w *world) find() map[string]string {
	found := map[string]string{}
	s := move.New(w.to, w.from)
	for key, err := range s.Sessions(context.Background()) {
		if err != nil {
			w.fatal("listing: %v", err)
		}
		r, err := s.Retrieve(context.Background(), key)
		if err != nil {
			w.fatal("%q is listed: %v", key, err)
		}
		found[key] = string(r.Data)
	}
	return found
}

// moveRest moves what is left in the old store.
func (w *world) moveRest() {
	for key := range w.from.Sessions(context.Background()) {
		if _, err := move.New(w.to, w.from).Move(context.Background(), key); err != nil {
			w.fatal("moving %q: %v", key, err)
		}
	}
	for key := range w.from.Sessions(context.Background()) {
		w.fatal("%q is left in the old store", key)
	}
}

func (w *world) fatal(format string, args ...any) {
	w.rt.Helper()
	w.rt.Fatalf("%s\n%v, fault %q\n%s", fmt.Sprintf(format, args...), w.acts, w.fault, strings.Join(w.log, "\n"))
}
