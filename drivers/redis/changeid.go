package redis

import (
	"context"
	"strconv"

	"gosession.dev/session/driver"
)

// changeIDScript finds its own mark and version if it is sent again.
var changeIDScript = newScript(`
local name, new, want, value, expires, subject = KEYS[1], KEYS[2], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local mark, lifetime = ARGV[6], ARGV[7]
local key, new_key = key_of(name), key_of(new)
local kind, version, before = read(name)
if kind == 'mark' and version == new_key then
  local moved, at = read(new)
  if moved == 'record' and at == value:sub(2, 9) then return 'ok' end
end
if kind ~= 'record' then return kind end
if version ~= want then return 'conflict' end
if redis.call('EXISTS', new) == 1 then return 'exists' end
enter(subject, new_key, before == subject and subject ~= '' and redis.call('ZSCORE', index_of(subject), key))
redis.call('SET', new, value, 'PXAT', expires)
redis.call('SET', name, mark, 'PX', lifetime)
leave(before, key)
return 'ok'
`)

// ChangeID implements [driver.Store]. The index keeps the place of the session, so that a
// DestroySubject that runs at the same time finds it.
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	version := newVersion()
	value, err := encode(r, version)
	if err != nil {
		return err
	}
	lifetime := strconv.FormatInt(driver.MarkLifetime.Milliseconds(), 10)
	err = s.ask(ctx, request{
		script:  changeIDScript,
		names:   withIndex(r.Subject, oldKey, r.Key),
		args:    []string{eight(r.Version), value, until(r.Expires), r.Subject, mark(r.Key), lifetime},
		again:   true,
		durable: true,
	})
	if err == nil {
		r.Version = version
	}
	return err
}

var renamedScript = newScript(`
local kind, to = read(KEYS[1])
if kind ~= 'mark' then return {} end
return {to, redis.call('PTTL', KEYS[1])}
`)

// Renamed implements [driver.RenameTracker]. The age of a mark is by the clock of the server: it is
// the lifetime of marks without the time that the mark has left.
func (s *Store) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	answer, err := s.list(ctx, request{script: renamedScript, names: []string{key}, again: true})
	if err != nil {
		return driver.Rename{}, err
	}
	if len(answer) == 0 {
		return driver.Rename{}, driver.ErrNotFound
	}
	to, left := answer.text(0), answer.milliseconds(1)
	return driver.Rename{To: to, Age: max(driver.MarkLifetime-left, 0)}, answer.err(2)
}
