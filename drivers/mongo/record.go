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
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"gosession.dev/session/driver"
)

// document is a record as it is stored.
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

// MongoDB's limit, and what a document takes beside Data, Meta and the strings:
// names, types, lengths, dates, the _id, a former key.
const (
	maxDocument = 16 << 20
	overhead    = 300
)

// encode makes the document of r's next version.
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
		// Two writers never choose the same, so that a writer that got no answer
		// knows its own write again; and a key that was destroyed and is created
		// again does not repeat one. 0 would be "not known".
		Version: int64(max(rand.Uint64(), 1)),
		Was:     former{Key: r.Key},
	}, nil
}

// encodeData returns data as a document if that is wanted and possible, else as
// binary.
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

// notNil is never nil, which would be null.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// decode reads what stands under key. It returns ErrNotFound for an expired record
// and for a mark.
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
		return nil, fmt.Errorf("%w: its document has other fields", driver.ErrCorrupt)
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

// decodeData returns what encodeData was given, in bytes of its own.
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

// errOtherKey: a server, or a proxy before it, has mixed up answers, or the
// collection compares strings by rules of a language.
var errOtherKey = errors.New("mongo: the server answered with a document under another key")

// isUnder reports whether a document stands under key.
func isUnder(raw bson.Raw, key string) bool {
	stored, ok := raw.Lookup("key").StringValueOK()
	return ok && stored == key
}

// isExpired reports whether a document has an expiry that has passed.
func isExpired(raw bson.Raw, now time.Time) bool {
	expires, ok := raw.Lookup("expires").TimeOK()
	return ok && !expires.After(now)
}

// isNone reports whether a find has found nothing.
func isNone(err error) bool { return errors.Is(err, mongo.ErrNoDocuments) }

// landed reports whether a write that got no answer is there all the same: only
// that write has this version. Whether it was overwritten since, it can't know.
func (s *Store) landed(ctx context.Context, coll *mongo.Collection, d *document, err error) bool {
	if !isNetwork(err) || ctx.Err() != nil {
		return false
	}
	return coll.FindOne(ctx, with(under(d.Key), ofVersion(d.Version)),
		options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err() == nil
}
