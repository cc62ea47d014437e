package histories

import (
	"slices"
	"time"
)

// says returns the last line of a report: the sentence of the contract that ops contradict,
// judged by the call that returned last.
func says(ops []*op) string {
	done := slices.DeleteFunc(slices.Clone(ops), func(o *op) bool { return o.pending })
	last := slices.MaxFunc(done, func(a, b *op) int { return a.to.Compare(b.to) })
	in, rule := last.refused()
	if last.err == nil {
		in, rule = last.succeeded(endOf(last.key, last.from, done))
	}
	return in + " says: " + rule
}

// endOf returns the call that ended the record under key before a moment. It returns nil if
// there is none, or if the key was used again.
func endOf(key string, before time.Time, ops []*op) (end *op) {
	for _, o := range ops {
		switch {
		case !o.changes() || !o.to.Before(before):
		case o.write > 0 && o.target() == key:
			end = nil
		case o.key == key && (o.verb == doChangeID || o.verb == doDestroy):
			end = o
		}
	}
	return end
}

// refused returns the sentence that a call contradicts by failing.
func (o *op) refused() (in, rule string) {
	switch o.verb {
	case doCreate:
		return "Store.Create", createOverExpired
	case doFlush:
		return "Store.Flush", flushRefuses
	case doChangeID:
		return "Store.ChangeID", changeIDFails
	case doTouch:
		return "Toucher.Touch", touchSets
	case doDestroy:
		return "Store.Destroy", destroyNotFound
	case doRenamed:
		return "RenameTracker.Renamed", marksLast
	}
	return "Store.Retrieve", returnsStored
}

// succeeded returns the sentence that a call contradicts by succeeding, or by its result. end
// is the call that has ended its record, or nil.
func (o *op) succeeded(end *op) (in, rule string) {
	switch {
	case o.verb == doRenamed && end != nil && end.verb == doChangeID:
		return "RenameTracker.Renamed", marksChain
	case o.verb == doRenamed:
		return "RenameTracker.Renamed", marksAbsent
	case o.verb == doCreate && end != nil && end.verb == doChangeID:
		return "RenameTracker.Renamed", marksTaken
	case o.verb == doCreate:
		return "Store.Create", createNeverOverwrites
	case o.verb == doList && o.subject != "":
		return "SubjectLister.SubjectSessions", subjectsOnly
	case o.verb == doList && o.yielded:
		return "Store.Sessions", listsLive
	case o.verb == doList:
		return "Store.Sessions", listsOnce
	case o.verb == doFlush && end != nil:
		return "Store.Flush", flushRefuses
	case o.verb == doFlush:
		return "Store.Flush", flushReplaces
	case end != nil && end.verb == doDestroy:
		return "Store.Destroy", destroyIsFinal
	case end != nil:
		return "Store.ChangeID", changeIDMoves
	case o.verb == doRetrieve && o.saw.expires < o.from.UnixMilli():
		return "Store.Retrieve", retrieveNotFound
	case o.verb == doRetrieve:
		return "Store.Retrieve", returnsStored
	case o.verb == doChangeID:
		return "Store.ChangeID", changeIDFails
	case o.verb == doTouch:
		return "Toucher.Touch", touchNotFound
	}
	return "Store.Destroy", destroyNotFound
}
