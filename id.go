package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// An ID is the secret that a client presents in its cookie: it admits to the session
// any client that has it. Printing, logging or marshalling an ID shows nothing of it; to
// send it by means other than the cookie, convert it to a string.
type ID string

// A Key names a session where the ID would be too much to tell: to the store, in logs,
// in a list of devices. It is the SHA-256 of the [ID] in URL-safe Base64,
// 43 characters. A key ends a session, but admits nobody: the ID can't be
// computed from it, and used as an ID it finds nothing.
type Key string

const keyLength = 43

// Key returns the key that belongs to id.
func (id ID) Key() Key {
	sum := sha256.Sum256([]byte(id))
	var text [keyLength]byte
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return Key(text[:])
}

// isSession reports whether k has the form of a session's key. Stores have other
// records too, under keys of other lengths.
func (k Key) isSession() bool {
	if len(k) != keyLength {
		return false
	}
	for _, c := range []byte(k) {
		if !isBase64(c) {
			return false
		}
	}
	return true
}

// isBase64 reports whether c is of the URL-safe Base64 alphabet.
func isBase64(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

const hiddenID = "session.ID(hidden)"

// Format writes a placeholder, whatever the verb.
func (ID) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenID) }

// LogValue returns a placeholder; log the [Key] instead.
func (ID) LogValue() slog.Value { return slog.StringValue(hiddenID) }

// MarshalText fails, so that no ID ends up in JSON or XML by accident.
func (ID) MarshalText() ([]byte, error) {
	return nil, errors.New("session: an ID is a secret and is not marshalled; use its Key, or convert it to a string")
}

// IDs makes session IDs and tells them from other strings, for [Config.IDs].
// Its methods must be safe for concurrent use.
type IDs interface {
	// GenerateID returns a new ID, made of characters that a cookie can carry
	// unquoted (RFC 6265bis, cookie-octet) and of at least 128 bits from a
	// cryptographic random source (OWASP ASVS 5.0, 7.2.3 and 11.5.1; UUIDs do
	// not qualify). If the source fails, it returns an error and never a weaker
	// ID. An ID that is taken is drawn again.
	GenerateID() (ID, error)

	// ValidateID reports whether id has the form of those that GenerateID
	// returns. Any other ID never reaches the store.
	ValidateID(id ID) bool
}

const (
	idRandomBytes = 20 // 160 bits
	idLength      = 32 // 4 bytes of time and the random ones, in Base64
)

// defaultIDs makes IDs of 32 URL-safe Base64 characters: the time in seconds as
// 32 bits, so that IDs drawn at different times differ whatever the random
// source does, and 160 random bits.
type defaultIDs struct{}

func (defaultIDs) GenerateID() (ID, error) {
	var b [4 + idRandomBytes]byte
	binary.BigEndian.PutUint32(b[:], uint32(time.Now().Unix()))
	if _, err := io.ReadFull(rand.Reader, b[4:]); err != nil {
		return "", fmt.Errorf("the random source failed: %w", err)
	}
	return ID(base64.RawURLEncoding.EncodeToString(b[:])), nil
}

func (defaultIDs) ValidateID(id ID) bool {
	if len(id) != idLength {
		return false
	}
	for _, c := range []byte(id) {
		if !isBase64(c) {
			return false
		}
	}
	return true
}
