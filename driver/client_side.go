package driver

// A ClientSide is a [Store] that keeps records not on the server but in the client's
// cookie, as sealed tokens.
//
// Tokens take the place of keys: on success Create, Flush and ChangeID set r.Key to the
// token that the client has to send from then on, and Retrieve, Flush, ChangeID and
// Destroy find a record by its token. The r.Key that Create and ChangeID are given is a
// key as for other stores. It stays in the token and identifies the session to the store.
//
// An older token remains valid beside a newer one until it expires. Only a store that
// records on a server which sessions have ended can reject the tokens of a session that
// Destroy or ChangeID has ended. Without such records the session can come back. There
// are no conflicts: if two requests change a session at once, one of the changes is lost.
// A ClientSide store lists no sessions.
//
// A store with such records may be a [RenameTracker], and so may the store that ForCookie
// returns. Renamed then takes a token, or a key that was given to Create or ChangeID, and
// returns the key that followed. Destroy takes that key too, and ends its session. Create
// and ChangeID need not check whether a key is marked: no token is found for a key that
// has ended.
type ClientSide interface {
	// ForCookie returns this store for cookies of the given name. A token must not be
	// found for another name. The token and the name together must have at most 4,096
	// bytes, which is what browsers keep (RFC 6265bis, 5.7); if they are longer, the error
	// is [ErrTooLarge] and r is left as it is. Package session calls ForCookie once, when a
	// factory is made, and closes the store that ForCookie returned, not the original.
	ForCookie(name string) Store
}
