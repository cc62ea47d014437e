package session

import (
	"context"
	"log/slog"

	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/move"
)

// Event is a change in the life of a session that this process has made. Events are for audit
// logs (OWASP ASVS 5.0, 16.3.1) and for code that has to react. An event never contains an ID.
//
// A stored write makes at most one event. A sign-in may also end sessions: that of another user
// who was signed in (ReasonSignedOut), and, with [Config].MaxPerSubject, sessions of the same user
// (ReasonTooMany). For each of them an EventEnded comes before the EventSignedIn. If a sign-in is
// stored and then refused, the session in which it was made ends too, see [ErrStaleSignIn]; a
// session that the sign-in has just created makes no event.
//
// If the store ends the sessions of a subject in one step, that is one event, without Handle and
// Key. The expiry of a session makes no event, because no process notices it at that time;
// see [Stats].Expired.
type Event struct {
	Kind    EventKind
	Handle  string      // the handle of the session, see [Session.Handle]
	Key     Key         // the key of the session; with drivers/cookie each write changes it
	OldKey  Key         // the key before the ID changed; "" if it did not change
	Subject string      // the subject of the session; "" if the session is anonymous
	Reason  EventReason // why the session has ended; "" for other events
}

// EventKind says what has happened.
type EventKind string

const (
	EventCreated   EventKind = "created"    // an anonymous session was stored for the first time
	EventSignedIn  EventKind = "signed in"  // a sign-in was stored: in a new session, or in the session that had OldKey
	EventChangedID EventKind = "changed ID" // the ID was changed without a sign-in, as by [Session.ChangeID]
	EventEnded     EventKind = "ended"      // a session has ended; Handle and Subject are "" if its record could not be read
)

// EventReason says why a session has ended.
type EventReason string

const (
	ReasonSignedOut EventReason = "signed out"     // Session.Destroy, Factory.Forget, or a sign-in of another user
	ReasonRevoked   EventReason = "revoked"        // Factory.Destroy, Factory.Revoke
	ReasonSubject   EventReason = "all of subject" // Factory.DestroySubject, Session.DestroyOthers, or a stale sign-in
	ReasonTooMany   EventReason = "too many"       // Config.MaxPerSubject
	ReasonShortened EventReason = "shortened"      // Session.SetTimeouts has put the expiry into the past
)

// Reasons of an [EndedError] only. No Event has them.
const (
	ReasonExpired   EventReason = "expired"
	ReasonChangedID EventReason = "changed ID" // by another request; the client has a session under a new ID
	ReasonUnknown   EventReason = "unknown"    // another process has ended the session
)

// LogValue implements [slog.LogValuer].
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", string(e.Kind))}
	for _, a := range []slog.Attr{
		slog.String("handle", e.Handle), slog.String("key", string(e.Key)), slog.String("old_key", string(e.OldKey)),
		slog.String("subject", e.Subject), slog.String("reason", string(e.Reason)),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return slog.GroupValue(attrs...)
}

// tell passes an event to Config.OnEvent.
func (f *Factory) tell(ctx context.Context, e Event) {
	if f.cfg.OnEvent != nil {
		f.cfg.OnEvent(ctx, e)
	}
}

// wake makes the watchers look at once at the Sessions with contexts under key, because this
// process may have ended the session for the given reason.
func (f *Factory) wake(key Key, why EventReason) { f.watchers.Wake(byKey, string(key), string(why)) }

// endsHandle reports whether the session that had p's old key ends when p is stored, because
// the record gets another handle.
func (p *pending) endsHandle() bool {
	return p.step == rename && (p.replaces || p.handle != (meta.Handle{}) && p.handle != p.meta.Handle)
}

// endReason returns why the session that had p's old key ends: it makes room for the session that
// p stores, or another user signs in.
func (p *pending) endReason() EventReason {
	if p.replaces {
		return ReasonTooMany
	}
	return ReasonSignedOut
}

// tellOldEnded tells that the session that had p's old key has ended.
func (f *Factory) tellOldEnded(ctx context.Context, p *pending, why EventReason) {
	f.tell(ctx, Event{Kind: EventEnded, Handle: p.handle.String(), Key: p.oldName, Subject: p.subject, Reason: why})
}

// announce tells the events of a write that was stored, and wakes the contexts of the old ID.
func (f *Factory) announce(ctx context.Context, p *pending) {
	if p.endsHandle() {
		f.tellOldEnded(ctx, p, p.endReason())
	}
	e := Event{Subject: p.record.Subject}
	switch p.step {
	case create:
		e.Kind = EventCreated
	case rename:
		e.Kind, e.OldKey = EventChangedID, p.oldName
	default:
		return
	}
	if p.signIn != nil {
		e.Kind = EventSignedIn
	}
	if e.Key = f.keyOf(p.record.Key); f.cfg.OnEvent != nil {
		e.Handle = p.meta.Handle.String() // only here, because it allocates
	}
	f.tell(ctx, e)
	if p.step == rename {
		f.wake(e.OldKey, ReasonChangedID)
	}
}

// identify completes an event about the session under key, which is about to end, from its
// record. If the record can't be read, the event stays incomplete, and the session is ended all
// the same.
func (f *Factory) identify(ctx context.Context, key string, e *Event) {
	if f.cfg.OnEvent == nil || e.Handle != "" {
		return
	}
	rec, err := f.fetch(ctx, key)
	if err != nil {
		return
	}
	e.Subject = rec.Subject
	if st, _, err := f.describe(move.Thawed(rec)); err == nil {
		e.Handle = st.meta.Handle.String()
	}
}
