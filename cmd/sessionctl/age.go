package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// age is the value of a duration flag that also accepts days, such as 30d.
type age time.Duration

const maxDays = 100 * 365 // more would overflow a time.Duration

func (a *age) String() string {
	if *a == 0 {
		return ""
	}
	return time.Duration(*a).String()
}

func (a *age) Type() string { return "age" }

func (a *age) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, found := strings.CutSuffix(text, "d"); found {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(max(min(n, maxDays), -1)) * 24 * time.Hour
	}
	if err != nil || d < 0 {
		return errors.New("want a duration such as 90m, 12h or 30d")
	}
	*a = age(d)
	return nil
}
