package mongo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/canary"
	"gosession.dev/session/internal/testserver"
)

// isOutage checks that err is an outage, and that neither err nor what it wraps shows a canary or an
// address, whatever the verb.
func isOutage(t *testing.T, err error, msg string) {
	t.Helper()
	require.Error(t, err, msg)
	for _, answer := range []error{driver.ErrNotFound, driver.ErrConflict, driver.ErrExists, driver.ErrTooLarge, driver.ErrCorrupt} {
		require.NotErrorIs(t, err, answer, msg)
	}
	require.Empty(t, canary.Shown(err, "canary", "127.0.0.1"), msg)
}

// calls makes every call of a store that reaches a server, and returns the errors.
func calls(t *testing.T, s *Store) map[string]error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	versioned := func(key string) *driver.Record {
		r := record(key)
		r.Version = 1
		return r
	}
	_, retrieve := s.Retrieve(ctx, "k")
	_, renamed := s.Renamed(ctx, "k")
	_, swept := s.DeleteExpired(ctx)
	return map[string]error{
		"Create": s.Create(ctx, record("k")), "Retrieve": retrieve, "Flush": s.Flush(ctx, versioned("k")), "Ping": s.Ping(ctx),
		"ChangeID": s.ChangeID(ctx, "k", versioned("n")), "Touch": s.Touch(ctx, "k", time.Now()), "Destroy": s.Destroy(ctx, "k"),
		"DestroySubject": s.DestroySubject(ctx, "canary"), "Renamed": renamed, "DeleteExpired": swept,
		"Sessions": drain(s.Sessions(ctx)), "SubjectSessions": drain(s.SubjectSessions(ctx, "canary")),
	}
}

// commandError returns the reply to a command that has failed.
func commandError(code int) bson.D {
	return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: code}, {Key: "codeName", Value: "Canary"}, {Key: "errmsg", Value: "canary"}}
}

func writeError(code int) bson.D {
	return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0}, {Key: "writeErrors", Value: bson.A{bson.D{
		{Key: "index", Value: 0}, {Key: "code", Value: code}, {Key: "codeName", Value: "Canary"}, {Key: "errmsg", Value: "canary"},
		{Key: "keyValue", Value: bson.D{{Key: "key", Value: "canary"}}}}}}}
}

func concernError(code int) bson.D {
	return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 1}, {Key: "writeConcernError", Value: bson.D{
		{Key: "code", Value: code}, {Key: "codeName", Value: "Canary"}, {Key: "errmsg", Value: "canary"}, {Key: "errInfo", Value: bson.D{{Key: "canary", Value: 1}}}}}}
}

// An error reply of a server is an outage. The error quotes neither the DSN nor the command nor the
// reply, and explains known codes.
func TestErrorsQuoteNoAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		reply bson.D
		want  string
	}{
		"no rights":          {commandError(13), "mongo: server: command refused: the user is not authorized (code 13)"},
		"an unknown code":    {commandError(123456), "mongo: server: command refused (code 123456)"},
		"no code":            {bson.D{{Key: "ok", Value: 0}, {Key: "errmsg", Value: "canary"}, {Key: "codeName", Value: "Canary"}}, "mongo: server: mongo.CommandError"},
		"validation":         {writeError(121), "mongo: server: write refused: the collection has validation rules that refuse it (code 121)"},
		"no majority":        {concernError(64), "mongo: server: the write was not acknowledged by the majority: write concern timed out (code 64)"},
		"no document":        {bson.D{{Key: "canary", Value: "canary"}}, "mongo: server: "},
		"labels":             {append(commandError(112), bson.E{Key: "errorLabels", Value: bson.A{"canary"}}), "mongo: server: command refused (code 112)"},
		"a malformed cursor": {bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: "canary"}}, "mongo: server: "},
	} {
		addr := replica(t, func(command bson.Raw) bson.D {
			switch verb := names([]bson.Raw{command})[0]; {
			case verb == "createIndexes":
				return nil
			case tt.reply[0].Value == 1 && verb != "find" && name != "a malformed cursor", tt.reply[0].Value != 1, verb == "find" && name == "a malformed cursor":
				return tt.reply
			}
			return nil
		})
		s, _ := openRecorded(t, "mongodb://"+addr+"/canary?appName=canary&collection=canary&retryWrites=false&retryReads=false")
		failed := 0
		for call, err := range calls(t, s) {
			if err == nil || errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrConflict) {
				continue
			}
			failed++
			isOutage(t, err, name+", "+call)
			require.ErrorContains(t, err, tt.want, "%s, %s", name, call)
		}
		require.Positive(t, failed, name)
	}
}

// The store does not pass on duplicate key errors, which quote keys and subjects.
func TestDuplicatesQuoteNothing(t *testing.T) {
	s, _ := openRecorded(t, "mongodb://"+replica(t, func(command bson.Raw) bson.D {
		switch names([]bson.Raw{command})[0] {
		case "insert", "update":
			return writeError(codeDuplicate)
		case "delete":
			return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0}}
		}
		return nil
	})+"/db")
	r := record("canary")
	r.Version = 1
	for name, err := range map[string]error{"Create": s.Create(t.Context(), r), "Ping": s.Ping(t.Context()), "Flush": s.Flush(t.Context(), r)} {
		isOutage(t, err, name)
	}
}

// If nothing answers, or something other than MongoDB, the error names no host and no user. A timeout
// is a net.Error.
func TestErrorsNameNoServer(t *testing.T) {
	silent, _, _ := strings.Cut(strings.TrimPrefix(silent(t), "mongodb://"), "/")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("\x30\x00\x00\x00canary canary canary canary canary canary canary canary"))
			_ = conn.Close()
		}
	}()
	for name, tt := range map[string]struct{ dsn, want string }{
		"no listener":                  {"mongodb://127.0.0.1:1/db", "no server can be used: connection refused"},
		"no such socket":               {"mongodb://%2Fcanary.sock/db", "no server can be used: no such file"},
		"no answer":                    {"mongodb://" + silent + "/db", ""},
		"not MongoDB":                  {"mongodb://" + l.Addr().String() + "/db", "no server can be used: "},
		"no TLS":                       {"mongodb://" + replica(t, succeed) + "/db?tls=true", "no server can be used: "},
		"authentication":               {"mongodb://canary:canary1@" + replica(t, func(bson.Raw) bson.D { return commandError(18) }) + "/db?authSource=canary", "authentication failed (code 18)"},
		"authentication, unknown code": {"mongodb://canary:canary1@" + replica(t, func(bson.Raw) bson.D { return commandError(4242) }) + "/db", "(code 4242)"},
		"another replica set":          {"mongodb://" + replica(t, succeed) + "/db?replicaSet=canary", "no server can be used"},
		"no such host":                 {"mongodb://canary.invalid/db", "no server can be used"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			separator := "?"
			if strings.Contains(tt.dsn, "?") {
				separator = "&"
			}
			patience := "3000"
			if strings.Contains(tt.want, "code") { // the server answers
				patience = "60000"
			}
			s, _ := openRecorded(t, tt.dsn+separator+"appName=canary&serverSelectionTimeoutMS="+patience)
			err := s.Ping(t.Context())
			require.ErrorContains(t, err, tt.want, name)
			isOutage(t, err, name)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			err = s.Ping(ctx)
			cancel()
			isOutage(t, err, name)
			if name == "no answer" {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				var network net.Error
				require.True(t, errors.As(err, &network) && network.Timeout())
			}
		})
	}
}

// Ping fails if the user may not insert, update or delete.
func TestPingProvesAWrite(t *testing.T) {
	for _, verb := range []string{"insert", "update", "delete"} {
		for name, reply := range map[string]bson.D{"no rights": commandError(13), "read-only": writeError(10107), "no majority": concernError(100)} {
			s, sent := openRecorded(t, "mongodb://"+replica(t, func(command bson.Raw) bson.D {
				if names([]bson.Raw{command})[0] == verb {
					return reply
				}
				return nil
			})+"/db?retryWrites=false")
			err := s.Ping(t.Context())
			require.Error(t, err, "%s at %s", name, verb)
			isOutage(t, err, name)
			if verb == "update" {
				require.Contains(t, names(sent.take()), "delete", "Ping deletes its record after a failure")
			}
		}
	}
}

// Concurrent Pings of several stores succeed and leave no documents. Their records are never listed or
// counted as sessions.
func TestPingLeavesNothing(t *testing.T) {
	ctx := t.Context()
	dsn := newDSN(testserver.StartMongo(t), "")
	one, other := openMonitored(t, dsn, nil), openMonitored(t, dsn, nil)
	require.NoError(t, one.Ping(ctx))
	errs := make(chan error, 30)
	for i := range 30 {
		go func() { errs <- []*Store{one, other}[i%2].Ping(ctx) }()
	}
	for range 30 {
		require.NoError(t, <-errs)
		require.NoError(t, drainNone(one.Sessions(ctx)))
	}
	coll, err := one.ready(ctx)
	require.NoError(t, err)
	n, err := coll.CountDocuments(ctx, bson.D{})
	require.NoError(t, err)
	require.Zero(t, n)

	d, err := one.pingDocument() // as an interrupted Ping leaves it
	require.NoError(t, err)
	_, err = coll.InsertOne(ctx, d)
	require.NoError(t, err)
	require.NoError(t, drainNone(one.Sessions(ctx)))
	removed, err := one.DeleteExpired(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, removed)
}

func drainNone(seq func(func(string, error) bool)) error {
	for key, err := range seq {
		return fmt.Errorf("the listing yields %q, %v; want nothing", key, err)
	}
	return nil
}

// New returns no error for a nil collection. Each call of the store does.
func TestNoCollection(t *testing.T) {
	s := New(nil, Options{})
	for name, err := range calls(t, s) {
		require.EqualError(t, err, "mongo: New needs a collection", name)
	}
	require.NoError(t, s.Close())
}

// MongoDB's driver gives up a little before the deadline of a context. The store returns the error of
// the context nevertheless.
func TestErrorIsThatOfTheContext(t *testing.T) {
	s := New(nil, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := s.explain(ctx, fmt.Errorf("canary: %w", context.DeadlineExceeded))
	require.Error(t, ctx.Err())
	require.ErrorIs(t, err, ctx.Err())
	later, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	require.Error(t, s.explain(later, context.DeadlineExceeded), "after a timeout of the DSN, well before the deadline of the context")
	require.NoError(t, later.Err())
}
