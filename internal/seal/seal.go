// Package seal encrypts and authenticates data under secrets that rotate: the
// first seals, all open. It is for package session, which seals what stores keep,
// and for drivers/cookie, which seals what browsers keep.
//
// It is XChaCha20-Poly1305, whose nonces of 192 bits may be random for any number
// of messages, under a key that HKDF-SHA256 (RFC 5869) derives from the secret for
// one purpose.
package seal

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// SecretSize is the size of a secret in bytes.
const SecretSize = 32

var (
	// ErrRefused: the data is not what was sealed: it was changed or moved.
	ErrRefused = errors.New("the sealed data was changed or moved")

	// ErrUnknownSecret: the data names a secret that is not configured. Whether it
	// was changed can't be known.
	ErrUnknownSecret = errors.New("the data is sealed under a secret that is not configured")
)

// Sealed data is magic, the number of the secret, the nonce, and what the cipher
// makes of the plaintext.
const (
	magic      = "\x00sl\x01" // no JSON begins so
	numberSize = 4
	nonceSize  = chacha20poly1305.NonceSizeX
	headerSize = len(magic) + numberSize + nonceSize

	// Overhead is by how many bytes sealed data is longer.
	Overhead = headerSize + chacha20poly1305.Overhead
)

// Box seals and opens for one purpose. Its methods are safe for concurrent use.
type Box struct{ keys []key }

// key is derived from a secret. Its number, derived too, tells which one has
// sealed something.
type key struct {
	number []byte
	aead   cipher.AEAD
}

// New returns a Box. What is sealed for one purpose opens for no other.
func New[S ~[]byte](purpose string, secrets ...S) (*Box, error) {
	if len(secrets) == 0 {
		return nil, errors.New("there is no secret")
	}
	b := &Box{}
	for i, secret := range secrets {
		if len(secret) != SecretSize {
			return nil, fmt.Errorf("secret %d has %d bytes, and must have %d random ones", i+1, len(secret), SecretSize)
		}
		derived, err := hkdf.Key(sha256.New, secret, nil, "gosession.dev/session v1 "+purpose, numberSize+chacha20poly1305.KeySize)
		if err != nil {
			return nil, err
		}
		aead, err := chacha20poly1305.NewX(derived[numberSize:])
		if err != nil {
			return nil, err
		}
		b.keys = append(b.keys, key{derived[:numberSize], aead})
	}
	return b, nil
}

// Seal returns plaintext sealed under the first secret. It opens only together
// with the same bound values.
func (b *Box) Seal(plaintext []byte, bound ...string) []byte {
	k := b.keys[0]
	sealed := make([]byte, headerSize, len(plaintext)+Overhead)
	copy(sealed, magic)
	copy(sealed[len(magic):], k.number)
	nonce := sealed[headerSize-nonceSize:]
	_, _ = rand.Read(nonce) // it never fails, it ends the program
	return k.aead.Seal(sealed, nonce, plaintext, associated(sealed, bound))
}

// Open returns what was sealed, which shares no memory with sealed, or
// [ErrRefused] or [ErrUnknownSecret]. It reports whether the first of the secrets
// has sealed it.
func (b *Box) Open(sealed []byte, bound ...string) (plaintext []byte, current bool, err error) {
	if !IsSealed(sealed) {
		return nil, false, ErrRefused
	}
	header, ciphertext := sealed[:headerSize:headerSize], sealed[headerSize:]
	number, nonce := header[len(magic):headerSize-nonceSize], header[headerSize-nonceSize:]
	err = ErrUnknownSecret
	for i, k := range b.keys {
		if !bytes.Equal(k.number, number) {
			continue
		}
		plaintext, openErr := k.aead.Open(nil, nonce, ciphertext, associated(header, bound))
		if openErr == nil {
			return plaintext, i == 0, nil
		}
		err = ErrRefused
	}
	return nil, false, err
}

// Number returns the number of the secret that has sealed the data, in hexadecimal,
// or "" if the data is not sealed. It tells nothing of the secret.
func Number(sealed []byte) string {
	if !IsSealed(sealed) {
		return ""
	}
	return hex.EncodeToString(sealed[len(magic):][:numberSize])
}

// IsSealed reports whether data has the form of something sealed.
func IsSealed(data []byte) bool {
	return len(data) >= Overhead && string(data[:len(magic)]) == magic
}

// associated is what is authenticated with the ciphertext: magic, number, and each
// bound value behind its length.
func associated(header []byte, bound []string) []byte {
	data := append([]byte(nil), header[:headerSize-nonceSize]...)
	for _, value := range bound {
		data = binary.AppendUvarint(data, uint64(len(value)))
		data = append(data, value...)
	}
	return data
}
