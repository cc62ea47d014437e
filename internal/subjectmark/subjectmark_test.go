package subjectmark_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/move"
	"gosession.dev/session/internal/subjectmark"
)

func open(t testing.TB) driver.Store {
	t.Helper()
	store := memory.New(memory.Options{})
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func write(t testing.TB, store subjectmark.Store, subject string, lifetime time.Duration) {
	t.Helper()
	now := time.Now()
	require.NoError(t, subjectmark.Write(t.Context(), store, subject, now, now.Add(lifetime)))
}

func read(t testing.TB, store subjectmark.Store, subject string) uint64 {
	t.Helper()
	n, err := subjectmark.Read(t.Context(), store, subject)
	require.NoError(t, err)
	return n
}

// Every write gives one subject a new number.
func TestNumbers(t *testing.T) {
	store := open(t)
	seen := map[uint64]bool{0: true}
	require.Zero(t, read(t, store, "ada"))
	for range 100 {
		write(t, store, "ada", subjectmark.Lifetime)
		n := read(t, store, "ada")
		require.False(t, seen[n], "%d again", n)
		require.Equal(t, n, read(t, store, "ada"))
		seen[n] = true
	}
	require.Zero(t, read(t, store, "bob"))
	require.Zero(t, read(t, store, ""))
}

// Marks comply with the rules of package driver for keys and records.
func TestRecord(t *testing.T) {
	store := open(t)
	for _, subject := range []string{"", "ada", "user:42", strings.Repeat("\u00e4", 127), "-_ \n"} {
		require.Regexp(t, `^subject-[A-Za-z0-9_-]{43}$`, subjectmark.Key(subject), "51 characters of the alphabet of keys, of at most 64")
		require.Equal(t, subjectmark.Key(subject), subjectmark.Key(subject))
		write(t, store, subject, subjectmark.Lifetime)
		r, err := store.Retrieve(t.Context(), subjectmark.Key(subject))
		require.NoError(t, err)
		require.Empty(t, r.Subject, "otherwise the subject's sessions would include the mark")
		require.Less(t, len(r.Meta), 1<<10)
		require.True(t, json.Valid(r.Data))
		if subject != "" {
			require.NotContains(t, string(r.Data)+string(r.Meta), subject)
		}
		for _, at := range []time.Time{r.Created, r.Expires} {
			require.Equal(t, at.UTC().Truncate(time.Millisecond), at)
		}
	}
	require.Equal(t, "subject-_e5DDUC9V97qwYbNl5ADPQ8G-QmogG585ucXq3x9UCk", subjectmark.Key("ada"), "all processes must compute the same key")
	require.NotEqual(t, subjectmark.Key("ada"), subjectmark.Key("Ada"))
}

// A mark is kept until the latest expiry that a write has asked for.
func TestKeptUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := open(t)
		write(t, store, "ada", 30*24*time.Hour)
		write(t, store, "ada", subjectmark.Lifetime)
		last := read(t, store, "ada")
		time.Sleep(30*24*time.Hour - time.Millisecond)
		require.Equal(t, last, read(t, store, "ada"), "the second write does not shorten it")
		time.Sleep(time.Millisecond)
		require.Zero(t, read(t, store, "ada"))

		write(t, store, "ada", subjectmark.Lifetime)
		require.NotEqual(t, last, read(t, store, "ada"))
		time.Sleep(subjectmark.Lifetime - time.Millisecond)
		write(t, store, "ada", subjectmark.Lifetime)
		time.Sleep(subjectmark.Lifetime - time.Millisecond)
		require.NotZero(t, read(t, store, "ada"), "the second write lengthens it")
	})
}

// With concurrent writers, the number changes for each of them and is kept as long as the longest
// request.
func TestWritersAtOnce(t *testing.T) {
	for range 50 {
		store, now := open(t), time.Now()
		var last uint64
		for range 3 { // the first round creates the mark, the others change it
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					if err := subjectmark.Write(t.Context(), store, "ada", now, now.Add(time.Duration(i+1)*time.Hour)); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			n := read(t, store, "ada")
			require.NotEqual(t, last, n)
			last = n
			r, err := store.Retrieve(t.Context(), subjectmark.Key("ada"))
			require.NoError(t, err)
			require.Equal(t, now.Add(8*time.Hour).UTC().Truncate(time.Millisecond), r.Expires)
		}
	}
}

// racing is a store that calls before ahead of each call, and counts the calls.
type racing struct {
	driver.Store
	before func(call string) error
	calls  map[string]int
}

func race(t testing.TB, before func(s *racing, call string) error) *racing {
	s := &racing{Store: open(t), calls: map[string]int{}}
	s.before = func(call string) error {
		if s.calls[call]++; before == nil {
			return nil
		}
		return before(s, call)
	}
	return s
}

func (s *racing) Create(ctx context.Context, r *driver.Record) error {
	if err := s.before("Create"); err != nil {
		return err
	}
	return s.Store.Create(ctx, r)
}

func (s *racing) Flush(ctx context.Context, r *driver.Record) error {
	if err := s.before("Flush"); err != nil {
		return err
	}
	return s.Store.Flush(ctx, r)
}

func (s *racing) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	if err := s.before("Retrieve"); err != nil {
		return nil, err
	}
	return s.Store.Retrieve(ctx, key)
}

// If another process has just written the mark, its number serves without a second write, unless
// the mark would expire too early.
func TestOvertaken(t *testing.T) {
	for name, tt := range map[string]struct {
		exists bool
		other  time.Duration
		want   time.Duration
		writes map[string]int
	}{
		"created":             {false, 2 * time.Hour, 2 * time.Hour, map[string]int{"Create": 1, "Retrieve": 2}},
		"changed":             {true, 2 * time.Hour, 2 * time.Hour, map[string]int{"Flush": 1, "Retrieve": 2}},
		"created for shorter": {false, time.Minute, time.Hour, map[string]int{"Create": 1, "Flush": 1, "Retrieve": 2}},
		"changed for shorter": {true, time.Minute, time.Hour, map[string]int{"Flush": 2, "Retrieve": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now().UTC().Truncate(time.Millisecond)
			var before, others uint64
			s := race(t, func(s *racing, call string) error {
				if call != "Retrieve" && others == 0 {
					require.NoError(t, subjectmark.Write(t.Context(), s.Store, "ada", now, now.Add(tt.other)))
					others = read(t, s.Store, "ada")
				}
				return nil
			})
			if tt.exists {
				write(t, s.Store, "ada", 30*time.Second)
				before = read(t, s.Store, "ada")
			}
			require.NoError(t, subjectmark.Write(t.Context(), s, "ada", now, now.Add(time.Hour)))
			require.Equal(t, tt.writes, s.calls)
			r, err := s.Store.Retrieve(t.Context(), subjectmark.Key("ada"))
			require.NoError(t, err)
			require.Equal(t, now.Add(tt.want), r.Expires)
			require.NotEqual(t, before, read(t, s, "ada"))
			require.Equal(t, tt.other > time.Hour, others == read(t, s, "ada"))
		})
	}
}

// A mark that moves to another backend during a Write gets another version and keeps its number.
// Write does not take this conflict for the write of another process.
func TestMovedMeanwhile(t *testing.T) {
	from, to := open(t), open(t)
	both := move.New(to, from)
	write(t, from, "ada", subjectmark.Lifetime)
	before := read(t, both, "ada")
	moved := false
	s := race(t, func(_ *racing, call string) (err error) {
		if call == "Flush" && !moved {
			moved, err = both.Move(t.Context(), subjectmark.Key("ada"))
		}
		return err
	})
	s.Store = both
	write(t, s, "ada", subjectmark.Lifetime)
	require.True(t, moved)
	require.NotEqual(t, before, read(t, both, "ada"))
	require.NotZero(t, read(t, to, "ada"))
	require.Zero(t, read(t, from, "ada"))
	require.Equal(t, 2, s.calls["Flush"])
}

// A mark that expires between the read and the write is created anew.
func TestExpiresMeanwhile(t *testing.T) {
	s := race(t, func(s *racing, call string) error {
		if call != "Flush" {
			return nil
		}
		return s.Store.Destroy(t.Context(), subjectmark.Key("ada"))
	})
	write(t, s.Store, "ada", subjectmark.Lifetime)
	before := read(t, s.Store, "ada")
	write(t, s, "ada", subjectmark.Lifetime)
	require.NotContains(t, []uint64{0, before}, read(t, s, "ada"))
	require.Equal(t, 1, s.calls["Create"])
}

// A store that refuses a write although nothing has changed is an outage, after two reads. The
// error never reads as the end of a session.
func TestRefused(t *testing.T) {
	for _, refusal := range []error{driver.ErrConflict, driver.ErrExists, driver.ErrNotFound} {
		for _, exists := range []bool{false, true} {
			s := race(t, func(_ *racing, call string) error {
				if call == "Retrieve" {
					return nil
				}
				return refusal
			})
			if exists {
				write(t, s.Store, "ada", subjectmark.Lifetime)
			}
			before := read(t, s.Store, "ada")
			err := subjectmark.Write(t.Context(), s, "ada", time.Now(), time.Now().Add(subjectmark.Lifetime))
			require.ErrorContains(t, err, "can't be written: "+refusal.Error())
			require.NotErrorIs(t, err, refusal)
			require.Equal(t, 2, s.calls["Retrieve"])
			require.Equal(t, 1, s.calls["Create"]+s.calls["Flush"])
			require.Equal(t, before, read(t, s, "ada"))
		}
	}
}

// Write returns any other error of the store without a retry.
func TestOutage(t *testing.T) {
	outage := errors.New("connection refused")
	for _, failing := range []string{"Retrieve", "Create", "Flush"} {
		s := race(t, func(_ *racing, call string) error {
			if call == failing {
				return outage
			}
			return nil
		})
		if failing == "Flush" {
			write(t, s.Store, "ada", subjectmark.Lifetime)
		}
		require.Equal(t, outage, subjectmark.Write(t.Context(), s, "ada", time.Now(), time.Now().Add(subjectmark.Lifetime)), failing)
		require.Equal(t, 1, s.calls[failing])
		_, err := subjectmark.Read(t.Context(), s, "ada")
		require.Equal(t, failing == "Retrieve", errors.Is(err, outage), failing)
	}
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store := open(t)
	require.ErrorIs(t, subjectmark.Write(ctx, store, "ada", time.Now(), time.Now().Add(subjectmark.Lifetime)), context.Canceled)
	_, err := subjectmark.Read(ctx, store, "ada")
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, read(t, store, "ada"))
}

// metaMark begins the Meta of a mark.
const metaMark = "\x00subject\x00"

// A malformed mark has a number that no other mark has, so that it prevents no sign-in. Write
// replaces it, which changes the number.
func TestCorrupt(t *testing.T) {
	for _, meta := range []string{"", "?", metaMark, metaMark + "1234567", metaMark + "123456789", "\x00Subject\x0012345678"} {
		store, now := open(t), time.Now().UTC().Truncate(time.Millisecond)
		require.NoError(t, store.Create(t.Context(), &driver.Record{Key: subjectmark.Key("ada"), Data: []byte("{}"), Meta: []byte(meta), Created: now, Expires: now.Add(time.Hour)}))
		before := read(t, store, "ada")
		require.NotZero(t, before, "%q", meta)
		write(t, store, "ada", subjectmark.Lifetime)
		require.NotContains(t, []uint64{0, before}, read(t, store, "ada"))
	}
}

// damaged is a store that can't read a mark until the mark is removed.
type damaged struct {
	driver.Store
	removed bool
	stays   bool // Destroy has no effect
}

func (s *damaged) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	if !s.removed || s.stays {
		return nil, driver.ErrCorrupt
	}
	return s.Store.Retrieve(ctx, key)
}

func (s *damaged) Create(ctx context.Context, r *driver.Record) error {
	if !s.removed || s.stays {
		return driver.ErrExists
	}
	return s.Store.Create(ctx, r)
}

func (s *damaged) Destroy(ctx context.Context, key string) error {
	s.removed = true
	return nil
}

// Write removes a mark that the store can't read. If the store does not remove it, that is an
// outage.
func TestCorruptToTheStore(t *testing.T) {
	s := &damaged{Store: open(t)}
	before := read(t, s, "ada")
	require.NotZero(t, before)
	require.Equal(t, before, read(t, s, "ada"), "a sign-in that began meanwhile goes on")
	write(t, s, "ada", subjectmark.Lifetime)
	require.NotContains(t, []uint64{0, before}, read(t, s, "ada"))

	s = &damaged{Store: open(t), stays: true}
	err := subjectmark.Write(t.Context(), s, "ada", time.Now(), time.Now().Add(subjectmark.Lifetime))
	require.ErrorContains(t, err, "can't be written")
}
