package cookie

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/seal"
)

// A token is URL-safe Base64 of a header that everybody can read, and of a sealed
// envelope behind the record's key and its length. The header is one byte for the form,
// the time of issue and the expiry, these as 8 bytes of Unix milliseconds each. The
// header and the name of the cookie are bound to the seal.
//
// The header of release 0.1 is the expiry alone, whose first byte is 0.
type token struct {
	text           string
	header, sealed []byte
	issued         time.Time // zero if it is of release 0.1
	expires        time.Time
}

const (
	form     = 1 // the first byte of a header
	timeSize = 8

	// maxCookie is how many bytes of name and value browsers keep (RFC 6265bis, 5.7).
	maxCookie = 4096

	// maxKey is how long an inner key is at most, and keySize how long the keys of package
	// session are. Every token is longer.
	maxKey  = 64
	keySize = 43

	// onlyVersion is that of all records: there is nothing to conflict with.
	onlyVersion = 1

	// longest is how long a token is good at most. Browsers keep no cookie for longer
	// (RFC 6265bis, 5.5), and a session that is in use gets another token before.
	longest = 400 * 24 * time.Hour

	// While a token was issued no longer ago than newSecret, a process that does not
	// know its secret may have to wait for the new one. After that the secret counts
	// as dropped: otherwise a client that makes up a token could keep a client away from
	// other sessions.
	newSecret = time.Hour

	// clockSkew is how far the clock of the process that issued a token may be ahead.
	clockSkew = time.Minute
)

// seal returns a token for r, which was created at that time, with an inner key.
func (s *store) seal(r *driver.Record, key string, created time.Time) (string, error) {
	carrier := *r
	carrier.Created, carrier.Version = created, onlyVersion
	const lengths = 64 // more than all that comes beside these takes
	plaintext := make([]byte, 0, len(key)+len(r.Subject)+len(r.Meta)+len(r.Data)+lengths)
	plaintext = append(binary.AppendUvarint(plaintext, uint64(len(key))), key...)
	plaintext = driver.AppendEnvelope(plaintext, &carrier)
	header := newHeader(time.Now(), r.Expires)
	sealed := s.box.Seal(plaintext, s.name, string(header))
	text := base64.RawURLEncoding.EncodeToString(append(header, sealed...))
	if size := len(s.name) + len(text); size > maxCookie {
		return "", fmt.Errorf("%w: name and value of its cookie have %d bytes, and browsers keep %d", driver.ErrTooLarge, size, maxCookie)
	}
	return text, nil
}

func newHeader(issued, expires time.Time) []byte {
	if last := issued.Add(longest); expires.After(last) {
		expires = last
	}
	header := binary.BigEndian.AppendUint64([]byte{form}, uint64(issued.UnixMilli()))
	return binary.BigEndian.AppendUint64(header, uint64(expires.UnixMilli()))
}

// parseToken reads the header of a token. It returns false for what is none.
func parseToken(text string) (token, bool) {
	if len(text) <= maxKey || len(text) > maxCookie {
		return token{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return token{}, false
	}
	switch b[0] {
	case form:
		header := b[:1+2*timeSize]
		return token{text, header, b[len(header):], timeOf(header[1:]), timeOf(header[1+timeSize:])}, true
	case 0:
		header := b[:timeSize]
		return token{text, header, b[len(header):], time.Time{}, timeOf(header)}, true
	}
	return token{}, false
}

func timeOf(b []byte) time.Time { return time.UnixMilli(int64(binary.BigEndian.Uint64(b))) }

// open returns the record of a token and its inner key, whether or not it has expired or
// ended. If it is none of ours, the error is ErrNotFound.
func (s *store) open(t token) (r *driver.Record, key string, err error) {
	plaintext, _, err := s.box.Open(t.sealed, s.name, string(t.header))
	switch {
	case errors.Is(err, seal.ErrUnknownSecret) && t.mayBeOfNewSecret(time.Now()):
		return nil, "", driver.ErrSealed
	case err != nil:
		return nil, "", driver.ErrNotFound
	}
	size, n := binary.Uvarint(plaintext)
	if n <= 0 || size > uint64(len(plaintext)-n) {
		return nil, "", fmt.Errorf("%w: its key is cut off", driver.ErrCorrupt)
	}
	key, envelope := string(plaintext[n:][:size]), plaintext[n:][size:]
	r, err = driver.ParseEnvelope(t.text, envelope)
	return r, key, err
}

func (t token) mayBeOfNewSecret(now time.Time) bool {
	return !t.hasExpired(now) && now.Sub(t.issued) < newSecret && t.issued.Sub(now) < clockSkew
}

func (t token) hasExpired(now time.Time) bool { return !now.Before(t.expires) }
