package histories

import (
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

var noon = time.Now().Round(0)

// at returns the call o under the key k, with its beginning and its end in milliseconds after
// noon.
func at(from, to int, o op) *op {
	o.client, o.key = from%3, "k"
	o.from, o.to = noon.Add(time.Duration(from)*time.Millisecond), noon.Add(time.Duration(to)*time.Millisecond)
	if o.write > 0 {
		o.expires = noon.Add(time.Hour).UnixMilli()
	}
	if o.saw.write > 0 {
		o.saw.expires = noon.Add(time.Hour).UnixMilli()
	}
	return &o
}

func creates(n int) op    { return op{verb: doCreate, write: n} }
func flushes(n, b int) op { return op{verb: doFlush, write: n, base: image{write: b}} }
func repeats(n, content, b int) op {
	return op{verb: doFlush, write: n, again: content, base: image{write: b}}
}
func sees(n int) op              { return op{verb: doRetrieve, saw: image{write: n}} }
func refused(o op, err error) op { o.err = err; return o }
func renames(n, b int, to string) op {
	return op{verb: doChangeID, write: n, base: image{write: b}, newKey: to}
}
func leads(to string) op          { return op{verb: doRenamed, mark: to} }
func under(key string, o *op) *op { o.key = key; return o }

func TestModel(t *testing.T) {
	none, conflict := driver.ErrNotFound, driver.ErrConflict
	for name, c := range map[string]struct {
		legal bool
		ops   []*op
	}{
		"read what was written": {true, []*op{at(0, 1, creates(1)), at(2, 3, sees(1))}},
		"read while it is written": {true, []*op{
			at(0, 1, creates(1)), at(2, 8, flushes(2, 1)), at(3, 4, sees(1)), at(5, 6, sees(2))}},
		"old value read after the new one": {false, []*op{
			at(0, 1, creates(1)), at(2, 8, flushes(2, 1)), at(3, 4, sees(2)), at(5, 6, sees(1))}},
		"stale read": {false, []*op{at(0, 1, creates(1)), at(2, 3, flushes(2, 1)), at(4, 5, sees(1))}},
		"two writes over one": {false, []*op{
			at(0, 1, creates(1)), at(2, 8, flushes(2, 1)), at(3, 8, flushes(3, 1))}},
		"two writes over one, one of them a conflict": {true, []*op{
			at(0, 1, creates(1)), at(2, 8, flushes(2, 1)), at(3, 7, refused(flushes(3, 1), conflict))}},
		"conflict with a write that repeats another": {true, []*op{
			at(0, 1, creates(1)), at(2, 3, repeats(2, 1, 1)), at(4, 5, refused(flushes(3, 1), conflict)), at(6, 7, sees(1))}},
		"write over a write that was repeated": {true, []*op{
			at(0, 1, creates(1)), at(2, 3, repeats(2, 1, 1)), at(4, 5, flushes(3, 1)), at(6, 7, sees(3))}},
		"stale write of what is stored": {false, []*op{
			at(0, 1, creates(1)), at(2, 3, flushes(2, 1)), at(4, 5, repeats(3, 2, 1))}},
		"conflict with nothing": {false, []*op{at(0, 1, creates(1)), at(2, 3, refused(flushes(2, 1), conflict))}},
		"conflict with a touch": {true, []*op{
			at(0, 1, creates(1)), at(2, 3, op{verb: doTouch, expires: noon.Add(time.Minute).UnixMilli()}),
			at(4, 5, refused(flushes(2, 1), conflict))}},
		"absent without a reason": {false, []*op{at(0, 1, creates(1)), at(2, 3, refused(sees(0), none))}},
		"absent during Destroy": {true, []*op{
			at(0, 1, creates(1)), at(2, 6, op{verb: doDestroy}), at(3, 4, refused(sees(0), none))}},
		"found after Destroy": {false, []*op{
			at(0, 1, creates(1)), at(2, 6, op{verb: doDestroy}), at(3, 4, refused(sees(0), none)), at(5, 6, sees(1))}},

		"mark after a rename": {true, []*op{
			at(0, 1, creates(1)), at(2, 3, renames(2, 1, "l")), at(4, 5, leads("l")), at(4, 5, refused(sees(0), none))}},
		"neither record nor mark": {false, []*op{
			at(0, 1, creates(1)), at(2, 9, renames(2, 1, "l")), at(3, 4, refused(sees(0), none)), at(5, 6, refused(leads(""), none))}},
		"mark before a rename": {false, []*op{
			at(0, 1, creates(1)), at(2, 3, leads("l")), at(4, 5, renames(2, 1, "l"))}},
		"mark of a rename that failed": {false, []*op{
			at(0, 1, creates(1)), at(2, 3, flushes(2, 1)), at(4, 5, refused(renames(3, 1, "l"), conflict)), at(6, 7, leads("l"))}},
		"mark lost while the record lives": {false, []*op{
			at(0, 1, creates(1)), at(2, 3, renames(2, 1, "l")), at(4, 5, refused(leads(""), none))}},
		"mark forgotten with the record": {true, []*op{
			at(0, 1, creates(1)), at(2, 3, renames(2, 1, "l")), under("l", at(4, 7, op{verb: doDestroy})),
			at(5, 6, refused(leads(""), none)), at(8, 9, creates(3))}},
		"mark kept after the record": {true, []*op{
			at(0, 1, creates(1)), at(2, 3, renames(2, 1, "l")), under("l", at(4, 5, op{verb: doDestroy})),
			at(6, 7, leads("l")), at(8, 9, refused(creates(3), driver.ErrExists))}},
		"created over a mark": {false, []*op{
			at(0, 1, creates(1)), at(2, 3, renames(2, 1, "l")), at(4, 5, creates(3))}},
		"renamed back": {false, []*op{
			at(0, 1, creates(1)), at(2, 3, renames(2, 1, "l")), under("l", at(4, 5, renames(3, 2, "k")))}},
		"mark destroyed": {false, []*op{
			at(0, 1, creates(1)), at(2, 3, renames(2, 1, "l")), at(4, 5, op{verb: doDestroy})}},
		"chain of marks": {true, []*op{
			at(0, 1, creates(1)), at(2, 3, renames(2, 1, "l")), under("l", at(4, 5, renames(3, 2, "m"))),
			at(6, 7, leads("l")), under("l", at(6, 7, leads("m")))}},
	} {
		m := model{late: margin, marks: true}
		for _, o := range c.ops {
			if o.writesOver() {
				o.base.expires = noon.Add(time.Hour).UnixMilli()
			}
		}
		require.Equal(t, c.legal, m.legal(c.ops) == porcupine.Ok, name)
	}
}

// A report has only the calls that show the contradiction, and not what came before or after.
func TestHistoryReport(t *testing.T) {
	ops := []*op{
		at(0, 1, creates(1)), at(2, 3, sees(1)), at(4, 5, flushes(2, 1)), at(6, 7, refused(creates(3), driver.ErrExists)),
		at(8, 12, flushes(4, 2)), at(13, 14, sees(4)), at(15, 17, refused(flushes(5, 2), driver.ErrConflict)),
		at(16, 18, sees(2)), at(19, 20, op{verb: doDestroy}), at(21, 22, creates(6)),
	}
	for _, o := range ops {
		if o.writesOver() {
			o.base.expires = noon.Add(time.Hour).UnixMilli()
		}
	}
	require.Equal(t, []string{
		`no order of these calls is possible:`,
		`  client 2 [0s..4ms]                Flush("k", write 4 over 2 until 1h0m0s) = nil`,
		`  client 1 [8ms..10ms]              Retrieve("k") = write 2 until 1h0m0s`,
		`Store.Retrieve says: ` + returnsStored,
	}, strings.Split(model{late: margin}.report(ops), "\n"))
}
