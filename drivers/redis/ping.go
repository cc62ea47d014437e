package redis

import (
	"context"
	"crypto/rand"
	"errors"
)

// pingScript writes an item and removes it. What the server does not let the user know, it does not
// check.
var pingScript = newScript(`
local function info(section)
  local text = redis.pcall('INFO', section)
  return type(text) == 'string' and text or ''
end
if info('replication'):find('role:slave', 1, true) then return 'replica' end
if info('memory'):find('maxmemory_policy:allkeys', 1, true) then return 'evicts' end
redis.call('SET', KEYS[1], string.rep('x', 450), 'PX', 5000)
redis.call('UNLINK', KEYS[1])
return 'ok'
`)

var (
	errReplica = errors.New("redis: the server is a replica, which may lag behind and refuses writes; name the primary in the DSN, or use redis+sentinel")
	errEvicts  = errors.New("redis: the server's maxmemory-policy may evict any key, such as the index by which the sessions of a user are ended; set it to noeviction or to one that begins with volatile-")
)

// Ping implements [driver.Pinger]. It writes and removes an item of its own, whose size is that of a
// usual session. It fails if the server is a replica, or may evict keys that have no expiry.
func (s *Store) Ping(ctx context.Context) error {
	message, err := s.do(ctx, request{script: pingScript, names: []string{"!" + rand.Text()}, again: true})
	if err != nil {
		return err
	}
	word, _ := message.ToString()
	switch word {
	case "ok":
		return nil
	case "replica":
		return errReplica
	case "evicts":
		return errEvicts
	}
	return errUnexpected
}
