package mongo

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"gosession.dev/session/driver"
)

// The functions of this file return filters and conditions of queries. A filter matches documents; a
// condition is an element of a filter.

// under matches the record or mark under key.
func under(key string) bson.D { return bson.D{{Key: "key", Value: key}} }

// formerly matches records whose former key is key, for as long as that counts as a mark.
func formerly(key string) bson.D {
	return bson.D{{Key: "was.key", Value: key}, after("was.at", time.Now().Add(-driver.MarkLifetime))}
}

// longAgo matches records whose former key is one of keys, but too old to count as a mark.
func longAgo(keys ...string) bson.D {
	return bson.D{{Key: "was.key", Value: bson.D{{Key: "$in", Value: keys}}}, until("was.at", time.Now().Add(-driver.MarkLifetime))}
}

// taken matches the documents that prevent a Create under key.
func taken(key string) bson.D {
	return bson.D{{Key: "$or", Value: bson.A{occupied(key), formerly(key)}}}
}

// after is the condition that a field is a date later than t.
func after(field string, t time.Time) bson.E {
	return bson.E{Key: field, Value: bson.D{{Key: "$gt", Value: t}}}
}

// until is the condition that a field is a date not later than t.
func until(field string, t time.Time) bson.E {
	return bson.E{Key: field, Value: bson.D{{Key: "$lte", Value: t}}}
}

func hasType(field string, types ...string) bson.E {
	return bson.E{Key: field, Value: bson.D{{Key: "$type", Value: types}}}
}

// live returns the conditions that a document is a record that has not expired, and whose fields
// other than version can be decoded.
func live() bson.D {
	return bson.D{
		after("expires", time.Now()),
		hasType("data", "binData", "object"),
		hasType("meta", "binData"),
		hasType("created", "date"),
		hasType("subject", "string"),
	}
}

// versioned is the condition that a document has a version.
func versioned() bson.E { return hasType("version", "long", "int", "double") }

// ofVersion is the condition that a document has this version.
func ofVersion(version int64) bson.E { return bson.E{Key: "version", Value: version} }

// with returns a filter with more conditions. It does not change filter.
func with(filter bson.D, more ...bson.E) bson.D {
	return append(filter[:len(filter):len(filter)], more...)
}

// current matches the live record under key if it has this version.
func current(key string, version uint64) bson.D {
	return with(under(key), append(live(), ofVersion(int64(version)))...)
}

// dead matches an expired record or mark under key.
func dead(key string) bson.D { return with(under(key), bson.E{Key: "$or", Value: over()}) }

// occupied matches a record or mark under key that is not dead.
func occupied(key string) bson.D { return with(under(key), bson.E{Key: "$nor", Value: over()}) }

// over returns the filters for expired records and for expired marks.
func over() bson.A {
	now := time.Now()
	return bson.A{
		bson.D{until("expires", now)},
		bson.D{until("at", now.Add(-driver.MarkLifetime))},
	}
}

// destroyable matches the record under key if it has not expired, also if it cannot be decoded.
func destroyable(key string) bson.D {
	return with(under(key),
		bson.E{Key: "to", Value: bson.D{{Key: "$exists", Value: false}}},
		bson.E{Key: "expires", Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$lte", Value: time.Now()}}}}})
}
