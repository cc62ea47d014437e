package main

import (
	"errors"
	"time"
)

// moment is the value of a flag that takes a future time. A date means the end of that day in
// the local time zone.
type moment struct{ time.Time }

const maxYears = 10 // a time further away is a typing error

func (m *moment) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}

func (m *moment) Type() string { return "date" }

func (m *moment) Set(text string) error {
	at, err := time.Parse(time.RFC3339, text)
	if day, dateErr := time.ParseInLocation(time.DateOnly, text, time.Local); dateErr == nil {
		at, err = day.AddDate(0, 0, 1), nil
	}
	switch now := time.Now(); {
	case err != nil:
		return errors.New("want a date such as 2030-01-31, or a time such as 2030-01-31T18:00:00Z")
	case !at.After(now):
		return errors.New("the time is in the past")
	case at.After(now.AddDate(maxYears, 0, 0)):
		return errors.New("the time is more than ten years from now")
	}
	m.Time = at
	return nil
}
