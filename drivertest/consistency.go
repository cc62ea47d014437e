package drivertest

import "gosession.dev/session/driver"

const seesWhatReturned = "Consistency: every call must see the effects of all calls that returned before it began, " +
	"through any store of the same DSN."

var consistencyChecks = []check{
	{name: "Consistency/AnyStore", server: true, in: "package driver", rule: seesWhatReturned, fn: consistencyAnyStore},
}

// Two stores take turns. Each sees at once what the other has written, also under a key that
// it has looked at before.
func consistencyAnyStore(t *trial) {
	const rounds = 20
	writer, reader := t.open(), t.open()
	for range rounds {
		r := t.record()
		reader.lacks(r.Key)
		writer.create(r, nil)
		reader.holds(r)
		r.Data = []byte("flushed")
		writer.flush(r, nil)
		reader.holds(r)
		moved := renamed(r, t.key())
		reader.lacks(moved.Key)
		writer.changeID(r.Key, moved, nil)
		reader.lacks(r.Key)
		reader.holds(moved)
		reader.flush(renamed(r, moved.Key), driver.ErrConflict)
		writer.destroy(moved.Key, nil)
		reader.lacks(moved.Key)
		reader.destroy(moved.Key, driver.ErrNotFound)
		writer, reader = reader, writer
	}
}
