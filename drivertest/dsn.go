package drivertest

import (
	"fmt"
	"strings"
)

// canary stands for a password. A mistyped parameter may have a password in its value or in
// its name.
const canary = "drivertest-canary"

// oddDSN is a DSN, and its name in messages.
type oddDSN struct {
	name, dsn string
}

// badDSNs returns Target.BadDSN, and DSNs that every driver must refuse.
func (t *trial) badDSNs() (list []oddDSN) {
	for i, dsn := range t.tgt.BadDSN {
		list = append(list, oddDSN{fmt.Sprintf("Target.BadDSN[%d]", i), dsn})
	}
	dsn := t.tgt.DSN(t.TB)
	unknown := dsn + separator(dsn) + canary
	return append(list,
		oddDSN{"dsn + unknown parameter", unknown + "=" + canary},
		oddDSN{"dsn + unknown parameter, which is malformed", unknown + "=%zz" + canary},
		oddDSN{"dsn + unknown parameter of 1 MB", unknown + "=" + strings.Repeat("x", 1<<20)},
		oddDSN{"dsn + NUL", dsn + "\x00"},
		oddDSN{"dsn + NUL and more", dsn + "\x00" + canary},
	)
}

// oddDSNs returns DSNs that some drivers accept and others refuse.
func (t *trial) oddDSNs() []oddDSN {
	dsn := t.tgt.DSN(t.TB)
	list := []oddDSN{
		{"dsn + line feed", dsn + "\n"},
		{"dsn + space", dsn + " "},
		{"dsn + %zz", dsn + "%zz"},
		{"dsn + separator", dsn + separator(dsn)},
		{"dsn + separator, =", dsn + separator(dsn) + "="},
		{"dsn + separator, %zz=1", dsn + separator(dsn) + "%zz=1"},
		{"dsn + separator, ;", dsn + separator(dsn) + ";"},
		{"dsn + #", dsn + "#" + canary},
	}
	if _, query, ok := strings.Cut(dsn, "?"); ok {
		for pair := range strings.SplitSeq(query, "&") {
			name, _, _ := strings.Cut(pair, "=")
			list = append(list,
				oddDSN{"dsn + " + name + " again", dsn + "&" + pair},
				oddDSN{"dsn with " + name + " empty", strings.Replace(dsn, pair, name+"=", 1)})
		}
	}
	return list
}

// separator returns the character between a DSN and one more parameter.
func separator(dsn string) string {
	if strings.Contains(dsn, "?") {
		return "&"
	}
	return "?"
}

func openBadDSN(t *trial) {
	for _, bad := range t.badDSNs() {
		if s, err := t.tgt.open(bad.dsn); err == nil {
			s.Close()
			t.Errorf("Open(%s) = a store, nil; want an error", bad.name)
		}
	}
}

func openErrorHidesDSN(t *trial) {
	dsn := t.tgt.DSN(t.TB)
	misplaced := []oddDSN{
		{"canary@dsn", canary + "@" + dsn},
		{"canary:canary@dsn", canary + ":" + canary + "@" + dsn},
		{"canary:dsn", canary + ":" + dsn},
		{"canary://canary@dsn", canary + "://" + canary + "@" + dsn},
		{"canary=canary", canary + "=" + canary},
		{"dsn, canary", dsn + "," + canary + ":" + canary},
	}
	for _, odd := range append(append(t.badDSNs(), t.oddDSNs()...), misplaced...) {
		s, err := t.tgt.open(odd.dsn)
		switch {
		case err == nil:
			s.Close()
		case t.reveals(err, odd.dsn, canary):
			t.Errorf("the error of Open(%s) contains a part of the DSN; want none", odd.name)
		case len(err.Error()) > 1<<10:
			t.Errorf("the error of Open(%s) has %d bytes, so it may contain a part of the DSN; want at most 1 KB", odd.name, len(err.Error()))
		}
	}
}

// openUsesAccepted tries DSNs that a driver may refuse, each made from the DSN of a new and
// empty store. A store that the driver opens must work, unless the DSN names a place that does
// not exist.
func openUsesAccepted(t *trial) {
	names := t.namesPlace()
	for i := range t.oddDSNs() {
		odd := t.oddDSNs()[i]
		s, err := t.tgt.open(odd.dsn)
		if err != nil {
			continue
		}
		s.Close()
		h := t.openDSN(odd.dsn)
		r := t.record()
		if err = h.Store.Create(t.ctx, r); err != nil && names && !strings.ContainsAny(odd.dsn, "?&") {
			continue
		}
		t.expect(err, nil, "Open(%s), then Create(%q)", odd.name, r.Key)
		h.holds(r)
	}
}

// namesPlace reports whether a DSN ends in the name of a place that has to exist already, such
// as a database that an administrator creates. Then Open can't know whether a longer name is
// that of another place.
func (t *trial) namesPlace() bool {
	dsn := t.tgt.DSN(t.TB)
	if strings.Contains(dsn, "?") {
		return false
	}
	s, err := t.tgt.open(dsn + "x")
	if err != nil {
		return false
	}
	defer s.Close()
	return s.Create(t.ctx, newRecord(t.key())) != nil
}
