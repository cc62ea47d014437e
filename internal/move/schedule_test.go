package move_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/move"
)

// scheduleSeed replays a schedule whose seed a failure has printed.
var scheduleSeed = flag.Uint64("schedule", 0, "play only the schedule with this seed in TestSchedules")

// Several processes work on one session, and their calls of the two stores are made in random
// order. One of the calls may fail.
func TestSchedules(t *testing.T) {
	if *scheduleSeed != 0 {
		playSchedule(t, *scheduleSeed)
		return
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		playSchedule(t, rand.Uint64())
	}
}

func playSchedule(t *testing.T, seed uint64) {
	w := newWorld(t, seed)
	w.run()
	w.judge()
}

// act is the operation of one process on the session.
type act struct {
	verb     string
	letter   string // a write appends it to the data
	prepares bool   // the process uses a Store of Prepare
}

func (a act) String() string { return fmt.Sprintf("%s%s prepares=%v", a.verb, a.letter, a.prepares) }

// renamed is the session's key after the ChangeID of a.
func (a act) renamed() string { return "renamed-" + a.letter }

// do does a, and retries after a conflict, as package session does.
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

// signOut ends the session, and follows marks to its current key.
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
	t        *testing.T
	seed     uint64
	random   *rand.Rand // makes all choices
	to, from driver.Store
	acts     []act
	errs     []error
	fault    string // "", "fails", "dies" or "answer lost"
	faulty   int    // the process with the fault
	at       int    // its call with the fault

	keepsMarks bool          // both stores keep marks
	later      time.Duration // how far the clocks of both stores are ahead

	waiting []chan bool // by process, which sends before it makes a call
	turns   []chan bool // by process, which receives when it may make the call
	log     []string
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 0))}
	now := func() time.Time { return time.Now().Add(w.later) }
	w.to, w.from = memory.New(memory.Options{Now: now}), memory.New(memory.Options{Now: now})
	w.keepsMarks = w.coin()
	lists := w.coin()
	switch destroyer := w.to.(driver.SubjectDestroyer); {
	case !lists && w.keepsMarks:
		w.to = unlisted{w.to, destroyer, w.to.(driver.RenameTracker)}
	case !lists:
		w.to = unlistedUnmarking{w.to, destroyer}
	case !w.keepsMarks:
		w.to = listedUnmarking{w.to, destroyer, w.to.(driver.SubjectLister)}
	}
	if err := w.from.Create(context.Background(), newRecord(oldKey, "0")); err != nil {
		t.Fatal(err)
	}
	calls := choose(w, 0, 3, 4, 9) // calls of an earlier move: the record is in old, frozen, in both, or in new
	p := &process{calls: calls}
	_, _ = move.New(intercept.New(w.to, p.around), intercept.New(w.from, p.around)).Move(context.Background(), oldKey)
	verbs := []string{"retrieve", "flush", "rename", "destroy", "destroy subject", "touch", "move"}
	if w.keepsMarks {
		verbs = append(verbs, "sign out")
	}
	for i := range 2 + w.random.IntN(2) {
		a := act{verb: choose(w, verbs...), letter: string(rune('A' + i))}
		a.prepares = a.verb != "move" && w.coin()
		w.acts = append(w.acts, a)
	}
	w.errs = make([]error, len(w.acts))
	w.fault = choose(w, "", "fails", "dies", "answer lost")
	w.faulty = w.random.IntN(len(w.acts))
	w.at = 1 + w.random.IntN(10)
	return w
}

func (w *world) coin() bool { return w.random.IntN(2) == 0 }

func choose[T any](w *world, from ...T) T { return from[w.random.IntN(len(from))] }

// unlisted is a store that can end the sessions of a subject but not list them, like memcached.
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

// run lets one process at a time make one call, chosen at random.
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
		next := choose(w, slices.Sorted(maps.Keys(running))...)
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

// judge checks that the sessions that are left agree with the results that the processes got.
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
			ended++ // a rename ends the old key, and only one call may have ended it
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
		w.fatal("%d calls have ended the session; want at most 1", ended)
	}
	may = append(may, now)
	if now != oldKey && w.coin() {
		w.judgeMark(now)
	}
	if w.coin() { // find completes moves that are under way, now or after the marks have expired
		w.later = driver.MarkLifetime + time.Minute
	}
	found := w.find()
	w.later = driver.MarkLifetime + time.Minute
	if again := w.find(); !maps.Equal(found, again) {
		w.fatal("sessions are %v, and after the marks have expired %v; want the same", found, again)
	}
	w.moveRest()
	if again := w.find(); !maps.Equal(found, again) {
		w.fatal("sessions are %v, and after the rest has moved %v; want the same", found, again)
	}
	destroyed := slices.ContainsFunc(w.acts, func(a act) bool { return a.verb == "destroy" && w.errs[slices.Index(w.acts, a)] == nil })
	alive := ended == 0 && !subjectEnded && !mayHaveEnded && !mayHaveRenamed
	switch {
	case signedOut && len(found) > 0:
		w.fatal("sessions after the sign-out are %v; want none", found)
	case notSignedOut && !destroyed && !subjectEnded && !mayHaveEnded:
		w.fatal("the sign-out did not find the session")
	case missed && alive:
		w.fatal("a process did not find the session, which is alive")
	case subjectEnded && len(found) > 0 && !mayHaveRenamed:
		w.fatal("sessions after DestroySubject are %v; want none", found)
	case destroyed && found[oldKey] != "":
		w.fatal("sessions after Destroy are %v; want none under %q", found, oldKey)
	case now != oldKey && found[oldKey] != "":
		w.fatal("sessions after ChangeID are %v; want none under %q", found, oldKey)
	case !destroyed && !subjectEnded && !mayHaveEnded && len(found) == 0:
		w.fatal("the session is lost")
	case !destroyed && !subjectEnded && !mayHaveEnded && now != oldKey && found[now] == "":
		w.fatal("sessions after ChangeID are %v; want one under %q", found, now)
	}
	for key, data := range found {
		if !slices.Contains(may, key) {
			w.fatal("no process has created a session under %q", key)
		}
		for _, letter := range data {
			if !strings.ContainsRune(wrote+mayHaveWritten, letter) {
				w.fatal("data is %q, and no process has written %q", data, letter)
			}
		}
		for _, letter := range wrote {
			if key == now && !strings.ContainsRune(data, letter) {
				w.fatal("an update is lost: data is %q; want the letters of %q", data, wrote)
			}
		}
	}
}

// judgeMark expects a mark under the old key that leads to a key, provided that both stores keep
// marks.
func (w *world) judgeMark(to string) {
	ctx, s := context.Background(), move.New(w.to, w.from)
	rename, err := s.Renamed(ctx, oldKey)
	switch {
	case !w.keepsMarks:
		if !errors.Is(err, errors.ErrUnsupported) {
			w.fatal("Renamed = %v without marks in the new store; want errors.ErrUnsupported", err)
		}
	case err != nil || rename.To != to:
		w.fatal("Renamed(%q) = %q, %v; want %q, nil", oldKey, rename.To, err, to)
	default:
		for _, stage := range []*move.Store{s, move.Prepare(w.to, w.from)} {
			if err := stage.Destroy(ctx, oldKey); !errors.Is(err, driver.ErrNotFound) {
				w.fatal("Destroy of a key with a mark = %v; want ErrNotFound", err)
			}
			if err := stage.Create(ctx, newRecord(oldKey, "x")); !errors.Is(err, driver.ErrExists) {
				w.fatal("Create of a key with a mark = %v; want ErrExists", err)
			}
		}
		if rename, err := s.Renamed(ctx, oldKey); err != nil || rename.To != to {
			w.fatal("Renamed(%q) after Destroy and Create = %q, %v; want %q, nil", oldKey, rename.To, err, to)
		}
	}
}

// find returns the data of all sessions, by key.
func (w *world) find() map[string]string {
	found := map[string]string{}
	s := move.New(w.to, w.from)
	for key, err := range s.Sessions(context.Background()) {
		if err != nil {
			w.fatal("Sessions yields %v; want nil", err)
		}
		r, err := s.Retrieve(context.Background(), key)
		if err != nil {
			w.fatal("Retrieve(%q) = %v, and Sessions lists it; want nil", key, err)
		}
		found[key] = string(r.Data)
	}
	return found
}

// moveRest moves all records that are left in the old store.
func (w *world) moveRest() {
	for key := range w.from.Sessions(context.Background()) {
		if _, err := move.New(w.to, w.from).Move(context.Background(), key); err != nil {
			w.fatal("Move(%q) = %v; want nil", key, err)
		}
	}
	for key := range w.from.Sessions(context.Background()) {
		w.fatal("the old store still has %q after all its records were moved", key)
	}
}

func (w *world) fatal(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\nprocesses %v, fault %q\n%s\nreplay with -run TestSchedules -schedule %d",
		fmt.Sprintf(format, args...), w.acts, w.fault, strings.Join(w.log, "\n"), w.seed)
}
