package mongo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// recorder records the commands that a client sends.
type recorder struct {
	mu       sync.Mutex // guards commands
	commands []bson.Raw
}

func (r *recorder) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.commands = append(r.commands, append(bson.Raw(nil), e.Command...))
	}}
}

// take returns the commands since the last take.
func (r *recorder) take() []bson.Raw {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.commands
	r.commands = nil
	return taken
}

// names returns the names of commands.
func names(commands []bson.Raw) []string {
	var all []string
	for _, c := range commands {
		elements, _ := c.Elements()
		all = append(all, elements[0].Key())
	}
	return all
}

// record returns a record that expires in an hour.
func record(key string) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: key, Data: []byte(`{"a":1}`), Created: now, Expires: now.Add(time.Hour)}
}

// openRecorded opens a store whose commands are recorded.
func openRecorded(t testing.TB, dsn string) (*Store, *recorder) {
	t.Helper()
	r := &recorder{}
	return openMonitored(t, dsn, r.monitor()), r
}

// openMonitored opens a store whose commands are monitored.
func openMonitored(t testing.TB, dsn string, monitor *event.CommandMonitor) *Store {
	t.Helper()
	d, err := parseDSN(dsn)
	require.NoError(t, err)
	s := newStore(func(ctx context.Context) (*mongo.Collection, *mongo.Client, error) {
		o, err := d.clientOptions(ctx)
		if err != nil {
			return nil, nil, err
		}
		return d.open(o.SetMonitor(monitor))
	}, d.options)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// The package comment states these round trips.
func TestRoundTrips(t *testing.T) {
	ctx := t.Context()
	s, sent := openRecorded(t, newDSN(testserver.StartMongo(t), ""))
	require.NoError(t, s.Ping(ctx))
	sent.take()
	r := record("k")
	r.Subject = "ada"
	for _, call := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"Create", func() error { return s.Create(ctx, r) }, []string{"insert"}},
		{"Retrieve", func() (err error) { r, err = s.Retrieve(ctx, "k"); return err }, []string{"find"}},
		{"Flush", func() error { return s.Flush(ctx, r) }, []string{"update"}},
		{"Touch", func() error { return s.Touch(ctx, "k", time.Now().Add(time.Hour)) }, []string{"update"}},
		{"ChangeID", func() error { r.Key = "n"; return s.ChangeID(ctx, "k", r) }, []string{"find", "update"}},
		{"ChangeID again", func() error { r.Key = "m"; return s.ChangeID(ctx, "n", r) }, []string{"find", "insert", "update"}},
		{"Renamed", func() error { _, err := s.Renamed(ctx, "k"); return err }, []string{"find"}},
		{"Sessions", func() error { return drain(s.Sessions(ctx)) }, []string{"find"}},
		{"SubjectSessions", func() error { return drain(s.SubjectSessions(ctx, "ada")) }, []string{"find"}},
		{"Destroy", func() error { return s.Destroy(ctx, "m") }, []string{"delete"}},
		{"DestroySubject", func() error { return s.DestroySubject(ctx, "ada") }, []string{"delete", "find"}},
		{"Ping", func() error { return s.Ping(ctx) }, []string{"insert", "update", "delete"}},
	} {
		require.NoError(t, call.do(), call.name)
		require.Equal(t, call.want, names(sent.take()), call.name)
	}
}

func drain(seq func(func(string, error) bool)) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

// Updates are conditional on version and expiry, and insert nothing.
func TestUpdatesAreConditional(t *testing.T) {
	ctx := t.Context()
	s, sent := openRecorded(t, newDSN(testserver.StartMongo(t), ""))
	r := record("k")
	require.NoError(t, s.Create(ctx, r))
	sent.take()
	version := int64(r.Version)
	require.NoError(t, s.Flush(ctx, r))
	update := sent.take()[0].Lookup("updates", "0").Document()
	require.Equal(t, "k", update.Lookup("q", "key").StringValue())
	require.Equal(t, version, update.Lookup("q", "version").Int64())
	require.WithinDuration(t, time.Now(), update.Lookup("q", "expires", "$gt").Time(), time.Minute)
	if upsert, err := update.LookupErr("upsert"); err == nil {
		require.False(t, upsert.Boolean())
	}
	_, err := update.LookupErr("u", "$set", "key")
	require.Error(t, err, "Flush writes the key")
}

// The store asks for majority writes, whatever the DSN or the application's client says.
func TestWriteConcern(t *testing.T) {
	m := testserver.StartMongo(t)
	for params, want := range map[string]string{
		"":              `{"w": "majority"}`,
		"journal=true":  `{"w": "majority","j": true}`,
		"journal=false": `{"w": "majority"}`,
		"w=1":           `{"w": "majority"}`,
	} {
		s, sent := openRecorded(t, newDSN(m, params))
		checkConcern(t, s, sent, want)
	}

	sent := &recorder{}
	client, err := mongo.Connect(options.Client().ApplyURI(m.DSN("", "readPreference=secondaryPreferred&w=1")).SetMonitor(sent.monitor()))
	require.NoError(t, err)
	s := New(client.Database("own").Collection("sessions"), Options{})
	checkConcern(t, s, sent, `{"w": "majority"}`)
	require.NoError(t, s.Close())
	require.NoError(t, client.Ping(t.Context(), nil), "Ping of the application's client after Close")
	require.NoError(t, client.Disconnect(t.Context()))
}

func checkConcern(t *testing.T, s *Store, sent *recorder, want string) {
	t.Helper()
	ctx := t.Context()
	r := record("k")
	require.NoError(t, s.Create(ctx, r))
	require.NoError(t, s.Flush(ctx, r))
	require.NoError(t, s.Destroy(ctx, r.Key))
	commands := sent.take()
	for _, c := range commands[len(commands)-3:] {
		require.Equal(t, want, c.Lookup("writeConcern").String())
	}
}

// Only the first call creates the indexes. FerretDB refuses TTL indexes, so the store creates plain
// ones.
func TestIndexes(t *testing.T) {
	ctx := t.Context()
	s, sent := openRecorded(t, newDSN(testserver.StartMongo(t), ""))
	_, err := s.Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	commands := sent.take()
	wants := []string{
		`{"key": {"key": {"$numberInt":"1"}},"name": "key_1","unique": true}`,
		`{"key": {"subject": {"$numberInt":"1"},"key": {"$numberInt":"1"}},"name": "subject_1_key_1"}`,
		`{"key": {"was.key": {"$numberInt":"1"}},"name": "was.key_1","sparse": true,"unique": true}`,
		`{"key": {"expires": {"$numberInt":"1"}},"name": "expires_1","expireAfterSeconds": {"$numberInt":"0"}}`,
		`{"key": {"expires": {"$numberInt":"1"}},"name": "expires_1"}`,
		`{"key": {"at": {"$numberInt":"1"}},"name": "at_1","sparse": true,"expireAfterSeconds": {"$numberInt":"660"}}`,
		`{"key": {"at": {"$numberInt":"1"}},"name": "at_1"}`,
	}
	if s.ttlRecords.Load() {
		wants = slices.Concat(wants[:4], wants[5:6])
	}
	require.Len(t, commands, len(wants)+1)
	for i, want := range wants {
		require.JSONEq(t, want, commands[i].Lookup("indexes", "0").String())
	}
	_, err = s.Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.Equal(t, []string{"find"}, names(sent.take()))
}

// A listing continues after the last key of a page, also if that record is gone.
func TestPages(t *testing.T) {
	ctx := t.Context()
	s, sent := openRecorded(t, newDSN(testserver.StartMongo(t), ""))
	s.pageSize = 10
	stays := map[string]bool{}
	for i := range 35 {
		r := record(fmt.Sprintf("k%02d", i))
		require.NoError(t, s.Create(ctx, r))
		stays[r.Key] = i%10 != 9
	}
	sent.take()
	seen := map[string]int{}
	for key, err := range s.Sessions(ctx) {
		require.NoError(t, err)
		seen[key]++
		if !stays[key] {
			require.NoError(t, s.Destroy(ctx, key))
		}
	}
	require.Len(t, seen, len(stays))
	for key, n := range seen {
		require.Equal(t, 1, n, key)
	}
	finds := 0
	for _, name := range names(sent.take()) {
		if name == "find" {
			finds++
		}
	}
	require.Equal(t, 4, finds)
}

// A listing ends when its context does, not at the end of the page.
func TestListingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, _ := openRecorded(t, newDSN(testserver.StartMongo(t), ""))
	for _, key := range []string{"a", "b", "c"} {
		require.NoError(t, s.Create(ctx, record(key)))
	}
	var errs []error
	for _, err := range s.Sessions(ctx) {
		errs = append(errs, err)
		cancel()
	}
	require.Equal(t, []error{nil, context.Canceled}, errs)
}

// A write that finds no record in the expected state reads once more to find out why. Destroy does
// not: the only possible reason is that there is no record.
func TestRoundTripsOfFailures(t *testing.T) {
	ctx := t.Context()
	s, sent := openRecorded(t, newDSN(testserver.StartMongo(t), ""))
	for _, key := range []string{"k", "other"} {
		require.NoError(t, s.Create(ctx, record(key)))
	}
	r, err := s.Retrieve(ctx, "k")
	require.NoError(t, err)
	at := func(key string, version uint64) *driver.Record {
		changed := *r
		changed.Key, changed.Version = key, version
		return &changed
	}
	sent.take()
	for _, call := range []struct {
		name string
		do   func() error
		is   error
		want []string
	}{
		{"Flush of another version", func() error { return s.Flush(ctx, at("k", r.Version+1)) }, driver.ErrConflict, []string{"update", "find"}},
		{"Flush of no version", func() error { return s.Flush(ctx, at("k", 0)) }, driver.ErrConflict, []string{"find"}},
		{"ChangeID of another version onto a taken key", func() error { return s.ChangeID(ctx, "k", at("other", 1)) }, driver.ErrConflict, []string{"find", "find"}},
		{"ChangeID of no version", func() error { return s.ChangeID(ctx, "k", at("n", 0)) }, driver.ErrConflict, []string{"find", "find"}},
		{"ChangeID of nothing onto a taken key", func() error { return s.ChangeID(ctx, "x", at("other", 1)) }, driver.ErrNotFound, []string{"find", "find"}},
		{"ChangeID onto a taken key", func() error { return s.ChangeID(ctx, "k", at("other", r.Version)) }, driver.ErrExists, []string{"find"}},
		{"Create under a taken key", func() error { return s.Create(ctx, at("k", 0)) }, driver.ErrExists, []string{"insert", "delete", "update", "find"}},
		{"Touch of nothing", func() error { return s.Touch(ctx, "x", time.Now().Add(time.Hour)) }, driver.ErrNotFound, []string{"update", "find"}},
		{"Destroy of nothing", func() error { return s.Destroy(ctx, "x") }, driver.ErrNotFound, []string{"delete"}},
	} {
		require.ErrorIs(t, call.do(), call.is, call.name)
		require.Equal(t, call.want, names(sent.take()), call.name)
	}
}

// Create succeeds although other processes create and end records under its key meanwhile.
func TestCreateAmongOthers(t *testing.T) {
	m := testserver.StartMongo(t)
	for name, end := range map[string]func(context.Context, *Store) error{
		"destroyed": func(ctx context.Context, other *Store) error { return other.Destroy(ctx, "k") },
		"expired": func(ctx context.Context, other *Store) error {
			r, err := other.Retrieve(ctx, "k")
			if err != nil {
				return err
			}
			r.Expires = time.Now()
			return other.Flush(ctx, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, dsn := t.Context(), newDSN(m, "")
			other, _ := openRecorded(t, dsn)
			times := 0
			s := openMonitored(t, dsn, &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
				switch {
				case e.CommandName == "insert" && times < maxIdle-1:
					times++
					require.NoError(t, other.Create(ctx, record("k")))
				case e.CommandName == "update":
					require.NoError(t, end(ctx, other))
				}
			}})
			r := record("k")
			require.NoError(t, s.Create(ctx, r))
			got, err := s.Retrieve(ctx, "k")
			require.NoError(t, err)
			require.Equal(t, r.Version, got.Version)
		})
	}
}
