package redis

import (
	"crypto/fips140"
	"crypto/sha1"
	"encoding/hex"
)

// script is a Lua script. The server runs it as one step.
type script struct{ text, sha string }

// newScript returns a script that may call the functions of common. SHA-1 is here no cryptography,
// but the name by which the server knows a script.
func newScript(text string) script {
	text = common + text
	var sum [sha1.Size]byte
	fips140.WithoutEnforcement(func() { sum = sha1.Sum([]byte(text)) })
	return script{text: text, sha: hex.EncodeToString(sum[:])}
}

// common begins every script. ARGV[1] is the prefix of the store. Redis does not roll a script back
// that fails: therefore each script writes first what Redis may refuse because its memory is full,
// and an index before the record that belongs into it.
const common = `
local prefix = ARGV[1]

local function key_of(name) return name:sub(#prefix + 1) end
local function index_of(subject) return prefix .. '@' .. subject end

-- read returns what is under a name: 'none', 'corrupt', 'mark' and the new key, or 'record' and its
-- version and subject. 351 bytes hold all but meta and data.
local function read(name)
  local head = redis.pcall('GETRANGE', name, 0, 350)
  if type(head) ~= 'string' then return 'corrupt' end
  if head == '' then return redis.call('EXISTS', name) == 1 and 'corrupt' or 'none' end
  local kind, n = head:byte(1), head:byte(26)
  if kind == 0x92 and #head > 1 then return 'mark', head:sub(2) end
  if kind ~= 0x91 or not n or head:sub(27, 26 + n) ~= key_of(name) then return 'corrupt' end
  local s = head:byte(27 + n)
  if not s then return 'corrupt' end
  local high, low = head:byte(28 + n + s, 29 + n + s)
  if not low then return 'corrupt' end
  local size = #head < 351 and #head or redis.call('STRLEN', name)
  if size < 29 + n + s + high * 256 + low then return 'corrupt' end
  return 'record', head:sub(2, 9), head:sub(28 + n, 27 + n + s)
end

-- enter puts a key into the index of a subject. The score is given if the key follows another one.
-- Scores count up: no clock that steps back hides a session from a call that reads by score.
local function enter(subject, key, score)
  if subject == '' then return end
  local index = index_of(subject)
  if not score then
    if redis.call('ZSCORE', index, key) then return end
    local top = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')
    score = tonumber(top[2] or 0) + 1
  end
  redis.call('ZADD', index, score, key)
end

local function leave(subject, key)
  if subject ~= '' then redis.pcall('ZREM', index_of(subject), key) end
end

-- settled fails while the slot of the store moves to another server of a cluster: then some names are
-- here and some are there, and a name that is not here may be there. Redis refuses a command with two
-- absent keys at that time. It looks itself after the keys that a script declares.
local function settled() redis.call('EXISTS', prefix, prefix .. '!') end

-- dead reports whether a key in the index of a subject leads to no record of the subject. What is
-- corrupt stays.
local function dead(subject, key)
  local kind, _, of = read(prefix .. key)
  return kind == 'none' or kind == 'mark' or (kind == 'record' and of ~= subject)
end
`
