package redis

import (
	"context"
	"errors"
	"time"
	"unsafe"

	"github.com/redis/rueidis"

	"gosession.dev/session/driver"
)

// createScript also removes dead keys from the index, two at a time, so that the index of a subject
// whose sessions expire does not grow.
var createScript = newScript(`
local name, value, expires, subject = KEYS[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('EXISTS', name) == 1 then return 'exists' end
enter(subject, key_of(name))
redis.call('SET', name, value, 'PXAT', expires)
if subject ~= '' then
  for _, key in ipairs(redis.call('ZRANGE', index_of(subject), 0, 1)) do
    if dead(subject, key) then leave(subject, key) end
  end
end
return 'ok'
`)

// Create implements [driver.Store]. If the answer is lost, Create does not send the record again,
// because the first attempt may arrive after a Destroy: it looks whether the record is there.
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	version := newVersion()
	value, err := encode(r, version)
	if err != nil {
		return err
	}
	err = s.ask(ctx, request{script: createScript, names: withIndex(r.Subject, r.Key), args: []string{value, until(r.Expires), r.Subject}})
	if isLost(err) && s.holds(ctx, r.Key, version) {
		err = nil
	}
	if err == nil {
		r.Version = version
	}
	return err
}

// holds reports whether the record under key is stored with that version.
func (s *Store) holds(ctx context.Context, key string, version uint64) bool {
	stored, err := s.Retrieve(ctx, key)
	return err == nil && stored.Version == version
}

// Retrieve implements [driver.Store].
func (s *Store) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	value, err := s.get(ctx, key)
	if err != nil {
		return nil, err
	}
	r, err := parse(key, value)
	if errors.Is(err, errOtherKey) {
		s.link.reset()
	}
	return r, err
}

// get returns the value under a key. It asks again if the answer is lost.
func (s *Store) get(ctx context.Context, key string) ([]byte, error) {
	message, err := s.twice(ctx, func() (rueidis.RedisMessage, error) {
		client, err := s.client(ctx)
		if err != nil {
			return rueidis.RedisMessage{}, err
		}
		return s.answer(ctx, client.Do(undated{ctx}, client.B().Get().Key(s.prefix+key).Build()))
	})
	switch {
	case hasCode(err, "WRONGTYPE"):
		return nil, driver.ErrCorrupt
	case err != nil:
		return nil, err
	case message.IsNil():
		return nil, driver.ErrNotFound
	}
	value, err := message.AsBytes()
	if err != nil {
		return nil, errUnexpected
	}
	return value, nil
}

// flushScript finds its own version if it is sent again.
var flushScript = newScript(`
local name, want, value, expires, subject = KEYS[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local kind, version, before = read(name)
if kind ~= 'record' then return kind end
if version == value:sub(2, 9) then return 'ok' end
if version ~= want then return 'conflict' end
enter(subject, key_of(name))
redis.call('SET', name, value, 'PXAT', expires)
if before ~= subject then leave(before, key_of(name)) end
return 'ok'
`)

// Flush implements [driver.Store].
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	version := newVersion()
	value, err := encode(r, version)
	if err != nil {
		return err
	}
	err = s.ask(ctx, request{
		script: flushScript,
		names:  withIndex(r.Subject, r.Key),
		args:   []string{eight(r.Version), value, until(r.Expires), r.Subject},
		again:  true,
	})
	if err == nil {
		r.Version = version
	}
	return err
}

var touchScript = newScript(`
local name, bytes, expires = KEYS[1], ARGV[2], ARGV[3]
local kind = read(name)
if kind ~= 'record' then return kind end
redis.call('SETRANGE', name, 9, bytes)
redis.call('PEXPIREAT', name, expires)
return 'ok'
`)

// Touch implements [driver.Toucher]. It changes 8 bytes of the record, and not its version.
func (s *Store) Touch(ctx context.Context, key string, expires time.Time) error {
	return s.ask(ctx, request{
		script: touchScript,
		names:  []string{key},
		args:   []string{eight(uint64(expires.UnixMilli())), until(expires)},
		again:  true,
	})
}

var destroyScript = newScript(`
local name = KEYS[1]
local kind, _, subject = read(name)
if kind == 'none' or kind == 'mark' then return kind end
redis.call('UNLINK', name)
if kind == 'record' then leave(subject, key_of(name)) end
return 'ok'
`)

// Destroy implements [driver.Store]. It is not sent again if the answer is lost: it could not tell
// whether it has removed the record itself.
func (s *Store) Destroy(ctx context.Context, key string) error {
	return s.ask(ctx, request{script: destroyScript, names: []string{key}, durable: true})
}

// text returns b as a string, without a copy. b must not change any more.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
