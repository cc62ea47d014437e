package mongo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

// dsn is a parsed DSN.
type dsn struct {
	uri        string // what is left for MongoDB's own driver
	database   string
	collection string
	options    Options
}

const (
	schemeHosts = "mongodb://"
	schemeSRV   = "mongodb+srv://" // the hosts are looked up in DNS
)

const form = "want mongodb://host:port/database?collection=sessions"

func parseDSN(text string) (dsn, error) {
	d := dsn{collection: "sessions"}
	base, query, _ := strings.Cut(text, "?")
	kept, err := d.takeOurs(query)
	if err != nil {
		return dsn{}, err
	}
	d.uri = strings.TrimSuffix(base+"?"+kept, "?")
	conn, err := d.checkURI()
	if err != nil {
		return dsn{}, err
	}
	if d.database = conn.Database; d.database == "" {
		return dsn{}, errors.New("mongo: the DSN names no database; " + form)
	}
	return d, nil
}

// takeOurs takes our own parameters out of a query and returns the rest as it was
// written.
func (d *dsn) takeOurs(query string) (string, error) {
	var kept []string
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(query, "&") {
		name, escaped, _ := strings.Cut(pair, "=")
		if name != "collection" && name != "data" {
			kept = append(kept, pair)
			continue
		}
		value, err := url.QueryUnescape(escaped)
		switch {
		case err != nil:
			return "", fmt.Errorf("mongo: DSN parameter %q is malformed", name)
		case seen[name]:
			return "", fmt.Errorf("mongo: DSN parameter %q is given more than once", name)
		}
		seen[name] = true
		if err := d.set(name, value); err != nil {
			return "", err
		}
	}
	return strings.Join(kept, "&"), nil
}

func (d *dsn) set(name, value string) error {
	bad := func(what string) error { return fmt.Errorf("mongo: DSN parameter %q must be %s", name, what) }
	switch name {
	case "collection":
		if d.collection = value; value == "" || strings.ContainsAny(value, "$\x00") || strings.HasPrefix(value, "system.") {
			return bad("a name without $, and must not begin with system.")
		}
	case "data":
		if d.options.DataAsDocument = value == "document"; value != "document" && value != "binary" {
			return bad("binary or document")
		}
	}
	return nil
}

// checkURI checks what can be checked without DNS. Errors of the parser quote the
// DSN, so that they are not passed on.
func (d *dsn) checkURI() (*connstring.ConnString, error) {
	malformed := errors.New("mongo: the DSN is no MongoDB connection string; " + form)
	parse, uri := connstring.ParseAndValidate, d.uri
	if rest, ok := strings.CutPrefix(uri, schemeSRV); ok {
		parse, uri = connstring.Parse, schemeHosts+rest
	}
	conn, err := parse(uri)
	if err != nil {
		if name := badParameter(uri); name != "" {
			return nil, fmt.Errorf("mongo: DSN parameter %q has a value that MongoDB's driver refuses", name)
		}
		return nil, malformed
	}
	if len(conn.UnknownOptions) > 0 {
		names := slices.Sorted(maps.Keys(conn.UnknownOptions))
		return nil, fmt.Errorf("mongo: unknown DSN parameter %q; there are collection, data, and those of MongoDB's connection strings", names[0])
	}
	if conn.WNumberSet && conn.WNumber == 0 {
		return nil, errors.New(`mongo: DSN parameter "w" is 0, and sessions are always written to the majority; leave it out`)
	}
	if uri == d.uri && options.Client().ApplyURI(uri).Validate() != nil {
		return nil, errors.New("mongo: the DSN's parameters contradict each other, or name a file that can't be read")
	}
	return conn, nil
}

// badParameter is the name of a parameter that is refused even alone, or empty.
func badParameter(uri string) string {
	_, query, _ := strings.Cut(uri, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if _, err := connstring.Parse(schemeHosts + "localhost/?" + pair); err != nil {
			name, _, _ := strings.Cut(pair, "=")
			return name
		}
	}
	return ""
}

// connect makes a client, which connects when it is used.
func (d dsn) connect(ctx context.Context) (*mongo.Collection, *mongo.Client, error) {
	o, err := d.clientOptions(ctx)
	if err != nil {
		return nil, nil, err
	}
	return d.open(o)
}

// clientOptions returns the DSN's options with majority writes and reads from the
// primary, whatever the DSN says about them. Only hosts that are looked up in DNS
// take time.
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
