package drivertest

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"gosession.dev/session/driver"
)

// player makes the calls of one client, and remembers what the client has read
// under which key. It is used by one goroutine at a time.
type player struct {
	ctx   context.Context
	store driver.Store
	known map[string]known
}

// known is what a client has seen of a record, and the version that it was told
// with it.
type known struct {
	image
	version uint64
}

// play makes the call that o is, and completes o by the result. The error says
// what no history may have.
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
		return fmt.Errorf("%s = %s; want nil or an error that the contract has for it", o.callText(o.from), text(err))
	}
	if o.err == nil {
		return p.learn(o, r, found)
	}
	return nil
}

// renamed returns the key that the mark under key leads to.
func (p *player) renamed(key string) (string, error) {
	mark, err := p.store.(driver.RenameTracker).Renamed(p.ctx, key)
	if err == nil && mark.Age < 0 {
		err = fmt.Errorf("an Age of %v", mark.Age)
	}
	return mark.To, err
}

func (p *player) listing(subject string) iter.Seq2[string, error] {
	if subject == "" {
		return p.store.Sessions(p.ctx)
	}
	return p.store.(driver.SubjectLister).SubjectSessions(p.ctx, subject)
}

// learn remembers what a call that succeeded has told: the record that was written
// or found. A store need not tell the version of what it has written.
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

// target is the key under which o writes.
func (o *op) target() string {
	if o.verb == doChangeID {
		return o.newKey
	}
	return o.key
}

// record is what o writes.
func (o *op) record() *driver.Record {
	n := strconv.Itoa(o.write)
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

// imageOf tells which write has stored r.
func imageOf(key string, r *driver.Record) (image, error) {
	if r == nil {
		return image{}, fmt.Errorf("Retrieve(%q) = nil, nil; want a record", key)
	}
	write, err := strconv.Atoi(string(r.Meta))
	if err != nil || string(r.Data) != `{"write":`+string(r.Meta)+`}` {
		return image{}, fmt.Errorf("Retrieve(%q) = Data %s, Meta %s; want those of one write", key, bytesText(r.Data), bytesText(r.Meta))
	}
	return image{write, r.Expires.UnixMilli(), r.Subject}, nil
}
