package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gosession.dev/session/driver"
)

const (
	outageIsNoAnswer = "If the store can't find out whether there is a record, it returns another error, and never ErrNotFound: " +
		"otherwise an outage signs all users out."
	hidesPrinted = "A store that is printed, with any verb, must show neither data nor a DSN."
	hidesSecrets = "No error may contain a session ID, a record's data or a DSN: a DSN may hold a password."
)

var errorChecks = []check{
	{name: "Errors/Outage", in: "package driver", rule: outageIsNoAnswer, given: "DeadDSN", fn: errorsOutage},
	{name: "Errors/HideData", in: "package driver", rule: hidesSecrets, fn: errorsHideData},
	{name: "Errors/Printed", in: "package driver", rule: hidesPrinted, fn: errorsPrinted},
	{name: "Errors/HideDSN", in: "package driver", rule: hidesSecrets, fn: errorsHideDSN},
}

// asksBackend are the methods that can't succeed without the backend. DeleteExpired may have
// nothing to do, and Ping has a check of its own.
var asksBackend = []string{"Create", "Retrieve", "Flush", "ChangeID", "Destroy", "Sessions", "Touch", "SubjectSessions",
	"DestroySubject", "Renamed"}

func errorsOutage(t *trial) {
	s := t.openDSN(t.tgt.DeadDSN(t.TB))
	t.callsDead(s, func(m method, err error) error {
		_, none := errors.AsType[noResultError](err)
		if none || slices.Contains(asksBackend, m.name) && err == nil || isAnswer(err) {
			return fmt.Errorf("%s on a server that never answers = %s; want %s", m.name, text(err), anOutage)
		}
		return nil
	})
}

// anOutage is how messages call an error for which isAnswer returns false.
const anOutage = "an error, but not ErrNotFound, ErrConflict or ErrExists"

// isAnswer reports whether err says something about a record.
func isAnswer(err error) bool {
	return gone(err) || errors.Is(err, driver.ErrExists)
}

func errorsHideData(t *trial) {
	s := t.open()
	for _, err := range t.provoke(s) {
		if t.reveals(err, canary) {
			t.Errorf("a call that fails = error %q; want none of the record's data in it", err)
		}
	}
}

func errorsHideDSN(t *trial) {
	s := t.open()
	for _, err := range t.provoke(s) {
		if t.revealsDSN(err, t.dsn) {
			t.Error("the error of a call that fails contains a part of the DSN; want none")
		}
	}
}

// A store that was used is printed, by itself and within other values.
func errorsPrinted(t *trial) {
	s := t.open()
	r := t.record()
	r.Data, r.Meta, r.Subject = []byte(canary), []byte(canary), canary
	s.create(r, nil)
	type exported struct{ Store driver.Store }
	type unexported struct{ store driver.Store }
	for _, v := range []any{s.Store, exported{s.Store}, &unexported{s.Store}, []driver.Store{s.Store}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if shows(fmt.Sprintf(verb, v), append(partsOf(t.dsn), canary)) {
				t.Errorf("fmt.Sprintf(%q, %T) shows data or a part of the DSN; want neither", verb, v)
			}
		}
	}
}

// shows reports whether printed contains one of the secrets, in any spelling.
func shows(printed string, secrets []string) bool {
	for _, secret := range secrets {
		for _, spelling := range spellings(secret) {
			if len(secret) >= shortestSecret && strings.Contains(printed, spelling) {
				return true
			}
		}
	}
	return false
}

// spellings returns text in the forms in which verbs print it.
func spellings(text string) []string {
	return []string{text, fmt.Sprintf("%x", text), strings.Trim(fmt.Sprint([]byte(text)), "[]"), strings.Trim(fmt.Sprintf("%#v", []byte(text)), "[]byte{}")}
}

// provoke makes calls fail whose errors could show data, and returns the errors.
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

// shortestSecret is the length of the shortest secret that is looked for. A shorter text may
// be in any message by chance.
const shortestSecret = 8

// reveals reports whether err contains one of the secrets.
func (t *trial) reveals(err error, secrets ...string) bool {
	if err == nil {
		return false
	}
	return slices.ContainsFunc(secrets, func(secret string) bool {
		return len(secret) >= shortestSecret && strings.Contains(fmt.Sprintf("%v %+v", err, err), secret)
	})
}

// revealsDSN reports whether err contains a part of dsn.
func (t *trial) revealsDSN(err error, dsn string) bool { return t.reveals(err, partsOf(dsn)...) }

// partsOf returns dsn and its parts: a host with its port, the elements of a path, the values
// of parameters. The scheme of a URL and the names of parameters are not secret.
func partsOf(dsn string) []string {
	parts := []string{dsn}
	_, rest, isURL := strings.Cut(dsn, "://")
	if !isURL {
		rest = dsn
	}
	for _, part := range strings.FieldsFunc(rest, func(c rune) bool { return strings.ContainsRune("/?&@,;", c) }) {
		_, value, named := strings.Cut(part, "=")
		if !named {
			value = part
		}
		parts = append(parts, value)
	}
	return parts
}
