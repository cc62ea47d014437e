package mongo

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

// checkURI checks what can be checked without DNS. It does not return the parser's errors, which
// quote the DSN.
func (d *dsn) checkURI() (*connstring.ConnString, error) {
	parse, uri := connstring.ParseAndValidate, d.uri
	rest, srv := strings.CutPrefix(uri, schemeSRV)
	if srv {
		var err error
		if parse, uri, err = connstring.Parse, withoutSRV(rest), checkSRV(rest); err != nil {
			return nil, err
		}
	}
	conn, err := parse(uri)
	if err != nil {
		if name := badParameter(uri); name != "" {
			return nil, fmt.Errorf("mongo: DSN parameter %q has a value that MongoDB's driver refuses", name)
		}
		return nil, errors.New("mongo: the DSN is not a MongoDB connection string; " + form)
	}
	for _, check := range []error{checkOptions(conn), checkHosts(conn, srv), checkUser(conn)} {
		if check != nil {
			return nil, check
		}
	}
	if !srv && options.Client().ApplyURI(uri).Validate() != nil {
		return nil, errors.New("mongo: the DSN's parameters contradict each other, or name a file that can't be read")
	}
	return conn, nil
}

// srvParameters are parameters that only a mongodb+srv:// DSN may have.
var srvParameters = []string{"srvmaxhosts", "srvservicename"}

// withoutSRV returns the mongodb:// form of a connection string, given what follows mongodb+srv://.
func withoutSRV(rest string) string {
	base, query, _ := strings.Cut(rest, "?")
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if !slices.Contains(srvParameters, strings.ToLower(name)) {
			kept = append(kept, pair)
		}
	}
	return schemeHosts + base + "?" + strings.Join(kept, "&")
}

// checkSRV checks the parameters that withoutSRV removes.
func checkSRV(rest string) error {
	_, query, _ := strings.Cut(rest, "?")
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name = strings.ToLower(name)
		if !slices.Contains(srvParameters, name) {
			continue
		}
		_, err := strconv.ParseUint(value, 10, 31)
		switch {
		case seen[name]:
			return repeated(name)
		case name == "srvmaxhosts" && err != nil, value == "":
			return fmt.Errorf("mongo: DSN parameter %q has a value that MongoDB's driver refuses", name)
		}
		seen[name] = true
	}
	return nil
}

// badParameter returns the name of a parameter that MongoDB's driver refuses even alone, or "".
func badParameter(uri string) string {
	_, query, _ := strings.Cut(uri, "?")
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if _, err := connstring.Parse(schemeHosts + "localhost/?" + pair); err != nil && isParameter(name) {
			return name
		}
	}
	return ""
}

// isParameter reports whether MongoDB's driver knows a parameter with that name. For a known name
// it either refuses the value x or does not list the name as unknown.
func isParameter(name string) bool {
	for _, b := range []byte(name) {
		if b < 'A' || b > 'z' || b > 'Z' && b < 'a' {
			return false
		}
	}
	conn, err := connstring.Parse(schemeHosts + "localhost/?" + name + "=x")
	return err != nil && name != "" || err == nil && len(conn.UnknownOptions) == 0
}

// checkOptions refuses parameters that MongoDB's driver would ignore, and values that it would pass
// to the server unchecked.
func checkOptions(conn *connstring.ConnString) error {
	if len(conn.UnknownOptions) > 0 {
		return errors.New("mongo: the DSN has an unknown parameter; the parameters are collection, data and the options of MongoDB's connection strings")
	}
	for name, values := range conn.Options {
		if len(values) > 1 && name != "readpreferencetags" {
			return repeated(name)
		}
	}
	if conn.WNumberSet && conn.WNumber == 0 {
		return errors.New(`mongo: DSN parameter "w" is 0, but sessions are always written to the majority; leave it out`)
	}
	if level := conn.ReadConcernLevel; level != "" && !slices.Contains([]string{"local", "available", "majority", "linearizable", "snapshot"}, level) {
		return errors.New(`mongo: DSN parameter "readConcernLevel" must be local, majority, linearizable, available or snapshot`)
	}
	for _, name := range conn.Compressors {
		if !slices.Contains([]string{"snappy", "zlib", "zstd"}, name) {
			return errors.New(`mongo: DSN parameter "compressors" must be a list of snappy, zlib and zstd`)
		}
	}
	return nil
}

// checkHosts checks the hosts. Its errors name a host by its place in the list.
func checkHosts(conn *connstring.ConnString, srv bool) error {
	if srv && (len(conn.Hosts) != 1 || strings.Contains(conn.Hosts[0], ":")) {
		return errors.New("mongo: a DSN that begins with mongodb+srv:// must have one host, without a port")
	}
	if srv && conn.DirectConnectionSet && conn.DirectConnection {
		return errors.New(`mongo: a DSN that begins with mongodb+srv:// can't have "directConnection"`)
	}
	seen := map[string]int{}
	for i, host := range conn.Hosts {
		canonical, ok := parseHost(host)
		if !ok {
			return fmt.Errorf("mongo: host %d of the DSN must be an IP address, a host name of letters, digits, dots, hyphens and underscores, or the path of a .sock file", i+1)
		}
		if first := seen[canonical]; first > 0 {
			return fmt.Errorf("mongo: hosts %d and %d of the DSN are the same", first, i+1)
		}
		seen[canonical] = i + 1
	}
	return nil
}

// parseHost parses a host, and reports whether it is valid. Two spellings of one host name or IP
// address have the same canonical form.
func parseHost(text string) (canonical string, ok bool) {
	if strings.HasPrefix(text, "/") { // a socket
		return text, strings.HasSuffix(text, ".sock")
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), "27017"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return net.JoinHostPort(ip.Unmap().String(), port), true
	}
	for _, b := range []byte(host) {
		if !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("-_.", b) >= 0) {
			return "", false
		}
	}
	return net.JoinHostPort(strings.ToLower(strings.TrimSuffix(host, ".")), port), host != ""
}

// checkUser refuses a user without a password, unless the DSN names an authentication mechanism.
func checkUser(conn *connstring.ConnString) error {
	if conn.Username != "" && conn.Password == "" && conn.AuthMechanism == "" {
		return errors.New("mongo: the DSN has a user without a password")
	}
	return nil
}

// MongoDB's limits, in bytes.
const (
	maxDatabase  = 63
	maxNamespace = 255 // the database, a dot and the collection
)

// checkNames refuses names that the server refuses.
func checkNames(database, collection string) error {
	switch {
	case database == "":
		return errors.New("mongo: the DSN names no database; " + form)
	case strings.ContainsAny(database, "/\\. \"$\x00") || len(database) > maxDatabase || !utf8.ValidString(database):
		return fmt.Errorf("mongo: the name of the DSN's database must have at most %d bytes of valid UTF-8, without / \\ . $ \", space and NUL", maxDatabase)
	case database == "local" || database == "config":
		return errors.New("mongo: the DSN's database must not be local or config, which MongoDB does not replicate")
	case collection == "" || strings.ContainsAny(collection, "$\x00") || strings.HasPrefix(collection, "system.") || !utf8.ValidString(collection),
		strings.HasPrefix(collection, ".") || strings.HasSuffix(collection, ".") || strings.Contains(collection, ".."):
		return errors.New(`mongo: DSN parameter "collection" must be a name of valid UTF-8 without $ and NUL, must not begin with "system.", and must not begin or end with a dot or have two dots in a row`)
	case len(database)+1+len(collection) > maxNamespace:
		return fmt.Errorf("mongo: the DSN's database and collection must have at most %d bytes together", maxNamespace-1)
	}
	return nil
}
