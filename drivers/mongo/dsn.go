package mongo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// dsn is a parsed DSN.
type dsn struct {
	uri        string // the DSN without the parameters of this package
	database   string
	collection string
	options    Options
}

const (
	schemeHosts = "mongodb://"
	schemeSRV   = "mongodb+srv://" // the hosts are looked up in DNS
)

const form = "want mongodb://host:port/database?collection=sessions"

// No error quotes the DSN: what looks like a host or a parameter name may be part of a password.

func parseDSN(text string) (dsn, error) {
	d := dsn{collection: "sessions"}
	base, query, _ := strings.Cut(text, "?")
	kept, err := d.takeParameters(query)
	if err != nil {
		return dsn{}, err
	}
	d.uri = strings.TrimSuffix(base+"?"+kept, "?")
	conn, err := d.checkURI()
	if err != nil {
		return dsn{}, err
	}
	d.database = conn.Database
	if err := checkNames(d.database, d.collection); err != nil {
		return dsn{}, err
	}
	return d, nil
}

// takeParameters sets the parameters of this package and returns the rest of the query unchanged.
// Names are not case-sensitive, as in MongoDB's connection strings.
func (d *dsn) takeParameters(query string) (string, error) {
	var kept []string
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(query, "&") {
		name, escaped, _ := strings.Cut(pair, "=")
		name = strings.ToLower(name)
		if name != "collection" && name != "data" {
			kept = append(kept, pair)
			continue
		}
		value, err := url.QueryUnescape(escaped)
		switch {
		case err != nil:
			return "", fmt.Errorf("mongo: DSN parameter %q is malformed", name)
		case seen[name]:
			return "", repeated(name)
		}
		seen[name] = true
		if err := d.set(name, value); err != nil {
			return "", err
		}
	}
	return strings.Join(kept, "&"), nil
}

func repeated(name string) error {
	return fmt.Errorf("mongo: DSN parameter %q is given more than once", name)
}

func (d *dsn) set(name, value string) error {
	switch {
	case name == "collection":
		d.collection = value
	case value != "document" && value != "binary":
		return errors.New(`mongo: DSN parameter "data" must be binary or document`)
	default:
		d.options.DataAsDocument = value == "document"
	}
	return nil
}

// connect makes a client. The client connects on first use.
func (d dsn) connect(ctx context.Context) (*mongo.Collection, *mongo.Client, error) {
	o, err := d.clientOptions(ctx)
	if err != nil {
		return nil, nil, err
	}
	return d.open(o)
}

// clientOptions returns the DSN's options, but with majority writes and reads from the primary. It
// waits for DNS if the DSN begins with mongodb+srv://.
func (d dsn) clientOptions(ctx context.Context) (*options.ClientOptions, error) {
	applied := make(chan *options.ClientOptions, 1)
	go func() { applied <- options.Client().ApplyURI(d.uri) }()
	var o *options.ClientOptions
	select {
	case o = <-applied:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	concern := writeconcern.Majority()
	if asked := o.WriteConcern; asked != nil && asked.Journal != nil && *asked.Journal {
		concern.Journal = asked.Journal
	}
	return o.SetWriteConcern(concern).SetReadPreference(readpref.Primary()), nil
}

func (d dsn) open(o *options.ClientOptions) (*mongo.Collection, *mongo.Client, error) {
	client, err := mongo.Connect(o)
	if err != nil {
		return nil, nil, &serverError{"connect", reason(err)}
	}
	return client.Database(d.database).Collection(d.collection), client, nil
}
