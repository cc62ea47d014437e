package session

import (
	"context"
	"errors"

	"gosession.dev/session/internal/move"
	"gosession.dev/session/internal/seal"
)

// Details describe a session to an operator.
type Details struct {
	Info
	Subject  string
	Timeouts Timeouts // its own, see [Session.SetTimeouts]; a zero field is as in the Config
	Codec    string   // by its name
	Size     int      // of the values as they are stored, in bytes
	Sealed   bool

	// Values are as the codec has encoded them: JSON, as a rule. They are nil if the
	// session is sealed under a secret that [Config].Keys does not have.
	Values map[string][]byte
}

// Inspect describes the session of a key, for tools that manage sessions, such as
// sessionctl. It does not count as use. If there is none, the
// error matches [ErrNotFound]; if it can't be decoded, [ErrCorrupt]; if sessions are
// kept in cookies, [errors.ErrUnsupported].
func (f *Factory) Inspect(ctx context.Context, key Key) (Details, error) {
	d, err := f.inspect(ctx, key)
	return d, wrap("inspect", err)
}

func (f *Factory) inspect(ctx context.Context, key Key) (Details, error) {
	if f.inCookie {
		return Details{}, errors.ErrUnsupported
	}
	if !key.isSession() {
		return Details{}, ErrNotFound
	}
	rec, err := f.fetch(ctx, string(key))
	if err != nil {
		return Details{}, err
	}
	rec = move.Thawed(rec)
	d := Details{Size: len(rec.Data), Sealed: seal.IsSealed(rec.Data), Subject: rec.Subject}
	st, content, err := f.decode(rec)
	readable := err == nil
	if errors.Is(err, ErrSealed) {
		st, content, err = f.describe(rec) // what stands beside the values can be read all the same
	}
	if err != nil {
		return Details{}, err
	}
	d.Info, d.Codec = infoOf(key, st, content), st.meta.codec
	if content.own != nil {
		d.Timeouts = *content.own
	}
	if readable {
		d.Values = map[string][]byte{}
		for _, v := range content.values {
			d.Values[string(v.key)] = v.data
		}
	}
	return d, nil
}

func infoOf(key Key, st stored, content state) Info {
	return Info{
		Handle:   content.handle.String(),
		Key:      key,
		Created:  st.created,
		LastSeen: st.meta.lastSeen(st.expires),
		Expires:  st.expires,

		Authenticated: content.signedIn,
		Label:         content.label,
	}
}
