package session

// DrawIDs generates n IDs with the default IDs.
func DrawIDs(n int, each func(ID)) error {
	for range n {
		id, err := defaultIDs{}.GenerateID()
		if err != nil {
			return err
		}
		each(id)
	}
	return nil
}

// NewSession returns the session of a request without a cookie.
func (f *Factory) NewSession() *Session { return f.newSession() }

// Watched returns how many sessions with contexts the factory watches.
func (f *Factory) Watched() int { return f.watchers.Len() }

// ForgetPlaces makes FromContext log a missing Handler again.
func ForgetPlaces() { withoutMiddleware.Clear() }
