package faulty

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"gosession.dev/session/driver"
)

// indexMutants have faults of listings that last, and of the index of subjects.
var indexMutants = []Mutant{
	{Kills: "Sessions/ManyOpen", Fault: "holds one of a hundred connections while it lists",
		breaks: func(s *store) { s.sessions = s.holdConnection(s.sessions) }},
	{Kills: "SubjectSessions/ManyOpen", Fault: "holds one of a hundred connections while it lists",
		breaks: func(s *store) { s.subjectSessions = s.ofSubject(s.holdConnection) }},
	{Kills: "Sessions/Extended", Fault: "judges a record by the expiry that it has read with the page",
		breaks: func(s *store) { s.sessions = s.trustPage(s.sessions) }},
	{Kills: "SubjectSessions/Extended", Fault: "judges a record by the expiry that it has read with the page",
		breaks: func(s *store) { s.subjectSessions = s.ofSubject(s.trustPage) }},
	{Kills: "SubjectSessions/WhileOthersChange", Fault: "pages by offset",
		breaks: func(s *store) { s.subjectSessions = s.ofSubject(byOffset) }},
	{Kills: "SubjectSessions/NamedAsKey", Fault: "takes the record whose key is the subject for the index of the subject",
		breaks: func(s *store) {
			list := s.subjectSessions
			s.subjectSessions = func(ctx context.Context, subject string) iter.Seq2[string, error] {
				if _, err := s.correct.Retrieve(ctx, subject); err == nil {
					return func(func(string, error) bool) {}
				}
				return list(ctx, subject)
			}
		}},
	{Kills: "DestroySubject/ManyExcept", Fault: "ends at the first page that has only spared records",
		breaks: func(s *store) {
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				for {
					keys, err := collect(s.correct.SubjectSessions(ctx, subject))
					if err != nil {
						return err
					}
					slices.Sort(keys)
					later := keys[min(len(keys), 1000):]
					if err := s.correct.DestroySubject(ctx, subject, slices.Concat(except, later)...); err != nil {
						return err
					}
					left, err := collect(s.correct.SubjectSessions(ctx, subject))
					if err != nil || len(left) == len(keys) {
						return err
					}
				}
			}
		}},
	{Kills: "DestroySubject/ByteByByte", Fault: "cuts subjects to what its column holds",
		breaks: func(s *store) {
			s.destroysAlike(func(a, b string) bool { return cutSubject(a) == cutSubject(b) })
		}},
	{Kills: "Leftovers/Ended", Fault: "leaves a record in the index of the subject that it had before",
		breaks: func(s *store) {
			flush := s.flush
			s.flush = func(ctx context.Context, r *driver.Record) error {
				old, _ := s.correct.Retrieve(ctx, r.Key)
				err := flush(ctx, r)
				s.leaves(err == nil && old != nil && old.Subject != r.Subject)
				return err
			}
		}},
}

var moreIndexMutants = []Mutant{
	{Kills: "SubjectSessions/NamedAsKey", Fault: "writes the index of a subject over the record whose key is the subject",
		breaks: func(s *store) {
			create := s.create
			s.create = func(ctx context.Context, r *driver.Record) error {
				err := create(ctx, r)
				if err == nil && r.Subject != "" {
					_ = s.correct.Destroy(ctx, r.Subject)
				}
				return err
			}
		}},
	{Kills: "SubjectSessions/ByteByByte", Fault: "splits the entries of its index at the first slash",
		breaks: func(s *store) {
			s.listsSubject(func(r *driver.Record, subject string) bool {
				return r.Subject == subject && !strings.Contains(subject, "/")
			})
		}},
	{Kills: "DestroySubject/ByteByByte", Fault: "splits the entries of its index at the first slash",
		breaks: func(s *store) {
			destroy := s.destroySubject
			s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
				if strings.Contains(subject, "/") {
					return ctx.Err()
				}
				return destroy(ctx, subject, except...)
			}
		}},
	{Kills: "Sessions/ContextInLoop", Fault: "yields the context's error after a break",
		breaks: func(s *store) { s.sessions = yieldsAfterBreak(s.sessions) }},
	{Kills: "SubjectSessions/ContextInLoop", Fault: "yields the context's error after a break",
		breaks: func(s *store) { s.subjectSessions = s.ofSubject(yieldsAfterBreak) }},
	{Kills: "Leftovers/Ended", Fault: "leaves a destroyed record in the index of its subject",
		breaks: func(s *store) {
			destroy := s.destroy
			s.destroy = func(ctx context.Context, key string) error {
				err := destroy(ctx, key)
				s.leaves(err == nil)
				return err
			}
		}},
	{Kills: "Leftovers/Ended", Fault: "leaves an expired record in the index of its subject",
		breaks: func(s *store) {
			sweep := s.deleteExpired
			s.deleteExpired = func(ctx context.Context) (int, error) {
				n, err := sweep(ctx)
				for range n {
					s.leaves(true)
				}
				return n, err
			}
		}},
	{Kills: "Leftovers/Ended", Fault: "leaves a corrupt record that is destroyed in the index of its subject",
		breaks: func(s *store) {
			destroy := s.destroy
			s.destroy = func(ctx context.Context, key string) error {
				_, err := s.correct.Retrieve(ctx, key)
				corrupt := errors.Is(err, driver.ErrCorrupt)
				err = destroy(ctx, key)
				s.leaves(err == nil && corrupt)
				return err
			}
		}},
	{Kills: "Leftovers/Ended", Fault: "leaves a renamed record in the index of its subject",
		breaks: func(s *store) {
			changeID := s.changeID
			s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
				err := changeID(ctx, oldKey, r)
				s.leaves(err == nil)
				return err
			}
		}},
}

// cutSubject returns what a column of 254 bytes holds of a subject.
func cutSubject(subject string) string { return subject[:min(len(subject), 254)] }

// leaves makes the backend keep an item that no method finds, if it is true.
func (s *store) leaves(one bool) {
	if one {
		s.world.do(func() { s.world.leftovers++ })
	}
}

// destroysAlike makes DestroySubject remove the records of all subjects that are alike.
func (s *store) destroysAlike(alike func(a, b string) bool) {
	s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
		keys, _ := collect(s.correct.Sessions(ctx))
		for _, key := range keys {
			r, err := s.correct.Retrieve(ctx, key)
			if err == nil && r.Subject != subject && alike(r.Subject, subject) {
				s.correct.DestroySubject(ctx, r.Subject, except...)
			}
		}
		return s.correct.DestroySubject(ctx, subject, except...)
	}
}

// yieldsAfterBreak makes a listing yield the context's error even if the loop over it has ended.
func yieldsAfterBreak(list lister) lister {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for key, err := range list(ctx) {
				if yield(key, err) {
					continue
				}
				if err == nil && ctx.Err() != nil {
					yield("", ctx.Err())
				}
				return
			}
		}
	}
}

// holdConnection makes a listing hold one of a hundred connections for as long as it lasts.
func (s *store) holdConnection(list lister) lister {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			select {
			case s.world.slots <- struct{}{}:
				defer func() { <-s.world.slots }()
				list(ctx)(yield)
			case <-ctx.Done():
				yield("", ctx.Err())
			}
		}
	}
}

// trustPage makes a listing read all records at its beginning, and yield those that have not
// expired since, by the expiry that they had then.
func (s *store) trustPage(list lister) lister {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			keys, err := collect(list(ctx))
			page := make([]*driver.Record, len(keys))
			for i, key := range keys {
				page[i], _ = s.correct.Retrieve(ctx, key)
			}
			for i, key := range keys {
				if ctx.Err() != nil {
					break
				}
				if page[i] != nil && time.Now().Before(page[i].Expires) && !yield(key, nil) {
					return
				}
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield("", err)
			}
		}
	}
}

// byOffset makes a listing skip as many records as it has yielded before each page.
func byOffset(list lister) lister {
	const size = 1000
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for offset := 0; ; offset += size {
				keys, err := collect(list(ctx))
				if err != nil {
					yield("", err)
					return
				}
				slices.Sort(keys)
				if offset >= len(keys) {
					return
				}
				for _, key := range keys[offset:min(offset+size, len(keys))] {
					if ctx.Err() != nil {
						yield("", ctx.Err())
						return
					}
					if !yield(key, nil) {
						return
					}
				}
			}
		}
	}
}
