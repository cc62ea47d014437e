package house

type Session struct {
	f *Factory // the type Factory is exempt, and so are its methods
	r record[int]
}

func (s *Session) Name() string { return s.f.Name() + s.r.name() + s.r.name() }
