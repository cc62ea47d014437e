//go:build cgo

package sqlstore

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// shortly returns a context that ends before the test's timeout and long after any call.
func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A violated constraint of the application is an error other than ErrExists, and is not retried
// forever.
func TestConstraintOfApplication(t *testing.T) {
	for _, o := range []Options{{}, {Exclusive: true}} {
		ctx := shortly(t)
		db := database(t)
		s := New(db, SQLite, o)
		require.NoError(t, s.Ping(ctx))
		_, err := db.Exec(`CREATE UNIQUE INDEX one_each ON sessions (subject) WHERE subject <> ''`)
		require.NoError(t, err)
		recordOf := func(key, subject string) *driver.Record {
			r := record(key, time.Hour)
			r.Subject = subject
			return r
		}
		refused := func(err error) {
			t.Helper()
			require.ErrorContains(t, err, "UNIQUE constraint failed")
			require.NotErrorIs(t, err, driver.ErrExists)
			require.NoError(t, ctx.Err())
		}
		require.NoError(t, s.Create(ctx, recordOf("a", "ada")))
		refused(s.Create(ctx, recordOf("b", "ada")))
		require.ErrorIs(t, s.Create(ctx, recordOf("a", "ada")), driver.ErrExists)

		r := recordOf("c", "")
		require.NoError(t, s.Create(ctx, r))
		r.Subject = "ada"
		refused(rename(ctx, s, r, "d"))
		require.ErrorIs(t, rename(ctx, s, r, "a"), driver.ErrExists)
		refused(s.Flush(ctx, r))
		_, err = s.Renamed(ctx, "c")
		require.ErrorIs(t, err, driver.ErrNotFound)

		require.NoError(t, s.Create(ctx, record("e", -time.Hour)))
		refused(rename(ctx, s, r, "e"))
		r.Subject = "bob"
		require.NoError(t, rename(ctx, s, r, "e"), "ChangeID to the key of an expired record")
	}
}

// ChangeID checks the old key before the new one.
func TestChangeIDChecksOldKeyFirst(t *testing.T) {
	ctx := t.Context()
	s := New(database(t), SQLite)
	require.NoError(t, s.Create(ctx, record("taken", time.Hour)))
	require.ErrorIs(t, rename(ctx, s, record("none", time.Hour), "taken"), driver.ErrNotFound)
	r := record("k", time.Hour)
	require.NoError(t, s.Create(ctx, r))
	r.Version++
	require.ErrorIs(t, rename(ctx, s, r, "taken"), driver.ErrConflict)
	r.Version = 0
	require.ErrorIs(t, rename(ctx, s, r, "taken"), driver.ErrConflict)
	require.ErrorIs(t, s.Flush(ctx, r), driver.ErrConflict)
}

// Calls for a row that can't be read return ErrCorrupt, and Destroy deletes it.
func TestCorruptRows(t *testing.T) {
	for _, damage := range []string{
		`expires = NULL`, `expires = 'tomorrow-canary'`, `expires = 1.5e300`, `expires = x'00'`,
		`created = NULL`, `created = 'canary'`, `version = NULL`, `version = 'canary'`, `data = NULL`, `meta = NULL`, `subject = NULL`,
	} {
		t.Run(damage, func(t *testing.T) {
			ctx := shortly(t)
			db := database(t)
			_, err := db.Exec(`CREATE TABLE sessions (id TEXT PRIMARY KEY, data, meta, created, expires, subject, version)`)
			require.NoError(t, err)
			s := New(db, SQLite)
			r := record("k", time.Hour)
			r.Subject = "ada"
			require.NoError(t, s.Create(ctx, r))
			other := record("l", time.Hour)
			other.Subject = "ada"
			require.NoError(t, s.Create(ctx, other))
			_, err = db.Exec(`UPDATE sessions SET ` + damage + ` WHERE id = 'k'`)
			require.NoError(t, err)

			_, err = s.Retrieve(ctx, "k")
			require.Equal(t, driver.ErrCorrupt, err)
			require.Equal(t, driver.ErrCorrupt, s.Flush(ctx, r))
			require.Equal(t, driver.ErrCorrupt, rename(ctx, s, r, "new"))
			require.Equal(t, driver.ErrCorrupt, s.Touch(ctx, "k", r.Expires))
			require.ErrorIs(t, s.Create(ctx, record("k", time.Hour)), driver.ErrExists)
			require.ErrorIs(t, rename(ctx, s, other, "k"), driver.ErrExists)
			for _, listing := range []func(func(string, error) bool){s.Sessions(ctx), s.SubjectSessions(ctx, "ada")} {
				var keys []string
				for key, err := range listing {
					require.NoError(t, err)
					keys = append(keys, key)
				}
				require.Equal(t, []string{"l"}, keys)
			}
			_, err = s.DeleteExpired(ctx)
			require.NoError(t, err)
			require.NoError(t, s.Destroy(ctx, "k"))
			require.NoError(t, s.Create(ctx, record("k", time.Hour)))
		})
	}
}
