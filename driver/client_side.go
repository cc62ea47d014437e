package driver

// A ClientSide is a [Store] that keeps records with the client, as sealed tokens
// in its cookie, and not on the server.
//
// Its tokens stand where other stores have keys: on success Create, Flush and
// ChangeID set r.Key to the token that the client has to send from then on, and
// Retrieve, Flush, ChangeID and Destroy find a record by its token. What Create and
// ChangeID are given as r.Key is a key like any other, which stays in the token and
// names the session to the store itself.
//
// An older token is as good as a newer one until it expires, unless the store records
// on a server which sessions have ended. Without such records a session that Destroy or
// ChangeID has ended can come back. There are no conflicts: of two requests at once that
// change a session, one loses its change. It lists nothing.
//
// A store with such records may be a [RenameTracker], and so is the store that ForCookie
// returns. Renamed then takes a token or a key that Create or ChangeID was
// given, and returns the key that followed; Destroy takes that key too, and ends the
// session that has it. Create and ChangeID need not look whether a key is marked: no
// token is found for a key that has ended.
type ClientSide interface {
	// ForCookie returns this store for cookies of that name. A token must not be
	// found for another name. With the name it must have at most 4,096 bytes,
	// which is what browsers keep (RFC 6265bis, 5.7), or the error is
	// [ErrTooLarge] and r is left as it is. Package session calls ForCookie once,
	// when a factory is made, and closes what it returned, not the store itself.
	ForCookie(name string) Store
}
