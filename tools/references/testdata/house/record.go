package house

import "strings"

type record[T any] struct{ value T }

func (r record[T]) name() string {
	session := Session{f: NewFactory()}
	return strings.ToUpper(session.f.name)
}
