package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"gosession.dev/session/driver"
)

// request is a call of a script.
type request struct {
	script  script
	names   []string // the script's KEYS without the prefix; the first one selects the server of a cluster
	args    []string // the script's ARGV after the prefix
	again   bool     // may be sent again if the answer is lost
	durable bool     // ends a session or moves it: Options.Wait applies
}

// ask calls a script that answers with a word, and returns what the word means.
func (s *Store) ask(ctx context.Context, q request) error {
	message, err := s.do(ctx, q)
	if err != nil {
		return err
	}
	word, err := message.ToString()
	if err != nil {
		return errUnexpected
	}
	meaning, known := words[word]
	if !known {
		return errUnexpected
	}
	return meaning
}

// words are the answers of scripts.
var words = map[string]error{
	"ok":       nil,
	"none":     driver.ErrNotFound,
	"mark":     driver.ErrNotFound,
	"exists":   driver.ErrExists,
	"conflict": driver.ErrConflict,
	"corrupt":  driver.ErrCorrupt,
}

// do calls a script and returns its answer.
func (s *Store) do(ctx context.Context, q request) (rueidis.RedisMessage, error) {
	once := func() (rueidis.RedisMessage, error) { return s.once(ctx, q) }
	if !q.again {
		return once()
	}
	return s.twice(ctx, once)
}

// twice makes a call, and makes it again if the answer is lost.
func (s *Store) twice(ctx context.Context, call func() (rueidis.RedisMessage, error)) (rueidis.RedisMessage, error) {
	message, err := call()
	if isLost(err) && ctx.Err() == nil {
		message, err = call()
	}
	return message, err
}

// once sends a script by its name, and the script itself if the server does not know it, because it
// has restarted.
func (s *Store) once(ctx context.Context, q request) (rueidis.RedisMessage, error) {
	client, err := s.client(ctx)
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	names := make([]string, len(q.names))
	for i, name := range q.names {
		names[i] = s.prefix + name
	}
	args, count := append([]string{s.prefix}, q.args...), int64(len(names))
	message, err := s.send(ctx, client, q, client.B().Evalsha().Sha1(q.script.sha).Numkeys(count).Key(names...).Arg(args...).Build())
	if hasCode(err, "NOSCRIPT") {
		message, err = s.send(ctx, client, q, client.B().Eval().Script(q.script.text).Numkeys(count).Key(names...).Arg(args...).Build())
	}
	return message, err
}

func (s *Store) send(ctx context.Context, client rueidis.Client, q request, command rueidis.Completed) (rueidis.RedisMessage, error) {
	if q.durable && s.wait > 0 {
		return s.sendAndWait(ctx, client, command)
	}
	return s.answer(ctx, client.Do(undated{ctx}, command))
}

// answer returns the message of a result. It returns a nil of Redis without an error.
func (s *Store) answer(ctx context.Context, result rueidis.RedisResult) (rueidis.RedisMessage, error) {
	message, err := result.ToMessage()
	if err == nil || rueidis.IsRedisNil(err) {
		return message, nil
	}
	return message, s.explain(ctx, err)
}

// client returns a client whose server answers.
func (s *Store) client(ctx context.Context) (rueidis.Client, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	client, err := s.link.get(ctx)
	if err != nil {
		return nil, s.unsent(s.explain(ctx, err))
	}
	return client, nil
}

// usable returns an error if the store cannot make a call.
func (s *Store) usable(ctx context.Context) error {
	switch {
	case !s.made():
		return errNotMade
	case s.link.isClosed():
		return driver.ErrClosed
	case s.invalid != nil:
		return s.invalid
	}
	return ctx.Err()
}

// made reports whether s was made by Driver.Open or New.
func (s *Store) made() bool { return s != nil && s.redacted != nil }

var errNotMade = errors.New("redis: the store was not made by New or Driver.Open")

// undated hides the deadline of a context, but not that it is done. Rueidis reads the answer to a
// lone command that has a deadline in the caller's goroutine, and does not notice there that the
// context was cancelled.
type undated struct{ context.Context }

func (undated) Deadline() (time.Time, bool) { return time.Time{}, false }
