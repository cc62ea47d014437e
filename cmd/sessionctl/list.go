package main

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func (c *ctl) list() *cobra.Command {
	var s selection
	var limit int
	var unsorted bool
	cmd := &cobra.Command{
		Use: "list", Short: "list live sessions", Args: noArgs,
		Long: `List live sessions, most recently seen first. Subjects and labels are cut to 40
columns; show and --json print all of them.

To sort, list holds all sessions in memory, or as many as --limit says. With --unsorted
it prints each session as soon as it is found.`,
		Example: "  sessionctl list --limit 20\n  sessionctl list --older-than 30d --unsorted --json | jq -r .key",
		RunE: c.with(func(cmd *cobra.Command, f opened, _ []string) error {
			if limit < 0 {
				return usage("--limit must be 0 or more")
			}
			var h hidden
			defer h.say(c.err)
			l := listing{c: c, limit: limit, unsorted: unsorted}
			for one, err := range s.sessions(cmd.Context(), f, h.add) {
				if err != nil {
					return err
				}
				if done, err := l.take(one); err != nil || done {
					return err
				}
			}
			return l.finish()
		}),
	}
	s.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 0, "print at most this many sessions; 0 is all")
	cmd.Flags().BoolVar(&unsorted, "unsorted", false, "print each session as soon as it is found, in no order")
	return cmd
}

// listing prints the sessions of list.
type listing struct {
	c        *ctl
	limit    int
	unsorted bool
	n        int        // sessions printed, if unsorted
	kept     byLastSeen // sessions to sort and print at the end
}

// take prints a session at once, or keeps it to be sorted. It reports whether the limit is reached.
func (l *listing) take(one found) (full bool, err error) {
	one.values, one.record = nil, nil
	if l.unsorted {
		l.n++
		return l.n == l.limit, l.print([]found{one}, l.n == 1)
	}
	heap.Push(&l.kept, one)
	if l.limit > 0 && len(l.kept) > l.limit {
		heap.Pop(&l.kept)
	}
	return false, nil
}

// finish sorts and prints the sessions that take has kept.
func (l *listing) finish() error {
	slices.SortFunc(l.kept, func(a, b found) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), b.Created.Compare(a.Created), cmp.Compare(a.key, b.key))
	})
	return l.print(l.kept, true)
}

func (l *listing) print(sessions []found, heading bool) error {
	if l.c.json {
		for _, one := range sessions {
			if err := l.c.encode(objectOf(one)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(sessions) == 0 {
		return nil
	}
	t := table{right: map[int]bool{4: true}}
	if heading {
		t.add("KEY", "CREATED", "LAST SEEN", "EXPIRES IN", "SIZE", "SUBJECT", "LABEL")
	}
	for _, one := range sessions {
		t.add(row(one)...)
	}
	return t.print(l.c.out, heading)
}

const textColumns = 40 // of a subject or a label

func row(one found) []string {
	subject, label := cut(plain(one.Subject), textColumns), cut(plain(one.Label), textColumns)
	seen := ago(one.LastSeen)
	if one.unreadable != nil {
		seen, label = "-", "can't be read"
	}
	created, expires := "-", "-"
	if !one.Created.IsZero() {
		created, expires = at(one.Created), in(one.Expires)
	}
	return []string{
		plain(string(one.key)), fmt.Sprintf("%-25s", created), fmt.Sprintf("%-10s", seen),
		fmt.Sprintf("%-10s", expires), fmt.Sprintf("%7s", size(one.Size)), subject, label,
	}
}

// why returns the short text for an error that makes a session unreadable.
func why(unreadable error) string {
	if isSealed(unreadable) {
		return driver.ErrSealed.Error()
	}
	return session.ErrCorrupt.Error()
}

// byLastSeen is a heap with the least recently seen session on top.
type byLastSeen []found

func (h byLastSeen) Len() int           { return len(h) }
func (h byLastSeen) Less(i, j int) bool { return h[i].LastSeen.Before(h[j].LastSeen) }
func (h byLastSeen) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byLastSeen) Push(one any)      { *h = append(*h, one.(found)) }

func (h *byLastSeen) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
