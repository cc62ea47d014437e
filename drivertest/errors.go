package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gosession.dev/session/driver"
)

const (
	outageIsNoAnswer = "Everything that keeps the store from knowing is another error, and never ErrNotFound: " +
		"otherwise an outage signs everybody out."
	hidesSecrets = "No error may contain a key's ID, a record's data or a DSN, for DSNs hold passwords."
)

var errorChecks = []check{
	{name: "Errors/Outage", in: "package driver", rule: outageIsNoAnswer, dead: true, fn: errorsOutage},
	{name: "Errors/HideData", in: "package driver", rule: hidesSecrets, fn: errorsHideData},
	{name: "Errors/HideDSN", in: "package driver", rule: hidesSecrets, fn: errorsHideDSN},
}

// asksBackend are the methods that have no answer without the backend; the
// others may have nothing to do.
var asksBackend = []string{"Create", "Retrieve", "Flush", "ChangeID", "Destroy", "Renamed"}

func errorsOutage(t *trial) {
	s := t.openDSN(t.tgt.DeadDSN(t.TB))
	t.callsDead(s, func(m method, err error, _ time.Duration) error {
		if slices.Contains(asksBackend, m.name) && err == nil || isAnswer(err) {
			return fmt.Errorf("%s of a server that never answers = %s; want another error", m.name, text(err))
		}
		return nil
	})
}

// isAnswer tells whether err says something about a record.
func isAnswer(err error) bool {
	return gone(err) || errors.Is(err, driver.ErrExists)
}

func errorsHideData(t *trial) {
	s := t.open()
	for _, err := range t.provoke(s) {
		if t.reveals(err, canary) {
			t.Errorf("a failing call's error contains the record's data: %q", err)
		}
	}
}

func errorsHideDSN(t *trial) {
	s := t.open()
	for _, err := range t.provoke(s) {
		if t.reveals(err, t.dsn) {
			t.Error("a failing call's error contains the DSN")
		}
	}
}

// provoke makes calls fail that have data to tell, and returns their errors.
func (t *trial) provoke(s *handle) (errs []error) {
	t.Helper()
	r, other, absent := t.record(), t.record(), t.record()
	for _, r := range []*driver.Record{r, other, absent} {
		r.Data, r.Meta = []byte(canary), []byte(canary)
	}
	s.create(r, nil)
	s.create(other, nil)
	stale := copyOf(r)
	s.flush(r, nil)
	huge := t.record()
	huge.Data = []byte(strings.Repeat(canary, 1<<20/len(canary)))
	done, cancel := context.WithCancel(t.ctx)
	cancel()
	errs = []error{
		s.Store.Create(t.ctx, copyOf(r)),
		s.Store.Create(t.ctx, huge),
		s.Store.Flush(t.ctx, copyOf(stale)),
		s.Store.Flush(t.ctx, copyOf(absent)),
		s.Store.ChangeID(t.ctx, stale.Key, renamed(stale, t.key())),
		s.Store.ChangeID(t.ctx, absent.Key, renamed(absent, t.key())),
		s.Store.ChangeID(t.ctx, r.Key, renamed(r, other.Key)),
		s.Store.Destroy(t.ctx, absent.Key),
		s.Store.Create(done, copyOf(absent)),
		s.Store.Flush(done, copyOf(r)),
	}
	s.close()
	return append(errs, s.Store.Create(t.ctx, absent), s.Store.Flush(t.ctx, copyOf(r)))
}

// reveals tells whether err contains one of the secrets. Those of a few
// characters are left out: they may be in any text.
func (t *trial) reveals(err error, secrets ...string) bool {
	const fewest = 8
	if err == nil {
		return false
	}
	return slices.ContainsFunc(secrets, func(secret string) bool {
		return len(secret) >= fewest && strings.Contains(fmt.Sprintf("%v %+v", err, err), secret)
	})
}
