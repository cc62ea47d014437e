package cookie

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

// A token is URL-safe Base64 of the expiry, as 8 bytes of Unix milliseconds, and of
// a sealed envelope behind the record's key and its length. Expiry and name of the
// cookie are bound to the seal.

// maxCookie is how many bytes of name and value browsers keep (RFC 6265bis, 5.7).
const maxCookie = 4096

// onlyVersion is that of all records: there is nothing to conflict with.
const onlyVersion = 1

const expirySize = 8

// token seals r, which was created at that time, with an inner key.
func (s *Store) token(r *driver.Record, key string, created time.Time) (string, error) {
	carrier := *r
	carrier.Created, carrier.Version = created, onlyVersion
	const lengths = 64 // more than all that comes beside these takes
	plaintext := make([]byte, 0, len(key)+len(r.Subject)+len(r.Meta)+len(r.Data)+lengths)
	plaintext = append(binary.AppendUvarint(plaintext, uint64(len(key))), key...)
	plaintext = driver.AppendEnvelope(plaintext, &carrier)
	expiry := binary.BigEndian.AppendUint64(nil, uint64(r.Expires.UnixMilli()))
	sealed := s.box.Seal(plaintext, s.name, string(expiry))
	token := base64.RawURLEncoding.EncodeToString(append(expiry, sealed...))
	if size := len(s.name) + len(token); size > maxCookie {
		return "", fmt.Errorf("%w: name and value of its cookie have %d bytes, and browsers keep %d", driver.ErrTooLarge, size, maxCookie)
	}
	return token, nil
}

// open returns the record of a token and its inner key. What is no token of ours,
// or has expired, is ErrNotFound.
func (s *Store) open(token string) (r *driver.Record, key string, err error) {
	if len(token) > maxCookie {
		return nil, "", driver.ErrNotFound
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < expirySize {
		return nil, "", driver.ErrNotFound
	}
	expiry, sealed := b[:expirySize], b[expirySize:]
	expires := time.UnixMilli(int64(binary.BigEndian.Uint64(expiry)))
	if !time.Now().Before(expires) {
		return nil, "", driver.ErrNotFound
	}
	plaintext, _, err := s.box.Open(sealed, s.name, string(expiry))
	if err != nil {
		return nil, "", driver.ErrNotFound
	}
	size, n := binary.Uvarint(plaintext)
	if n <= 0 || size > uint64(len(plaintext)-n) {
		return nil, "", fmt.Errorf("%w: its key is cut off", driver.ErrCorrupt)
	}
	key, envelope := string(plaintext[n:][:size]), plaintext[n:][size:]
	r, err = driver.ParseEnvelope(token, envelope)
	return r, key, err
}
