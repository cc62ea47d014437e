package main

import (
	"encoding/json"
	"time"

	"gosession.dev/session"
)

// object is the JSON form of a session. Times are in UTC.
type object struct {
	Key      session.Key    `json:"key"`
	Handle   string         `json:"handle,omitempty"`
	Subject  string         `json:"subject"`
	Label    string         `json:"label"`
	Created  time.Time      `json:"created,omitzero"`
	SignedIn time.Time      `json:"signed_in,omitzero"`
	LastSeen time.Time      `json:"last_seen,omitzero"`
	Expires  time.Time      `json:"expires,omitzero"`
	Timeouts *ownTimeouts   `json:"timeouts,omitempty"` // set for this session with SetTimeouts
	Codec    string         `json:"codec,omitempty"`
	Size     int            `json:"size"`
	Sealed   bool           `json:"sealed"`
	Values   map[string]any `json:"values,omitempty"`
	Error    string         `json:"error,omitempty"` // why it can't be read
}

type ownTimeouts struct {
	IdleSeconds     float64 `json:"idle_seconds,omitempty"`
	LifetimeSeconds float64 `json:"lifetime_seconds,omitempty"`
	Persistent      bool    `json:"persistent,omitempty"`
}

func objectOf(one found) object {
	o := object{
		Key: one.key, Handle: one.Handle, Subject: one.Subject, Label: one.Label,
		Created: one.Created.UTC(), LastSeen: one.LastSeen.UTC(), Expires: one.Expires.UTC(),
		Codec: one.codec, Size: one.Size, Sealed: one.sealed,
	}
	if one.unreadable != nil {
		o.Error = why(one.unreadable)
	}
	if one.Subject != "" && !one.SignedInAt.IsZero() {
		o.SignedIn = one.SignedInAt.UTC()
	}
	if t := own(one.Timeouts); t != (session.Timeouts{}) {
		o.Timeouts = &ownTimeouts{t.Idle.Seconds(), t.Lifetime.Seconds(), t.Persistent}
	}
	return o
}

// valuesOf returns the values for JSON: a value that is JSON as it is, another one in Base64.
func valuesOf(one found) map[string]any {
	all := map[string]any{}
	for name, value := range one.values {
		all[name] = value
		if json.Valid(value) {
			all[name] = json.RawMessage(value)
		}
	}
	return all
}
