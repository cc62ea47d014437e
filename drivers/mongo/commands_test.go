package mongo

import (
	"context"
	"fmt"
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

// recorder notes the commands that a client sends.
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

// take returns what was sent since it was asked last.
func (r *recorder) take() []bson.Raw {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.commands
	r.commands = nil
	return taken
}

// names are those of commands.
func names(commands []bson.Raw) []string {
	var all []string
	for _, c := range commands {
		elements, _ := c.Elements()
		all = append(all, elements[0].Key())
	}
	return all
}

// record is one that lives for an hour.
func record(key string) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: key, Data: []byte(`{"a":1}`), Created: now, Expires: now.Add(time.Hour)}
}

// openWatched is Open with a recorder.
func openWatched(t testing.TB, dsn string) (*Store, *recorder) {
	t.Helper()
	d, err := parseDSN(dsn)
	require.NoError(t, err)
	r := &recorder{}
	s := newStore(func(ctx context.Context) (*mongo.Collection, *mongo.Client, error) {
		o, err := d.clientOptions(ctx)
		if err != nil {
			return nil, nil, err
		}
		return d.open(o.SetMonitor(r.monitor()))
	}, d.options)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, r
}

// What the comment of the package says of round trips.
func TestRoundTrips(t *testing.T) {
	ctx := t.Context()
	s, sent := openWatched(t, newDSN(testserver.StartMongo(t), ""))
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
		{"ChangeID", func() error { r.Key = "n"; return s.ChangeID(ctx, "k", r) }, []string{"update"}},
		{"Sessions", func() error { return drain(s.Sessions(ctx)) }, []string{"find"}},
		{"SubjectSessions", func() error { return drain(s.SubjectSessions(ctx, "ada")) }, []string{"find"}},
		{"Destroy", func() error { return s.Destroy(ctx, "n") }, []string{"delete"}},
		{"DestroySubject", func() error { return s.DestroySubject(ctx, "ada") }, []string{"delete"}},
		{"Ping", func() error { return s.Ping(ctx) }, []string{"ping"}},
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
	s, sent := openWatched(t, newDSN(testserver.StartMongo(t), ""))
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
	require.Error(t, err, "a flush never writes the key")
	_, err = s.Retrieve(ctx, "k")
	require.NoError(t, err)
	find := sent.take()[0]
	require.WithinDuration(t, time.Now(), find.Lookup("filter", "expires", "$gt").Time(), time.Minute,
		"a read does not rely on the server's TTL monitor")
}

// What is asked of a server, whatever it makes of it.
func TestWriteConcern(t *testing.T) {
	m := testserver.StartMongo(t)
	for params, want := range map[string]string{
		"":             `{"w": "majority"}`,
		"journal=true": `{"w": "majority","j": true}`,
		"w=1":          `{"w": {"$numberInt":"1"}}`,
	} {
		s, sent := openWatched(t, newDSN(m, params))
		checkConcern(t, s, sent, want)
	}

	// What an application's client does elsewhere is nothing to its sessions.
	sent := &recorder{}
	client, err := mongo.Connect(options.Client().ApplyURI(m.DSN("", "readPreference=secondaryPreferred&w=1")).SetMonitor(sent.monitor()))
	require.NoError(t, err)
	s := New(client.Database("own").Collection("sessions"), Options{})
	checkConcern(t, s, sent, `{"w": "majority"}`)
	require.NoError(t, s.Close())
	require.NoError(t, client.Ping(t.Context(), nil), "the client is the application's")
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

// The first call creates the indexes, and only the first. FerretDB refuses one
// that removes what has expired, and gets a plain one.
func TestIndexes(t *testing.T) {
	ctx := t.Context()
	s, sent := openWatched(t, newDSN(testserver.StartMongo(t), ""))
	_, err := s.Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	commands := sent.take()
	wants := []string{
		`{"key": {"key": {"$numberInt":"1"}},"name": "key_1","unique": true}`,
		`{"key": {"subject": {"$numberInt":"1"},"key": {"$numberInt":"1"}},"name": "subject_1_key_1"}`,
		`{"key": {"expires": {"$numberInt":"1"}},"name": "expires_1","expireAfterSeconds": {"$numberInt":"0"}}`,
	}
	if !s.expiresSelf.Load() {
		wants = append(wants, `{"key": {"expires": {"$numberInt":"1"}},"name": "expires_1"}`)
	}
	require.Len(t, commands, len(wants)+1)
	for i, want := range wants {
		require.JSONEq(t, want, commands[i].Lookup("indexes", "0").String())
	}
	_, err = s.Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.Equal(t, []string{"find"}, names(sent.take()))
}

// A listing goes on behind the last key of a page, whatever becomes of that.
func TestPages(t *testing.T) {
	ctx := t.Context()
	s, sent := openWatched(t, newDSN(testserver.StartMongo(t), ""))
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
