package main

import (
	"errors"
	"time"
)

// moment is a time in the future as people give it: to the second, or a date, which is
// the end of that day here.
type moment struct{ time.Time }

const maxYears = 10 // what is further away is a slip of the finger

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
		return errors.New("want a date as in 2030-01-31, or a time as in 2030-01-31T18:00:00Z")
	case !at.After(now):
		return errors.New("it is in the past")
	case at.After(now.AddDate(maxYears, 0, 0)):
		return errors.New("it is more than ten years from now")
	}
	m.Time = at
	return nil
}
