//go:build cgo

package sqlstore

import (
	"context"
	"database/sql"
	"io"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// losing returns a store whose connections lose the answers to writes. lose sets how many.
func losing(t *testing.T, d Dialect) (s *Store, lose func(answers int64)) {
	t.Helper()
	var lost atomic.Int64
	db := sql.OpenDB(&wrapped{
		dsn: "file:" + filepath.Join(t.TempDir(), "s.db") + "?_journal_mode=WAL",
		answer: func() error {
			if lost.Add(-1) >= 0 {
				return io.ErrUnexpectedEOF
			}
			return nil
		},
	})
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s = New(db, d)
	require.NoError(t, s.Ping(t.Context()))
	return s, lost.Store
}

// The same is true of a write that first removes an expired record from its key.
func TestLostAnswersOverExpiredRecords(t *testing.T) {
	s, lose := losing(t, SQLite)
	ctx := t.Context()
	for _, answers := range []int64{1, 3} {
		for _, key := range []string{"created", "moved"} {
			require.NoError(t, s.Create(ctx, record(key, time.Millisecond)))
		}
		time.Sleep(2 * time.Millisecond)
		lose(answers)
		r := record("created", time.Hour)
		require.NoError(t, s.Create(ctx, r), "Create with %d lost answers", answers)
		moved := *r
		moved.Key = "moved"
		lose(answers)
		require.NoError(t, s.ChangeID(ctx, "created", &moved), "ChangeID with %d lost answers", answers)
		got, err := s.Retrieve(ctx, "moved")
		require.NoError(t, err)
		require.Equal(t, moved.Version, got.Version)
		_, err = s.db.Exec(`DELETE FROM sessions`)
		require.NoError(t, err)
	}
	require.NoError(t, s.Create(ctx, record("k", time.Millisecond)))
	time.Sleep(2 * time.Millisecond)
	lose(1000)
	require.ErrorIs(t, s.Create(ctx, record("k", time.Hour)), io.ErrUnexpectedEOF)
}

// A write whose answer is lost is executed again, and succeeds if its first attempt did.
func TestLostAnswers(t *testing.T) {
	compares := SQLite
	compares.ComparesColumns = true
	for _, d := range []Dialect{SQLite, compares} {
		s, lose := losing(t, d)
		ctx := t.Context()
		r := record("k", time.Hour)
		r.Subject = "ada"
		for _, answers := range []int64{1, 3} {
			lose(answers)
			require.NoError(t, s.Create(ctx, r), "Create with %d lost answers", answers)
			lose(answers)
			require.NoError(t, s.Flush(ctx, r), "Flush with %d lost answers", answers)
			r.Expires = r.Expires.Add(time.Hour)
			lose(answers)
			require.NoError(t, s.Flush(ctx, r), "Flush that moves the expiry")
			lose(answers)
			require.NoError(t, s.Touch(ctx, "k", r.Expires.Add(time.Hour)), "Touch")
			moved := *r
			moved.Key = "moved"
			lose(answers)
			require.NoError(t, s.ChangeID(ctx, "k", &moved), "ChangeID")
			got, err := s.Retrieve(ctx, "moved")
			require.NoError(t, err)
			require.Equal(t, moved.Version, got.Version)
			mark, err := s.Renamed(ctx, "k")
			require.NoError(t, err)
			require.Equal(t, "moved", mark.To)

			lose(answers)
			err = s.Destroy(ctx, "moved")
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "Destroy, which can't know whether it has destroyed the record")
			require.NotErrorIs(t, err, driver.ErrNotFound)
			require.ErrorIs(t, s.Destroy(ctx, "moved"), driver.ErrNotFound)
			lose(0)
			_, err = s.db.Exec(`DELETE FROM sessions`)
			require.NoError(t, err)

			require.NoError(t, s.Create(ctx, r))
			lose(answers)
			require.NoError(t, s.DestroySubject(ctx, "ada"))
			_, err = s.Retrieve(ctx, "k")
			require.ErrorIs(t, err, driver.ErrNotFound)
		}
	}
}

// If another write follows the one whose answer was lost, its outcome is not known: the error is
// neither ErrConflict nor ErrNotFound nor ErrExists.
func TestLostAnswersThatAreOvertaken(t *testing.T) {
	var between func()
	db := sql.OpenDB(&wrapped{
		dsn: "file:" + filepath.Join(t.TempDir(), "s.db") + "?_journal_mode=WAL",
		answer: func() error {
			if f := between; f != nil {
				between = nil
				f()
				return io.EOF
			}
			return nil
		},
	})
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	ctx := t.Context()
	s, other := New(db, SQLite), New(db, SQLite)
	for name, overtake := range map[string]func(key string){
		"changed": func(key string) {
			r, err := other.Retrieve(ctx, key)
			require.NoError(t, err)
			require.NoError(t, other.Flush(ctx, r))
		},
		"destroyed": func(key string) { require.NoError(t, other.Destroy(ctx, key)) },
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, s.Ping(ctx))
			require.NoError(t, other.Ping(ctx))
			unknown := func(err error) {
				t.Helper()
				require.ErrorIs(t, err, io.EOF)
				for _, known := range []error{driver.ErrConflict, driver.ErrNotFound, driver.ErrExists} {
					require.NotErrorIs(t, err, known)
				}
			}
			r := record("a-"+name, time.Hour)
			between = func() { overtake(r.Key) }
			err := s.Create(ctx, r)
			if name == "destroyed" { // then the second attempt creates the record again
				require.NoError(t, err)
			} else {
				unknown(err)
			}
			r = record("b-"+name, time.Hour)
			require.NoError(t, s.Create(ctx, r))
			between = func() { overtake(r.Key) }
			unknown(s.Flush(ctx, r))
			r = record("c-"+name, time.Hour)
			require.NoError(t, s.Create(ctx, r))
			moved := *r
			moved.Key = "moved-" + name
			between = func() { overtake(moved.Key) }
			unknown(s.ChangeID(ctx, r.Key, &moved))
		})
	}
}

// A call does not go on for ever where every answer is lost.
func TestAllAnswersLost(t *testing.T) {
	s, lose := losing(t, SQLite)
	lose(1 << 40)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.ErrorIs(t, s.Touch(ctx, "k", time.Now()), io.ErrUnexpectedEOF)
	require.NoError(t, ctx.Err())
}
