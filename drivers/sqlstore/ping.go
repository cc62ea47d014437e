package sqlstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

// pingTime is the maximum time of a Ping, which may wait for other writers.
const pingTime = 5 * time.Second

// trialSize is the size of the values that Ping writes. It is larger than a page of SQLite or
// PostgreSQL, so that Ping fails on a full disk.
const trialSize = 9000

var errAltered error = &failure{text: "sqlstore: the database returns other values than were stored: a column of the table has the wrong type, or a trigger changes records"}

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
	return s.asWriter(ctx, func() error {
		ctx := s.statementContext(ctx)
		return s.transact(ctx, func(in prepared) error { return s.try(ctx, in, st) })
	})
}

// try writes a record and a mark, reads them, and deletes them.
func (s *Store) try(ctx context.Context, in prepared, st *statements) error {
	at := now()
	expires := at + time.Minute.Milliseconds()
	r := trialRecord(at, expires)
	oldKey, version := randomKey(), int64(1)
	err := change(ctx, in,
		statement{st.create, []any{oldKey, s.dialect.Data([]byte("{}")), r.Meta, at, expires, r.Subject, version, oldKey, oldestMark(at)}},
		statement{st.flush, []any{s.dialect.Data([]byte(`{"n":1}`)), r.Meta, expires, r.Subject, oldKey, version, at}},
		statement{st.rename, []any{s.dialect.Data(r.Data), r.Meta, expires, r.Subject, r.Key, oldKey, version + 1, at, r.Key, oldestMark(at)}},
		statement{st.mark, []any{oldKey, r.Key}},
	)
	if err == nil {
		err = s.compare(ctx, in, st, r, oldKey)
	}
	if err == nil {
		err = change(ctx, in, statement{st.destroy, []any{r.Key, at}}, statement{st.destroyMark, []any{oldKey}})
	}
	return err
}

// change executes statements. If one of them affects no row, the error is errAltered.
func change(ctx context.Context, in prepared, statements ...statement) error {
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
func (s *Store) compare(ctx context.Context, in prepared, st *statements, want *driver.Record, oldKey string) error {
	got, err := retrieveIn(ctx, in, st, want.Key)
	var m mark
	if err == nil {
		m, err = lookForMark(ctx, in, st, oldKey, now())
	}
	switch {
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, driver.ErrCorrupt):
		return errAltered
	case err != nil:
		return err
	}
	if !bytes.Equal(got.Data, want.Data) || !bytes.Equal(got.Meta, want.Meta) || !got.Created.Equal(want.Created) ||
		!got.Expires.Equal(want.Expires) || got.Subject != want.Subject || got.Version != want.Version || m.to != want.Key {
		return errAltered
	}
	return nil
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
