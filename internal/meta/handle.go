package meta

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
)

// A Handle names a session in lists of devices, logs and events for as long as the session
// lives: unlike the key, it stays when the ID changes. It is 128 random bits. A handle and a
// subject suffice to end the session, but not to use it.
type Handle [16]byte

// NewHandle returns a random handle. It fails if the random source fails.
func NewHandle() (h Handle, _ error) {
	if _, err := io.ReadFull(rand.Reader, h[:]); err != nil {
		return Handle{}, fmt.Errorf("the random source failed: %w", err)
	}
	return h, nil
}

// IsHandle reports whether text has the form of a handle.
func IsHandle(text string) bool {
	_, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(text) == base64.RawURLEncoding.EncodedLen(len(Handle{}))
}

// String returns the handle in URL-safe Base64, 22 characters, or "" for the zero handle.
func (h Handle) String() string {
	if h == (Handle{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// handleOf derives a handle from the key of a record of release 0.1, which has none until it is
// written again. All processes derive the same handle.
func handleOf(key string) (h Handle) {
	sum := sha256.Sum256([]byte("handle " + key))
	copy(h[:], sum[:])
	return h
}
