package histories

// These are the sentences of the contract that a history can contradict, word for word.
const (
	createNeverOverwrites = "If r.Key holds a live record, Create must return ErrExists and leave that record as it is."
	createOverExpired     = "An expired record under the key counts as absent."
	returnsStored         = "Retrieve returns the live record under key, with all fields as they were stored."
	retrieveNotFound      = "If there is no record, or if it has expired, Retrieve must return ErrNotFound."
	flushReplaces         = "Flush replaces Data, Meta, Expires and Subject of the live record under r.Key, in one step, " +
		"if the version of that record is r.Version, and sets r.Version to the new version."
	flushRefuses = "If the stored version is another, Flush must return ErrConflict; if there is no live record, " +
		"it must return ErrNotFound and must not insert one; if the record is too large for the backend, " +
		"it must return ErrTooLarge."
	changeIDMoves = "After ChangeID has returned nil, the record must be live under r.Key and absent under oldKey."
	changeIDFails = "ChangeID must check oldKey first, by the same rules as Flush (ErrConflict, ErrNotFound), " +
		"and must then return ErrExists if r.Key holds a live record; in each of these cases nothing changes."
	destroyNotFound = "If there is no live record, Destroy must return ErrNotFound."
	destroyIsFinal  = "After Destroy has returned nil, no call may bring the record back, not even a call that began before."
	listsLive       = "Sessions returns the keys of the live records, in no particular order."
	listsOnce       = "A record that is live from the first element to the last must be yielded exactly once; " +
		"a record that is created, renamed or ended during the listing may be yielded or not."
	holdsNoLock = "A store holds no lock, connection or cursor while the caller's code runs between two elements of a sequence: " +
		"the caller must be able to call any method there."
	touchSets = "Touch sets Expires of the live record under key and must leave everything else as it is; " +
		"the version may change."
	touchNotFound = "If there is no live record, Touch must return ErrNotFound and must not insert one."
	subjectsOnly  = "SubjectSessions lists the live records of one subject, by the rules of Store.Sessions, and must yield no other keys."
	marksLast     = "A mark must be found for MarkLifetime after the ChangeID that left it, or until the record that it leads to " +
		"has ended, whichever comes first; soon after MarkLifetime it is gone."
	marksAbsent = "If there is no mark, or if key holds a live record, Renamed must return ErrNotFound."
	marksTaken  = "If r.Key is marked, Create and ChangeID must return ErrExists."
	marksChain  = "If a record is renamed several times, each of its old keys must hold a mark, " +
		"which leads to the key that followed."
)
