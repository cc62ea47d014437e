package drivertest

import (
	"fmt"
	"iter"
	"slices"

	"gosession.dev/session/driver"
)

// listing is a sequence of keys, and the call that returned it.
type listing struct {
	call string
	seq  iter.Seq2[string, error]
}

func (h *handle) sessions() listing {
	return listing{"Sessions()", h.Store.Sessions(h.t.ctx)}
}

func (h *handle) subjectSessions(subject string) listing {
	s := h.Store.(driver.SubjectLister)
	return listing{fmt.Sprintf("SubjectSessions(%q)", subject), s.SubjectSessions(h.t.ctx, subject)}
}

// yields checks that l yields the keys of exactly the records in want, each once.
func (t *trial) yields(l listing, want ...*driver.Record) {
	t.Helper()
	got, err := collect(l.seq)
	t.expect(err, nil, "%s", l.call)
	keys := make([]string, 0, len(want))
	for _, r := range want {
		keys = append(keys, r.Key)
	}
	slices.Sort(got)
	slices.Sort(keys)
	if !slices.Equal(got, keys) {
		t.Fatalf("%s yields %s", l.call, listDifference(got, keys))
	}
}

// collect returns the keys that seq yields, up to its first error.
func collect(seq iter.Seq2[string, error]) ([]string, error) {
	var keys []string
	for key, err := range seq {
		if err != nil {
			return keys, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// listDifference describes how got differs from want. Both are sorted.
func listDifference(got, want []string) string {
	if len(want) <= 8 && len(got) <= 8 {
		return fmt.Sprintf("%q; want %q", got, want)
	}
	for i, key := range got {
		if i > 0 && key == got[i-1] {
			return fmt.Sprintf("%q twice; want it once", key)
		}
		if _, listed := slices.BinarySearch(want, key); !listed {
			return fmt.Sprintf("%q; want live records only", key)
		}
	}
	for _, key := range want {
		if _, listed := slices.BinarySearch(got, key); !listed {
			return fmt.Sprintf("%d keys without %q; want %d with it", len(got), key, len(want))
		}
	}
	return "nothing wrong"
}
