package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"gosession.dev/session/driver"
)

// pingTime is the maximum time of a Ping, which may wait for other writers.
const pingTime = 5 * time.Second

// trialSize is the size of the values that Ping writes. It is larger than a page of SQLite or
// PostgreSQL, so that Ping fails on a full disk.
const trialSize = 9000

var errAltered error = &failure{text: "sqlstore: the database returns other values than were stored: a column of the table has the wrong type, or a trigger changes records"}

var (
	errNotUnique error = &failure{text: "sqlstore: the column of the key is not unique; make it the primary key of the table"}
	errCase      error = &failure{text: "sqlstore: the table takes keys or subjects for equal that differ in case or in spaces at the end; give these columns a binary collation or type"}
)

// Ping implements [driver.Pinger]. It creates the tables if necessary, and then creates, changes,
// renames, reads and deletes a record in one transaction, so that nothing of it remains and other
// processes never see it. It takes at most 5 seconds.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	st, err := s.ready(ctx)
	if err != nil {
		return err
	}
	for _, trial := range []func(context.Context, place, *statements) error{s.try, s.tryTwice} {
		err := s.asWriter(ctx, func() error {
			ctx := s.statementContext(ctx)
			return s.transact(ctx, func(in place) error { return trial(ctx, in, st) })
		})
		if err != nil && err != errUnique {
			return err
		}
	}
	return nil
}

// errUnique rolls back the transaction of tryTwice.
var errUnique error = &failure{text: "the key is unique"}

// tryTwice writes a record, looks for similar ones, and writes it again. If the second write fails,
// as it should, the error is errUnique.
func (s *Store) tryTwice(ctx context.Context, in place, st *statements) error {
	at, key, subject := now(), randomKey(), randomKey()
	args := []any{key, s.data([]byte("{}")), []byte{}, at, at + time.Minute.Milliseconds(), subject, newVersion()}
	err := change(ctx, in, statement{st.create, args})
	if err == nil {
		err = compareCase(ctx, in, st, key, subject)
	}
	if err != nil {
		return err
	}
	err = change(ctx, in, statement{st.create, args})
	switch {
	case err == nil:
		return errNotUnique
	case s.dialect.IsDuplicate(err):
		return errUnique
	}
	return err
}

// try writes a record and a mark, reads them, and deletes them.
func (s *Store) try(ctx context.Context, in place, st *statements) error {
	at := now()
	expires := at + time.Minute.Milliseconds()
	r := trialRecord(at, expires)
	oldKey := randomKey()
	moved := *r
	moved.Data, moved.Version = []byte(`{"n":1}`), 1
	rename := s.rename(st, oldKey, &moved, 2)
	steps := []statement{
		{st.create, []any{oldKey, s.data([]byte(`{"é":"世"}`)), r.Meta, at, expires, "é世🍪", int64(1)}},
		rename.statements[0],
	}
	if rename.follow != nil {
		steps = append(steps, *rename.follow)
	}
	steps = append(steps, statement{st.flush, []any{s.data(r.Data), r.Meta, expires, r.Subject, int64(r.Version), r.Key, int64(2), at}})
	err := change(ctx, in, steps...)
	if err == nil {
		err = s.compare(ctx, in, st, r, oldKey)
	}
	if err == nil {
		err = change(ctx, in, statement{st.destroy, []any{r.Key, at}}, statement{st.destroyMark, []any{oldKey}})
	}
	return err
}

// change executes statements. If one of them affects no row, the error is errAltered.
func change(ctx context.Context, in place, statements ...statement) error {
	for _, st := range statements {
		switch rows, err := st.execute(ctx, in); {
		case err != nil:
			return err
		case rows == 0:
			return errAltered
		}
	}
	return nil
}

// compare returns errAltered unless it reads the record want, and its mark under oldKey.
func (s *Store) compare(ctx context.Context, in place, st *statements, want *driver.Record, oldKey string) error {
	got, err := retrieveIn(ctx, in, st, want.Key, s.json)
	var mark driver.Rename
	if err == nil {
		mark, err = lookForMark(ctx, in, st, oldKey)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, driver.ErrCorrupt):
		return errAltered
	case err != nil:
		return err
	}
	if !bytes.Equal(got.Data, want.Data) || !bytes.Equal(got.Meta, want.Meta) || !got.Created.Equal(want.Created) ||
		!got.Expires.Equal(want.Expires) || got.Subject != want.Subject || got.Version != want.Version || mark.To != want.Key {
		return errAltered
	}
	return nil
}

// compareCase returns errCase if the record under key, which belongs to subject, is found under
// another key or for another subject.
func compareCase(ctx context.Context, in place, st *statements, key, subject string) error {
	for _, alter := range []func(string) string{swapCase, func(s string) string { return s + " " }} {
		found, err := lookIn(ctx, in, st, alter(key))
		if err != nil || found.found {
			return cmp.Or(err, errCase)
		}
		keys, err := queryKeys(ctx, in(st.listSubject), []any{alter(subject), "", now(), 1})
		if err != nil || len(keys) > 0 {
			return cmp.Or(err, errCase)
		}
	}
	return nil
}

// swapCase returns s with upper case in place of lower case, and the reverse.
func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLower(r) {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, s)
}

// trialRecord returns a record with binary values, as sealed sessions have, and a subject that
// changes in a column of numbers.
func trialRecord(created, expires int64) *driver.Record {
	data := make([]byte, trialSize)
	_, _ = rand.Read(data)
	subject := fmt.Sprintf("0%d", binary.BigEndian.Uint64(data))
	data[0] = 0
	return &driver.Record{
		Key: randomKey(), Data: data, Meta: []byte{0, 1, 0xff},
		Created: time.UnixMilli(created), Expires: time.UnixMilli(expires), Subject: subject, Version: 3,
	}
}

// randomKey returns a random key of the same form as the keys of package session.
func randomKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return base64.RawURLEncoding.EncodeToString(key)
}
