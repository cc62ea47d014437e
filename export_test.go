package session

// DrawIDs draws n IDs as sessions get them.
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

// NewSession returns a session as a request without a cookie gets it.
func (f *Factory) NewSession() *Session { return f.newSession() }
