package mongo

import (
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

// document is a record as it is stored.
type document struct {
	Key     string        `bson:"key"`
	Data    bson.RawValue `bson:"data"`
	Meta    []byte        `bson:"meta"`
	Created time.Time     `bson:"created"`
	Expires time.Time     `bson:"expires"`
	Subject string        `bson:"subject"`
	Version int64         `bson:"version"`
}

// MongoDB's limit, and what a document takes beside Data, Meta and the strings:
// names, types, lengths, dates, the _id.
const (
	maxDocument = 16 << 20
	overhead    = 160
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

// decode reads what find has found.
func decode(key string, found *mongo.SingleResult) (*driver.Record, error) {
	var d document
	if err := found.Decode(&d); err != nil {
		return nil, fmt.Errorf("%w: its document has other fields", driver.ErrCorrupt)
	}
	r := &driver.Record{
		Key:     key,
		Meta:    d.Meta,
		Created: d.Created.UTC(),
		Expires: d.Expires.UTC(),
		Subject: d.Subject,
		Version: uint64(d.Version),
	}
	if _, bytes, ok := d.Data.BinaryOK(); ok {
		r.Data = bytes
		return r, nil
	}
	raw, ok := d.Data.DocumentOK()
	if !ok {
		return nil, fmt.Errorf("%w: its data is neither binary nor a document", driver.ErrCorrupt)
	}
	var err error
	if r.Data, err = appendJSON(nil, raw); err != nil {
		return nil, fmt.Errorf("%w: %w", driver.ErrCorrupt, err)
	}
	return r, nil
}

// live is the filter for the record under key if it has not expired.
func live(key string) bson.D {
	return bson.D{{Key: "key", Value: key}, {Key: "expires", Value: bson.D{{Key: "$gt", Value: time.Now()}}}}
}

// dead is the filter for the record under key if it has expired.
func dead(key string) bson.D {
	return bson.D{{Key: "key", Value: key}, {Key: "expires", Value: bson.D{{Key: "$lte", Value: time.Now()}}}}
}

// isNone reports whether a find has found nothing.
func isNone(err error) bool { return errors.Is(err, mongo.ErrNoDocuments) }

// landed reports whether a write that got no answer is there all the same: only
// that write has this version. Whether it was overwritten since, it can't know.
func (s *Store) landed(ctx context.Context, coll *mongo.Collection, d *document, err error) bool {
	if !isNetwork(err) || ctx.Err() != nil {
		return false
	}
	filter := append(live(d.Key), bson.E{Key: "version", Value: d.Version})
	return coll.FindOne(ctx, filter).Err() == nil
}
