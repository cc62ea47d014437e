package histories

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"gosession.dev/session/driver"
)

// player makes the calls of one client, and remembers what the client has read or written last
// under each key. One goroutine at a time uses it.
type player struct {
	ctx   context.Context
	store driver.Store
	known map[string]known
}

// known is what a client knows of a record after its last read or write, with the version.
type known struct {
	image
	version uint64
}

// play makes the call o and stores the result in o. It returns an error if no history may have
// such a result.
func (p *player) play(o *op) error {
	r := o.record()
	var found *driver.Record
	var err error
	o.from = time.Now()
	switch o.verb {
	case doCreate:
		err = p.store.Create(p.ctx, r)
	case doRetrieve:
		found, err = p.store.Retrieve(p.ctx, o.key)
	case doFlush:
		err = p.store.Flush(p.ctx, r)
	case doChangeID:
		err = p.store.ChangeID(p.ctx, o.key, r)
	case doTouch:
		err = p.store.(driver.Toucher).Touch(p.ctx, o.key, time.UnixMilli(o.expires).UTC())
	case doDestroy:
		err = p.store.Destroy(p.ctx, o.key)
	case doList:
		o.yields, err = collect(p.listing(o.subject))
	case doRenamed:
		o.mark, err = p.renamed(o.key)
	case doDestroySubject:
		err = p.store.(driver.SubjectDestroyer).DestroySubject(p.ctx, o.subject, o.except...)
	}
	o.to = time.Now()
	legal := false
	if o.err, legal = bare(err); !legal {
		return fmt.Errorf("%s = %s; want nil, ErrNotFound, ErrExists or ErrConflict", o.callText(o.from), text(err))
	}
	if o.err == nil {
		return p.learn(o, r, found)
	}
	return nil
}

// renamed returns the key to which the mark under key leads.
func (p *player) renamed(key string) (string, error) {
	mark, err := p.store.(driver.RenameTracker).Renamed(p.ctx, key)
	if err == nil && mark.Age < 0 {
		err = fmt.Errorf("negative Age %v", mark.Age)
	}
	return mark.To, err
}

func (p *player) listing(subject string) iter.Seq2[string, error] {
	if subject == "" {
		return p.store.Sessions(p.ctx)
	}
	return p.store.(driver.SubjectLister).SubjectSessions(p.ctx, subject)
}

// learn remembers the record that a successful call has written or found. A store need not
// report the version of a record that it has written.
func (p *player) learn(o *op, written, found *driver.Record) (err error) {
	switch {
	case o.verb == doRetrieve:
		if o.saw, err = imageOf(o.key, found); err != nil {
			return err
		}
		p.known[o.key] = known{o.saw, found.Version}
	case o.write > 0 && written.Version != 0:
		p.known[o.target()] = known{o.image(), written.Version}
	case o.write > 0:
		delete(p.known, o.target())
	}
	return nil
}

// target returns the key under which o writes.
func (o *op) target() string {
	if o.verb == doChangeID {
		return o.newKey
	}
	return o.key
}

// record returns the record that o writes.
func (o *op) record() *driver.Record {
	n := strconv.Itoa(o.content())
	return &driver.Record{
		Key:     o.target(),
		Data:    []byte(`{"write":` + n + `}`),
		Meta:    []byte(n),
		Created: now(),
		Expires: time.UnixMilli(o.expires).UTC(),
		Subject: o.subject,
		Version: o.version,
	}
}

// now returns the time of day as records have it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// imageOf returns what can be seen of r. It returns an error if r does not come from one write.
func imageOf(key string, r *driver.Record) (image, error) {
	if r == nil {
		return image{}, fmt.Errorf("Retrieve(%q) = nil, nil; want a record", key)
	}
	write, err := strconv.Atoi(string(r.Meta))
	if err != nil || string(r.Data) != `{"write":`+string(r.Meta)+`}` {
		return image{}, fmt.Errorf("Retrieve(%q) = Data %.64q, Meta %.64q; want both from one write", key, r.Data, r.Meta)
	}
	return image{write, r.Expires.UnixMilli(), r.Subject}, nil
}
