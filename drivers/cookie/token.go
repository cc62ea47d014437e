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

// token is a parsed cookie value. Its text is URL-safe Base64 of a header in plain text and a
// sealed part. The header consists of one byte for the form, the time of issue and the expiry,
// each as 8 bytes of Unix milliseconds. The sealed part contains the length of the record's key,
// the key, and the record's envelope. The seal authenticates the header and the cookie's name.
//
// The header of release 0.1 is the expiry alone, whose first byte is 0.
type token struct {
	text           string
	header, sealed []byte
	issued         time.Time // zero for a token of release 0.1
	expires        time.Time
}

const (
	form     = 1 // the first byte of a header
	timeSize = 8

	// maxCookie is how many bytes of name and value browsers accept (RFC 6265bis, 5.7).
	maxCookie = 4096

	// maxKey is the maximum length of an inner key, that is, of a record's key; keySize is the
	// length of the keys of package session. Every token is longer.
	maxKey  = 64
	keySize = 43

	// onlyVersion is the version of all records: a cookie store detects no conflicts.
	onlyVersion = 1

	// maxLifetime is the maximum lifetime of a token. Browsers keep no cookie for longer (RFC
	// 6265bis, 5.5), and a session that is in use gets a new token before.
	maxLifetime = 400 * 24 * time.Hour

	// rolloutTime is how long after a token's issue a process that lacks its secret assumes that
	// it will get the secret. Afterwards it assumes that the secret was removed, and the client
	// gets another session. Without this limit, a forged token planted in a browser would keep
	// its user from all sessions.
	rolloutTime = time.Hour

	// clockSkew is how far the clock of the process that issued a token may be ahead of ours.
	clockSkew = time.Minute
)

// seal returns a token for r with an inner key and a time of creation, which replace the key and the time of r.
func (s *store) seal(r *driver.Record, key string, created time.Time) (string, error) {
	carrier := *r
	carrier.Created, carrier.Version = created, onlyVersion
	const lengths = 64 // an upper bound for the lengths and times of the envelope
	plaintext := make([]byte, 0, len(key)+len(r.Subject)+len(r.Meta)+len(r.Data)+lengths)
	plaintext = append(binary.AppendUvarint(plaintext, uint64(len(key))), key...)
	plaintext = driver.AppendEnvelope(plaintext, &carrier)
	header := newHeader(time.Now(), r.Expires)
	sealed := s.box.Seal(plaintext, s.name, string(header))
	text := base64.RawURLEncoding.EncodeToString(append(header, sealed...))
	if size := len(s.name) + len(text); size > maxCookie {
		return "", fmt.Errorf("%w: the name and value of its cookie have %d bytes, and browsers accept %d", driver.ErrTooLarge, size, maxCookie)
	}
	return text, nil
}

// newHeader returns the header of a token. It limits the expiry to maxLifetime after issued.
func newHeader(issued, expires time.Time) []byte {
	if last := issued.Add(maxLifetime); expires.After(last) {
		expires = last
	}
	header := binary.BigEndian.AppendUint64([]byte{form}, uint64(issued.UnixMilli()))
	return binary.BigEndian.AppendUint64(header, uint64(expires.UnixMilli()))
}

// parseToken reads the header of a token, and reports whether text has the form of a token.
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

// open returns the record of a token and its inner key. It does not check whether the token has
// expired or its session has ended. If no secret opens the token, the error is ErrNotFound, or
// ErrSealed if the token may be sealed under a secret that this process does not have yet.
func (s *store) open(t token) (r *driver.Record, key string, err error) {
	plaintext, _, err := s.box.Open(t.sealed, s.name, string(t.header))
	switch {
	case errors.Is(err, seal.ErrUnknownSecret) && t.mayHaveNewSecret(time.Now()):
		return nil, "", driver.ErrSealed
	case err != nil:
		return nil, "", driver.ErrNotFound
	}
	size, n := binary.Uvarint(plaintext)
	if n <= 0 || size > uint64(len(plaintext)-n) {
		return nil, "", fmt.Errorf("%w: the length of the key in the token is wrong", driver.ErrCorrupt)
	}
	key, envelope := string(plaintext[n:][:size]), plaintext[n:][size:]
	r, err = driver.ParseEnvelope(t.text, envelope)
	return r, key, err
}

func (t token) mayHaveNewSecret(now time.Time) bool {
	return !t.hasExpired(now) && now.Sub(t.issued) < rolloutTime && t.issued.Sub(now) < clockSkew
}

func (t token) hasExpired(now time.Time) bool { return !now.Before(t.expires) }
