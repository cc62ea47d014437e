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

// An ID is the secret that a client sends in its cookie. Any client that has it has access to the
// session. Printing or logging an ID, or a value that contains one, shows nothing of it, and
// marshalling it fails. To send it by means other than the cookie, call [ID.Reveal]. IDs can't
// be compared or used as map keys; use [ID.Key] for that. The zero ID is the ID of no session.
type ID struct {
	_    [0]func() // makes == a compile error
	text *string   // package fmt never follows a pointer to a string
}

// NewID returns the ID for a text that a client has sent. For "" it returns the zero ID.
func NewID(text string) ID {
	if text == "" {
		return ID{}
	}
	return ID{text: &text}
}

// Reveal returns the text that the client has to send. For the zero ID it returns "".
func (id ID) Reveal() string {
	if id.text == nil {
		return ""
	}
	return *id.text
}

func (id ID) isZero() bool { return id.text == nil }

// is reports whether both are the same ID. It does not have to take constant time: both IDs are
// of one session, and the client has already found that by its ID.
func (id ID) is(other ID) bool { return id.text == other.text || id.Reveal() == other.Reveal() }

// A Key names a session where the [ID] must not be shown: in the store, in logs, to operators. It
// is the SHA-256 of the ID in URL-safe Base64, 43 characters. With a key a session can be ended,
// see [Factory.Destroy], but not used: the ID can't be computed from the key, and the key is not
// accepted as an ID.
type Key string

const keyLength = 43

// Key returns the key of the session with this ID.
func (id ID) Key() Key {
	sum := sha256.Sum256([]byte(id.Reveal()))
	var text [keyLength]byte
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return Key(text[:])
}

// isSession reports whether k has the form of a session's key. Stores have other records, too,
// under keys of other lengths.
func (k Key) isSession() bool {
	if len(k) != keyLength {
		return false
	}
	for _, c := range []byte(k) {
		if !isBase64[c] {
			return false
		}
	}
	return true
}

// isBase64 tells which bytes are in the URL-safe alphabet of Base64. Comparisons would mislead the
// processor, because IDs are random.
var isBase64 = func() (in [1 << 8]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		in[c] = true
	}
	return in
}()

const hiddenID = "session.ID(hidden)"

// Format writes a placeholder, whatever the verb.
func (ID) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenID) }

// LogValue returns a placeholder; log the [Key] instead.
func (ID) LogValue() slog.Value { return slog.StringValue(hiddenID) }

// MarshalText returns an error, so that no ID gets into JSON or XML by accident.
func (ID) MarshalText() ([]byte, error) {
	return nil, errors.New("session: an ID is a secret and is not marshalled; use its Key, or call Reveal")
}

// IDs makes session IDs and validates their form, for [Config].IDs. Its methods must be safe for
// concurrent use.
type IDs interface {
	// GenerateID returns a new ID. It must have at least 128 bits from a cryptographic random
	// source (OWASP ASVS 5.0, 7.2.3 and 11.5.1; UUIDs do not qualify), in characters that a
	// cookie can carry without quotes (cookie-octet of RFC 6265bis). If the source fails,
	// GenerateID must return an error, and never a weaker ID. If another session has the ID,
	// GenerateID is called again.
	GenerateID() (ID, error)

	// ValidateID reports whether id has the form of the IDs that GenerateID returns. If not,
	// the store is not asked for it.
	ValidateID(id ID) bool
}

const (
	idRandomBytes = 20 // 160 bits
	idLength      = 32 // 4 bytes of time and the random bytes, in Base64
)

// defaultIDs makes IDs of 32 URL-safe Base64 characters: the time in seconds, as 32 bits, and 160
// random bits. Because of the time, IDs from different seconds differ even if the random source
// repeats itself.
type defaultIDs struct{}

func (defaultIDs) GenerateID() (ID, error) {
	var b [4 + idRandomBytes]byte
	binary.BigEndian.PutUint32(b[:], uint32(time.Now().Unix()))
	if _, err := io.ReadFull(rand.Reader, b[4:]); err != nil {
		return ID{}, fmt.Errorf("the random source failed: %w", err)
	}
	var text [idLength]byte
	base64.RawURLEncoding.Encode(text[:], b[:])
	return NewID(string(text[:])), nil
}

func (defaultIDs) ValidateID(id ID) bool {
	text := id.Reveal()
	if len(text) != idLength {
		return false
	}
	for _, c := range []byte(text) {
		if !isBase64[c] {
			return false
		}
	}
	return true
}
