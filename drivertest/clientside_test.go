package drivertest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest/internal/recorder"
)

// clientStore is a [driver.ClientSide] that is correct except that its tokens are not sealed,
// and that it may have a fault. It records in memory which sessions have ended.
type clientStore struct {
	name    string // of the cookie
	anyName bool   // the fault: accepts tokens for another name
	limit   int    // of the cookie's size
	ended   *sync.Map
	closed  atomic.Bool
}

func (s *clientStore) Open(dsn string) (driver.Store, error) {
	if strings.ContainsAny(dsn, "?\x00") {
		return nil, errors.New("unknown parameter or NUL in the DSN")
	}
	return s.ForCookie(""), nil
}

func (s *clientStore) ForCookie(name string) driver.Store {
	return &clientStore{name: name, anyName: s.anyName, limit: s.limit, ended: s.ended}
}

// issue puts r into a token of the session whose key is inner.
func (s *clientStore) issue(r *driver.Record, inner string, created time.Time) error {
	carrier := *r
	carrier.Created, carrier.Version = created, 1
	token := s.name + "." + inner + "." + base64.RawURLEncoding.EncodeToString(driver.AppendEnvelope(nil, &carrier)) + "!"
	if size := len(s.name) + len(token); size > s.limit {
		return fmt.Errorf("%w: %d bytes", driver.ErrTooLarge, size)
	}
	r.Key, r.Version = token, 1
	return nil
}

// find returns the record of a token, and the key of its session.
func (s *clientStore) find(ctx context.Context, token string) (*driver.Record, string, error) {
	if s.closed.Load() {
		return nil, "", driver.ErrClosed
	}
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	name, rest, _ := strings.Cut(token, ".")
	rest, complete := strings.CutSuffix(rest, "!")
	dot := strings.LastIndex(rest, ".")
	if !complete || dot < 0 || name != s.name && !s.anyName {
		return nil, "", driver.ErrNotFound
	}
	inner := rest[:dot]
	if _, ended := s.ended.Load(inner); ended {
		return nil, "", driver.ErrNotFound
	}
	b, err := base64.RawURLEncoding.DecodeString(rest[dot+1:])
	if err != nil {
		return nil, "", driver.ErrNotFound
	}
	r, err := driver.ParseEnvelope(token, b)
	if err == nil && !time.Now().Before(r.Expires) {
		err = driver.ErrNotFound
	}
	return r, inner, err
}

func (s *clientStore) Create(ctx context.Context, r *driver.Record) error {
	if _, _, err := s.find(ctx, ""); !errors.Is(err, driver.ErrNotFound) {
		return err
	}
	return s.issue(r, r.Key, r.Created)
}

func (s *clientStore) Retrieve(ctx context.Context, token string) (*driver.Record, error) {
	r, _, err := s.find(ctx, token)
	return r, err
}

func (s *clientStore) Flush(ctx context.Context, r *driver.Record) error {
	was, inner, err := s.find(ctx, r.Key)
	if err != nil {
		return err
	}
	return s.issue(r, inner, was.Created)
}

func (s *clientStore) ChangeID(ctx context.Context, old string, r *driver.Record) error {
	was, _, err := s.find(ctx, old)
	if err != nil {
		return err
	}
	if err := s.issue(r, r.Key, was.Created); err != nil {
		return err
	}
	return s.Destroy(ctx, old)
}

func (s *clientStore) Destroy(ctx context.Context, token string) error {
	_, inner, err := s.find(ctx, token)
	if err != nil {
		return err
	}
	if _, ended := s.ended.Swap(inner, true); ended {
		return driver.ErrNotFound
	}
	return nil
}

func (s *clientStore) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		_, _, err := s.find(ctx, "")
		if errors.Is(err, driver.ErrNotFound) {
			err = errors.ErrUnsupported
		}
		yield("", err)
	}
}

func (s *clientStore) DeleteExpired(ctx context.Context) (int, error) {
	if _, _, err := s.find(ctx, ""); !errors.Is(err, driver.ErrNotFound) {
		return 0, err
	}
	return 0, nil
}

func (s *clientStore) Close() error {
	s.closed.Store(true)
	return nil
}

func clientTarget(d *clientStore) Target {
	d.ended = &sync.Map{}
	return Target{Driver: d, DSN: func(testing.TB) string { return "" }, Implements: ClientSide}
}

func recordClientSide(t *testing.T, c check, d *clientStore) *recorder.TB {
	return recorder.InBubble(t, func(tb testing.TB) { c.run(tb, clientTarget(d)) })
}

func TestClientSideStoreFailsNothing(t *testing.T) {
	for _, c := range checks {
		r := recordClientSide(t, c, &clientStore{limit: 4096})
		require.False(t, r.Failed(), "%s:\n%s", c.name, r.Text())
		require.Equal(t, c.server || !clientTarget(&clientStore{}).gives(c.given) || c.needs&^ClientSide != 0, r.Skipped(), c.name)
	}
}

// A mutant fails the check for ClientSide stores that it is made for, and no other check.
func TestClientSideMutants(t *testing.T) {
	mutants := map[string]*clientStore{
		"ClientSide/AnotherName": {limit: 4096, anyName: true},
		"ClientSide/TooLarge":    {limit: 4097},
	}
	for _, c := range clientSideChecks {
		require.Contains(t, mutants, c.name)
	}
	for kills, fault := range mutants {
		for _, c := range checks {
			r := recordClientSide(t, c, fault)
			require.Equal(t, c.name == kills, r.Failed(), "%s:\n%s", c.name, r.Text())
		}
	}
}
