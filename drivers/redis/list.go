package redis

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"iter"
	"strconv"

	"gosession.dev/session/driver"
)

// scanScript answers with the next cursor of SCAN, the server's run ID, and the keys of the records
// in a page. A cursor belongs to one run of one server.
var scanScript = newScript(`
settled()
local cursor, pattern, count = ARGV[2], ARGV[3], ARGV[4]
local page = redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', count)
local keys = {}
for _, name in ipairs(page[2]) do
  local key = key_of(name)
  if #key > 0 and #key <= 64 and not key:find('[^A-Za-z0-9_-]') and read(name) == 'record' then
    keys[#keys + 1] = key
  end
end
local info = redis.pcall('INFO', 'server')
return {page[1], type(info) == 'string' and info:match('run_id:(%x+)') or '', keys}
`)

// Sessions implements [driver.Store]. It takes about 40 bytes of memory for each session, because
// SCAN may find a key several times. If another server takes over, or the server restarts, Sessions
// begins again, without yielding a key twice.
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return driver.Listing(ctx, func(yield func([]string, error) bool) {
		if err := s.usable(ctx); err != nil {
			yield(nil, err)
			return
		}
		seen := seenKeys{}
		for cursor, run := "0", ""; ; {
			answer, err := s.list(ctx, request{
				script: scanScript,
				names:  []string{""},
				args:   []string{cursor, pattern(s.prefix), strconv.Itoa(pageSize)},
				again:  true,
			})
			if err == nil {
				err = answer.err(3)
			}
			if !yield(seen.fresh(answer.texts(2)), err) || err != nil {
				return
			}
			next, now := answer.text(0), answer.text(1)
			if cursor != "0" && now != run {
				next = "0"
			} else if next == "0" {
				return
			}
			cursor, run = next, now
		}
	})
}

// seenKeys has a hash of 16 bytes for each key of a listing.
type seenKeys map[[16]byte]struct{}

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// fresh returns the keys that are not in seen, and adds them.
func (seen seenKeys) fresh(keys []string) []string {
	fresh := keys[:0]
	for _, key := range keys {
		var hash [16]byte
		for i, seed := range seeds {
			binary.LittleEndian.PutUint64(hash[8*i:], maphash.String(seed, key))
		}
		if _, known := seen[hash]; !known {
			seen[hash] = struct{}{}
			fresh = append(fresh, key)
		}
	}
	return fresh
}

// tidy is the Lua function that removes dead keys from the index of a subject, from a score on. It
// returns the score after which the next batch begins, or "".
const tidy = `
local function tidy(index, from, limit)
  local batch = redis.call('ZRANGEBYSCORE', index, from, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
  local subject = index:sub(#prefix + 2)
  for i = 1, #batch, 2 do
    if dead(subject, batch[i]) then leave(subject, batch[i]) end
  end
  return #batch == 2 * limit and '(' .. batch[#batch] or ''
end
`

// sweepScript tidies the indexes of a page of SCAN. It answers with the next cursor, and with the
// subjects whose indexes are too long for one step.
var sweepScript = newScript(tidy + `
settled()
local cursor, pattern, count, limit = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local page = redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', count)
local long = {}
for _, index in ipairs(page[2]) do
  local n = redis.pcall('ZCARD', index)
  if type(n) == 'number' then
    if n < limit then
      tidy(index, '-inf', n + 1)
      limit = limit - n
    else
      long[#long + 1] = index:sub(#prefix + 2)
    end
  end
end
return {page[1], long}
`)

var tidyScript = newScript(tidy + `
settled()
return {tidy(KEYS[1], ARGV[2], tonumber(ARGV[3]))}
`)

// DeleteExpired implements [driver.Store]. It returns 0: Redis removes expired records by itself. It
// removes what they have left in the indexes of subjects.
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	for cursor := "0"; ; {
		answer, err := s.list(ctx, request{
			script: sweepScript,
			names:  []string{""},
			args:   []string{cursor, pattern(s.prefix + "@"), strconv.Itoa(pageSize), strconv.Itoa(batchSize)},
			again:  true,
		})
		if err == nil {
			err = answer.err(2)
		}
		if err != nil {
			return 0, err
		}
		for _, subject := range answer.texts(1) {
			if err := s.tidy(ctx, subject); err != nil {
				return 0, err
			}
		}
		if cursor = answer.text(0); cursor == "0" {
			return 0, nil
		}
	}
}

// tidy tidies the index of a subject in steps.
func (s *Store) tidy(ctx context.Context, subject string) error {
	for from := "-inf"; from != ""; {
		answer, err := s.list(ctx, request{
			script: tidyScript,
			names:  []string{"@" + subject},
			args:   []string{from, strconv.Itoa(batchSize)},
			again:  true,
		})
		if err == nil {
			err = answer.err(1)
		}
		if err != nil {
			return err
		}
		from = answer.text(0)
	}
	return nil
}
