package mongo

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"gosession.dev/session/driver"
)

// document is the stored form of a record.
type document struct {
	Key     string        `bson:"key"`
	Data    bson.RawValue `bson:"data"`
	Meta    []byte        `bson:"meta"`
	Created time.Time     `bson:"created"`
	Expires time.Time     `bson:"expires"`
	Subject string        `bson:"subject"`
	Version int64         `bson:"version"`
	Was     former        `bson:"was"`
}

const (
	maxDocument = 16 << 20 // MongoDB's limit, in bytes

	// overhead is what a document takes in addition to Data, Meta and the strings: names, types,
	// lengths, dates, the _id and a former key.
	overhead = 300
)

// encode returns the document of r's next version. It returns ErrTooLarge if that is above MongoDB's
// limit.
func (s *Store) encode(r *driver.Record) (*document, error) {
	limit := maxDocument - overhead - len(r.Key) - len(r.Meta) - len(r.Subject)
	data := s.encodeData(r.Data, limit)
	if size := len(data.Value); size > limit {
		return nil, fmt.Errorf("%w: its document has %d bytes, and MongoDB's limit is %d", driver.ErrTooLarge, size+maxDocument-limit, maxDocument)
	}
	return &document{
		Key:     r.Key,
		Data:    data,
		Meta:    notNil(r.Meta),
		Created: r.Created,
		Expires: r.Expires,
		Subject: r.Subject,
		// A random version lets a writer that got no answer recognize its own write, and does
		// not repeat after a key was destroyed and created again. 0 means not known.
		Version: int64(max(rand.Uint64(), 1)),
		Was:     former{Key: r.Key},
	}, nil
}

// encodeData returns data as a document if the store is configured so and the document is possible
// and within the limit, otherwise as binary.
func (s *Store) encodeData(data []byte, limit int) bson.RawValue {
	if s.asDocument {
		if raw, ok := fromJSON(data); ok && len(raw) <= limit {
			return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}
		}
	}
	return encodeBinary(data)
}

func encodeBinary(data []byte) bson.RawValue {
	value := binary.LittleEndian.AppendUint32(make([]byte, 0, len(data)+5), uint32(len(data)))
	value = append(value, bson.TypeBinaryGeneric)
	return bson.RawValue{Type: bson.TypeBinary, Value: append(value, data...)}
}

// notNil returns an empty slice for nil, which BSON would encode as null.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// decode returns the record in a document that was found under key. It returns ErrNotFound for an
// expired record and for a mark.
func decode(key string, raw bson.Raw, now time.Time) (*driver.Record, error) {
	switch {
	case !isUnder(raw, key):
		return nil, errOtherKey
	case isMarked(raw), isExpired(raw, now):
		return nil, driver.ErrNotFound
	}
	_, meta, hasMeta := raw.Lookup("meta").BinaryOK()
	created, hasCreated := raw.Lookup("created").TimeOK()
	expires, hasExpires := raw.Lookup("expires").TimeOK()
	subject, hasSubject := raw.Lookup("subject").StringValueOK()
	version, hasVersion := raw.Lookup("version").AsInt64OK()
	if !hasMeta || !hasCreated || !hasExpires || !hasSubject || !hasVersion {
		return nil, fmt.Errorf("%w: a field of its document is missing or has the wrong type", driver.ErrCorrupt)
	}
	data, err := decodeData(raw.Lookup("data"))
	if err != nil {
		return nil, err
	}
	return &driver.Record{
		Key:     key,
		Data:    data,
		Meta:    bytes.Clone(meta),
		Created: created.UTC(),
		Expires: expires.UTC(),
		Subject: subject,
		Version: uint64(version),
	}, nil
}

// decodeData is the inverse of encodeData. Its result does not alias v.
func decodeData(v bson.RawValue) ([]byte, error) {
	if _, data, ok := v.BinaryOK(); ok {
		return bytes.Clone(data), nil
	}
	raw, ok := v.DocumentOK()
	if !ok {
		return nil, fmt.Errorf("%w: its data is neither binary nor a document", driver.ErrCorrupt)
	}
	data, err := appendJSON(nil, raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", driver.ErrCorrupt, err)
	}
	return data, nil
}

// errOtherKey: the server or a proxy has mixed up answers, or the collection has a collation, by
// which different keys are equal.
var errOtherKey = errors.New("mongo: the server answered with a document under another key")

// isUnder reports whether a document has that key.
func isUnder(raw bson.Raw, key string) bool {
	stored, ok := raw.Lookup("key").StringValueOK()
	return ok && stored == key
}

// isExpired reports whether a document has an expiry that has passed.
func isExpired(raw bson.Raw, now time.Time) bool {
	expires, ok := raw.Lookup("expires").TimeOK()
	return ok && !expires.After(now)
}

// isNone reports whether err means that a query has found no document.
func isNone(err error) bool { return errors.Is(err, mongo.ErrNoDocuments) }

// landed reports whether a write that got no answer was executed: the stored record has its version,
// which no other write has. It returns false also if another write has overwritten it.
func (s *Store) landed(ctx context.Context, coll *mongo.Collection, d *document) bool {
	found, err := s.has(ctx, coll, with(under(d.Key), ofVersion(d.Version)))
	return err == nil && found
}
