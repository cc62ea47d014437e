package redis

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// answer is the list that a script answers with.
type answer []rueidis.RedisMessage

// list calls a script that answers with a list.
func (s *Store) list(ctx context.Context, q request) (answer, error) {
	message, err := s.do(ctx, q)
	if err != nil {
		return nil, err
	}
	values, err := message.ToArray()
	if err != nil {
		return nil, errUnexpected
	}
	return values, nil
}

// text returns an element that is a text, or "".
func (a answer) text(i int) string {
	if i >= len(a) {
		return ""
	}
	text, _ := a[i].ToString()
	return text
}

// milliseconds returns an element that is a number of milliseconds, or 0.
func (a answer) milliseconds(i int) time.Duration {
	if i >= len(a) {
		return 0
	}
	n, _ := a[i].AsInt64()
	return time.Duration(n) * time.Millisecond
}

// texts returns an element that is a list of texts, or nil.
func (a answer) texts(i int) []string {
	if i >= len(a) {
		return nil
	}
	texts, _ := a[i].AsStrSlice()
	return texts
}

// err returns an error unless the list has n elements.
func (a answer) err(n int) error {
	if len(a) != n {
		return errUnexpected
	}
	return nil
}
