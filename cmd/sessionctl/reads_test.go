package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// readCounter is a driver whose stores count the reads of each key.
type readCounter map[string]int

func (c readCounter) Open(dsn string) (driver.Store, error) {
	store, err := memory.Driver{}.Open(dsn)
	return countedStore{store, c}, err
}

type countedStore struct {
	driver.Store
	reads readCounter
}

func (s countedStore) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	s.reads[key]++
	return s.Store.Retrieve(ctx, key)
}

// A command reads the record of each session once, even if the session can't be decoded.
func TestRecordsAreReadOnce(t *testing.T) {
	configure(t, secret1)
	reads := readCounter{}
	session.Register("counted", reads)
	b := backend{"counted", t.Name()}
	key := string(signIn(t, b.sealing(t, secret1), "ada").Key())
	signIn(t, b.sealing(t, secret2), "ada")
	signIn(t, b.sealing(t), "ada")
	store, err := reads.Open(t.Name())
	require.NoError(t, err)
	defer store.Close()
	now := time.Now().UTC().Truncate(time.Millisecond)
	garbage := strings.Repeat("g", 43)
	require.NoError(t, store.Create(t.Context(), &driver.Record{Key: garbage, Data: []byte("?"), Meta: []byte("?"), Created: now, Expires: now.Add(time.Hour)}))

	for _, tt := range []struct {
		args []string
		code int
		keys int
	}{
		{[]string{"check"}, exitCorrupt, 4},
		{[]string{"list"}, 0, 4},
		{[]string{"list", "--json"}, 0, 4},
		{[]string{"list", "--subject", "ada", "--json"}, 0, 4},
		{[]string{"count", "--older-than", "1ns"}, 0, 4},
		{[]string{"show", key, "--values"}, 0, 1},
		{[]string{"show", key, "--json"}, 0, 1},
		{[]string{"show", garbage}, exitCorrupt, 1},
		{[]string{"end", "--sealed-under", number3, "--yes"}, 0, 4},
	} {
		clear(reads)
		var out, stderr bytes.Buffer
		c := &ctl{in: strings.NewReader(""), out: &out, err: &stderr}
		code := c.run(t.Context(), append(tt.args, "--driver", b.driver, "--dsn", b.dsn))
		require.Equal(t, tt.code, code, "%v: %s", tt.args, stderr.String())
		delete(reads, "nobody") // the read that finds out whether the backend is there
		require.Len(t, reads, tt.keys, "sessions that %v reads", tt.args)
		for key, n := range reads {
			require.Equal(t, 1, n, "reads of %s by %v", key, tt.args)
		}
	}
}
