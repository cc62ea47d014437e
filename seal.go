package session

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/seal"
	"gosession.dev/session/internal/values"
)

// A Secret is 32 random bytes that seal sessions. Generate one with
//
//	openssl rand -base64 32
//
// and keep it with the password of the database, not in the database. Read it with
// [ParseSecrets] or [NewSecret]. Printing, logging or marshalling a Secret, or a value that
// contains one, shows nothing of it. The zero Secret is not valid.
type Secret struct {
	_     [0]func() // makes == a compile error
	bytes *string   // package fmt never follows a pointer to a string
}

// NewSecret returns a secret of 32 random bytes, which it copies.
func NewSecret(random []byte) (Secret, error) {
	if len(random) != seal.SecretSize {
		return Secret{}, fmt.Errorf("session: the secret has %d bytes, and must have %d random ones; generate one with: openssl rand -base64 32", len(random), seal.SecretSize)
	}
	bytes := string(random)
	return Secret{bytes: &bytes}, nil
}

// Reveal returns a copy of the bytes, for drivers that seal by themselves. For the zero Secret it
// returns nil.
func (s Secret) Reveal() []byte {
	if s.bytes == nil {
		return nil
	}
	return []byte(*s.bytes)
}

// ParseSecrets parses secrets from the text of an environment variable or a file. Each secret is
// in Base64, of either alphabet; several are separated by commas or white space, and the first
// one seals. The error shows nothing of them.
func ParseSecrets(text string) ([]Secret, error) {
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	if len(fields) == 0 {
		return nil, errors.New("session: there is no secret; generate one with: openssl rand -base64 32")
	}
	var secrets []Secret
	alphabet := strings.NewReplacer("-", "+", "_", "/", "=", "")
	for i, field := range fields {
		random, err := base64.RawStdEncoding.DecodeString(alphabet.Replace(field))
		secret, unfit := NewSecret(random)
		if err != nil || unfit != nil {
			return nil, fmt.Errorf("session: secret %d is not Base64 of %d bytes; generate one with: openssl rand -base64 32", i+1, seal.SecretSize)
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// Format writes a placeholder, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "session.Secret(hidden)") }

// LogValue returns a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalText returns a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte("hidden"), nil }

// Reseal seals all sessions of the store under the first of [Config].Secrets, and returns how
// many it has sealed. If Config.InsecureReadUnsealed is set, it also seals the sessions that are
// not sealed. Afterwards the other secrets, and that field, can be removed.
//
// Reseal may run while processes serve requests, if all of them have the new secret first:
// otherwise they go on sealing sessions under an old one. It may be run again after an error. It
// leaves sessions that can't be opened as they are, and then returns an error that matches
// [ErrCorrupt]. If the store can't list sessions, the error matches [errors.ErrUnsupported].
func (f *Factory) Reseal(ctx context.Context) (int, error) {
	const operation = "reseal"
	if !f.sealing.Seals() {
		return 0, wrap(operation, errors.New("Config.Secrets has no secret"))
	}
	resealed, unread := 0, 0
	for key, err := range f.Sessions(ctx) {
		if err != nil {
			return resealed, wrap(operation, err)
		}
		done, err := f.resealOne(ctx, string(key))
		switch {
		case errors.Is(err, ErrCorrupt), errors.Is(err, ErrSealed):
			unread++
		case err != nil:
			return resealed, wrap(operation, err)
		case done:
			resealed++
		}
	}
	if unread > 0 {
		return resealed, wrap(operation, fmt.Errorf("%d sessions can't be opened, under the secrets of Config.Secrets: %w", unread, ErrCorrupt))
	}
	return resealed, nil
}

// resealOne seals a session, and reports whether it had to. If another process writes the session
// at the same time, that process seals it, so a conflict is no error.
func (f *Factory) resealOne(ctx context.Context, key string) (done bool, err error) {
	err = f.call(ctx, func(ctx context.Context) error {
		rec, err := f.store.Retrieve(ctx, key)
		if err != nil {
			return err
		}
		current, err := f.sealing.Open(rec)
		if current || err != nil {
			return err
		}
		m, err := meta.Parse(rec)
		if err != nil {
			return err
		}
		m.Index = values.Index{} // it would show the sizes of the values
		rec.Meta = m.Encode()
		f.sealing.Seal(rec)
		err = f.store.Flush(ctx, rec)
		done = err == nil
		return err
	})
	if isGone(err) || errors.Is(err, ErrConflict) {
		err = nil
	}
	return done, err
}
