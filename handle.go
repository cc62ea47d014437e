package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
)

// A handle names a session to people, as in a list of devices or a log, for as long as
// the session lives: unlike its key, it stays when the ID changes. It is 128 random bits.
// Together with the subject it ends the session, see [Factory.Revoke]; it admits nobody.
type handle [16]byte

func newHandle() (h handle, _ error) {
	if _, err := io.ReadFull(rand.Reader, h[:]); err != nil {
		return handle{}, fmt.Errorf("the random source failed: %w", err)
	}
	return h, nil
}

// handleOf is the handle of a record of release 0.1, which has none, until it is
// written again. All processes find the same.
func handleOf(key string) (h handle) {
	sum := sha256.Sum256([]byte("handle " + key))
	copy(h[:], sum[:])
	return h
}

// String returns the handle in URL-safe Base64, 22 characters, or "" for the zero handle.
func (h handle) String() string {
	if h == (handle{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(h[:])
}
