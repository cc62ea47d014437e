package redis

import (
	"context"
	"iter"
	"strconv"

	"gosession.dev/session/driver"
)

// pageSize is the number of records that one step of a listing reads.
const pageSize = 500

// subjectScript answers with the score after which the next page begins, or "", and with the keys
// of a page.
var subjectScript = newScript(`
settled()
local subject, from, limit = ARGV[2], ARGV[3], tonumber(ARGV[4])
local page = redis.call('ZRANGEBYSCORE', KEYS[1], from, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
local keys = {}
for i = 1, #page, 2 do
  local kind, _, of = read(prefix .. page[i])
  if kind == 'record' and of == subject then keys[#keys + 1] = page[i] end
end
return {#page == 2 * limit and '(' .. page[#page] or '', keys}
`)

// SubjectSessions implements [driver.SubjectLister]. It reads the index of the subject page by page,
// in the order of scores. A session keeps its score when its ID changes.
func (s *Store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return driver.Listing(ctx, func(yield func([]string, error) bool) {
		seen := seenKeys{} // a session that loses the subject and gets it again has another score
		for from := "-inf"; from != ""; {
			answer, err := s.list(ctx, request{
				script: subjectScript,
				names:  []string{"@" + subject},
				args:   []string{subject, from, strconv.Itoa(pageSize)},
				again:  true,
			})
			if err == nil {
				err = answer.err(2)
			}
			if !yield(seen.fresh(answer.texts(1)), err) || err != nil {
				return
			}
			from = answer.text(0)
		}
	})
}

// batchSize is the number of records that one step of DestroySubject removes. Redis runs a script
// without interruption, and a step takes at most a few milliseconds.
const batchSize = 1000

// destroySubjectScript answers with the score after which the next batch begins, or "", and with
// the score of the last batch: sessions that the subject gets later have higher scores.
var destroySubjectScript = newScript(`
settled()
local index, subject, from, last, limit = KEYS[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local except, names, keys, kept = {}, {}, {}, 0
for i = 6, #ARGV do except[ARGV[i]] = true end
if last == '' then last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2] end
if not last then return {'', ''} end
local batch = redis.call('ZRANGEBYSCORE', index, from, last, 'LIMIT', 0, limit)
local next = batch[limit] and redis.call('ZSCORE', index, batch[limit])
for _, key in ipairs(batch) do
  local kind, _, of = read(prefix .. key)
  if kind == 'corrupt' or (kind == 'record' and of == subject and except[key]) then
    kept = kept + 1
  else
    keys[#keys + 1] = key
    if kind == 'record' and of == subject then names[#names + 1] = prefix .. key end
  end
end
if #names > 0 then redis.call('UNLINK', unpack(names)) end
if kept == 0 then
  redis.call('ZREMRANGEBYSCORE', index, from, next or last)
elseif #keys > 0 then
  redis.call('ZREM', index, unpack(keys))
end
return {next and '(' .. next or '', last}
`)

// DestroySubject implements [driver.SubjectDestroyer]. One step removes up to 1000 sessions.
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	for from, last := "-inf", ""; from != ""; {
		answer, err := s.list(ctx, request{
			script:  destroySubjectScript,
			names:   []string{"@" + subject},
			args:    append([]string{subject, from, last, strconv.Itoa(batchSize)}, except...),
			again:   true,
			durable: true,
		})
		if err == nil {
			err = answer.err(2)
		}
		if err != nil {
			return err
		}
		from, last = answer.text(0), answer.text(1)
	}
	return nil
}
