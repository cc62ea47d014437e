package session

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"gosession.dev/session/internal/seal"
)

// A Secret is 32 random bytes under which sessions are sealed. Make one with
//
//	openssl rand -base64 32
//
// and keep it where the database's password is kept, not in the database. Printing
// or logging a Secret shows nothing of it.
type Secret []byte

// ParseSecrets reads secrets in Base64, of either alphabet, from what an
// environment variable or a file has: separated by commas or white space, the one
// that seals first. The error tells nothing of them.
func ParseSecrets(text string) ([]Secret, error) {
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	if len(fields) == 0 {
		return nil, errors.New("session: there is no secret; make one with: openssl rand -base64 32")
	}
	var secrets []Secret
	alphabet := strings.NewReplacer("-", "+", "_", "/", "=", "")
	for i, field := range fields {
		secret, err := base64.RawStdEncoding.DecodeString(alphabet.Replace(field))
		if err != nil || len(secret) != seal.SecretSize {
			return nil, fmt.Errorf("session: secret %d is not Base64 of %d bytes; make one with: openssl rand -base64 32", i+1, seal.SecretSize)
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// Format writes nothing of the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "session.Secret(hidden)") }

// LogValue keeps the secret out of structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalText keeps the secret out of JSON and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte("hidden"), nil }
