//go:build cgo

package sqlstore

import (
	"database/sql"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

// requireUnusable fails unless each call of s returns an error that contains why.
func requireUnusable(t *testing.T, s *Store, why string) {
	t.Helper()
	ctx := t.Context()
	r := record("k", time.Hour)
	_, retrieved := s.Retrieve(ctx, "k")
	_, swept := s.DeleteExpired(ctx)
	_, renamed := s.Renamed(ctx, "k")
	for _, err := range []error{
		retrieved, swept, renamed, s.Ping(ctx), s.Create(ctx, r), s.Flush(ctx, r), rename(ctx, s, r, "l"),
		s.Touch(ctx, "k", r.Expires), s.Destroy(ctx, "k"), s.DestroySubject(ctx, "ada"),
	} {
		require.ErrorContains(t, err, why)
		require.NotErrorIs(t, err, driver.ErrNotFound)
	}
	for _, listing := range []func(func(string, error) bool){s.Sessions(ctx), s.SubjectSessions(ctx, "ada")} {
		for _, err := range listing {
			require.ErrorContains(t, err, why)
		}
	}
	f, err := session.Config{Insecure: true}.New(s)
	if err == nil {
		require.ErrorContains(t, f.Ping(ctx), why)
		require.NoError(t, f.Close())
	}
	require.NoError(t, s.Close())
}

// With invalid arguments of New, calls return an error and do not panic.
func TestInvalidArguments(t *testing.T) {
	requireUnusable(t, New(nil, SQLite), "New was given no database")
	requireUnusable(t, New(nil, Dialect{}, Options{Exclusive: true}), "New was given no database")
	requireUnusable(t, New(database(t), Dialect{}), "the dialect has no Quote")
	requireUnusable(t, &Store{}, "not made by New")
	var none *sql.DB
	requireUnusable(t, New(none, SQLite), "New was given no database")
}

func TestNilStore(t *testing.T) {
	var s *Store
	require.ErrorContains(t, s.Ping(t.Context()), "not made by New")
	require.ErrorContains(t, s.Create(t.Context(), record("k", time.Hour)), "not made by New")
	for _, err := range s.Sessions(t.Context()) {
		require.ErrorContains(t, err, "not made by New")
	}
	require.NoError(t, s.Close())
}

// The error for a dialect that lacks a field names the field.
func TestIncompleteDialect(t *testing.T) {
	optional := []string{"Exists", "AreIntegers", "Data", "Unindexed", "MaxStatement", "IsLost", "Explain", "Check", "ComparesColumns", "ReturnsUpdated", "DeletesMoved", "OneWriter", "Checkpoint"}
	db := database(t)
	for i := range reflect.TypeFor[Dialect]().NumField() {
		field := reflect.TypeFor[Dialect]().Field(i).Name
		d := SQLite
		reflect.ValueOf(&d).Elem().Field(i).SetZero()
		s := New(db, d, Options{Table: "of_" + field})
		if slices.Contains(optional, field) {
			require.NoError(t, s.Ping(t.Context()), "Ping without the optional field %s", field)
			continue
		}
		requireUnusable(t, s, "the dialect has no "+field+":")
	}
}
