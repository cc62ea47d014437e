// Package seal encrypts and authenticates data under secrets that can be rotated: the first
// secret seals, and all of them open. Package session seals the data that stores keep,
// and drivers/cookie the records that browsers keep. Data opens only for the purpose and with
// the bound values that it was sealed for, and a change to any bit of it is detected.
//
// The cipher is XChaCha20-Poly1305, whose 192-bit nonces may be random for any number of
// messages. HKDF-SHA256 (RFC 5869) derives its key from the secret and the purpose.
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
	// ErrRefused: the data was changed after it was sealed, or was sealed with other bound values.
	ErrRefused = errors.New("the sealed data was changed or moved")

	// ErrUnknownSecret: the data names a secret that is not configured, so it can't be told
	// whether the data was changed.
	ErrUnknownSecret = errors.New("the data is sealed under a secret that is not configured")
)

// Sealed data consists of magic, the number of the secret, the nonce, and the ciphertext.
const (
	magic      = "\x00sl\x01" // JSON never begins like this
	numberSize = 4
	nonceSize  = chacha20poly1305.NonceSizeX
	headerSize = len(magic) + numberSize + nonceSize

	// Overhead is the number of bytes by which sealed data is longer than its plaintext.
	Overhead = headerSize + chacha20poly1305.Overhead
)

// A Box seals and opens data for one purpose. Its methods are safe for concurrent use.
type Box struct{ keys []key }

// key is derived from a secret. So is its number, which sealed data carries to name its secret.
type key struct {
	number []byte
	aead   cipher.AEAD
}

// New returns a Box that seals under the first secret. Data sealed for one purpose can't be
// opened for another. It fails if there is no secret, or if one does not have [SecretSize] bytes.
func New[S interface{ Reveal() []byte }](purpose string, secrets ...S) (*Box, error) {
	if len(secrets) == 0 {
		return nil, errors.New("there is no secret")
	}
	b := &Box{}
	for i, s := range secrets {
		secret := s.Reveal()
		if len(secret) != SecretSize {
			return nil, fmt.Errorf("secret %d has %d bytes; it must have %d random bytes", i+1, len(secret), SecretSize)
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

// Seal returns plaintext sealed under the first secret. Open needs the same bound values.
func (b *Box) Seal(plaintext []byte, bound ...string) []byte {
	k := b.keys[0]
	sealed := make([]byte, headerSize, len(plaintext)+Overhead)
	copy(sealed, magic)
	copy(sealed[len(magic):], k.number)
	nonce := sealed[headerSize-nonceSize:]
	_, _ = rand.Read(nonce) // it never returns an error; it ends the program instead
	return k.aead.Seal(sealed, nonce, plaintext, associated(sealed, bound))
}

// Open returns the plaintext of sealed data, which shares no memory with it, and reports whether
// it was sealed under the first secret. The error is [ErrRefused] or [ErrUnknownSecret].
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

// Number returns the number of the secret under which data is sealed, in hexadecimal, or "" if
// it is not sealed. The number reveals nothing about the secret.
func Number(sealed []byte) string {
	if !IsSealed(sealed) {
		return ""
	}
	return hex.EncodeToString(sealed[len(magic):][:numberSize])
}

// IsSealed reports whether data has the form of sealed data. It does not verify it.
func IsSealed(data []byte) bool {
	return len(data) >= Overhead && string(data[:len(magic)]) == magic
}

// PlainSize returns the size of the plaintext of data, which is the size of data if it is not
// sealed.
func PlainSize(data []byte) int {
	if IsSealed(data) {
		return len(data) - Overhead
	}
	return len(data)
}

// associated returns the data that is authenticated with the ciphertext: magic and number, and
// for each bound value its length and the value.
func associated(header []byte, bound []string) []byte {
	data := append([]byte(nil), header[:headerSize-nonceSize]...)
	for _, value := range bound {
		data = binary.AppendUvarint(data, uint64(len(value)))
		data = append(data, value...)
	}
	return data
}
