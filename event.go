package session

import (
	"context"
	"log/slog"
)

// Event is a change in the life of a session that this process has made, for audit
// logs (OWASP ASVS 5.0, 16.3.1) and for code that has to react. It names sessions by
// their keys, and never has an ID. With drivers/cookie each write changes the key. The
// expiry of a session is no event, because no process notices it at that time; see
// [Stats].Expired.
type Event struct {
	Kind    EventKind
	Key     Key         // of the session; "" if all sessions of the subject have ended
	OldKey  Key         // of the session before its ID changed; else ""
	Subject string      // of the session; "" if it is anonymous, or not known
	Reason  EventReason // why a session has ended; else ""
}

// EventKind is what has happened.
type EventKind string

const (
	EventCreated   EventKind = "created"    // stored for the first time
	EventChangedID EventKind = "changed ID" // by a sign-in, or by Session.ChangeID
	EventEnded     EventKind = "ended"
)

// EventReason is why a session has ended.
type EventReason string

const (
	ReasonSignedOut EventReason = "signed out"     // Session.Destroy, Factory.Forget
	ReasonRevoked   EventReason = "revoked"        // Factory.Destroy, Factory.Revoke
	ReasonSubject   EventReason = "all of subject" // Factory.DestroySubject
	ReasonTooMany   EventReason = "too many"       // Config.MaxPerSubject
	ReasonShortened EventReason = "shortened"      // Session.SetTimeouts has put its end into the past
)

// LogValue implements [slog.LogValuer].
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", string(e.Kind))}
	for _, a := range []slog.Attr{
		slog.String("key", string(e.Key)), slog.String("old_key", string(e.OldKey)),
		slog.String("subject", e.Subject), slog.String("reason", string(e.Reason)),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return slog.GroupValue(attrs...)
}

// LogEvents returns a [Config].OnEvent that logs each event. It is safe for concurrent
// use.
func LogEvents(logger *slog.Logger) func(context.Context, Event) {
	return func(ctx context.Context, e Event) { logger.InfoContext(ctx, "session", "event", e) }
}

// tell tells OnEvent, if there is one.
func (f *Factory) tell(ctx context.Context, e Event) {
	if f.cfg.OnEvent != nil {
		f.cfg.OnEvent(ctx, e)
	}
}

// announce tells what a write that was stored means for the life of its session.
func (f *Factory) announce(ctx context.Context, p *pending) {
	e := Event{Subject: p.record.Subject}
	switch p.step {
	case create:
		e.Kind = EventCreated
	case rename:
		e.Kind, e.OldKey = EventChangedID, p.oldName
	default:
		return
	}
	e.Key = f.keyOf(p.record.Key)
	f.tell(ctx, e)
	if p.step == rename {
		f.wake(e.OldKey)
	}
}
