package carry_test

import (
	"errors"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/carry"
)

type (
	callback struct {
		A int
		F func()
	}
	list struct {
		Next  *list
		Other map[string]any
	}
	pointers struct{ N *int }
	noted    struct {
		time.Time
		Note string
	}
)

// encodesOnly has no GobDecode.
type encodesOnly struct{ A int }

func (encodesOnly) GobEncode() ([]byte, error) { return nil, nil }

// Gob refuses values for which encoding/gob would panic, never return, or lose data.
func TestGobRefuses(t *testing.T) {
	cyclic := &list{}
	cyclic.Next = &list{Next: cyclic}
	inMap := &list{Other: map[string]any{}}
	inMap.Other["a"] = []any{inMap.Other}
	var long *list
	for range 10_010 {
		long = &list{Next: long}
	}
	for name, v := range map[string]any{
		"nil":                     nil,
		"nil pointer":             (*int)(nil),
		"nil pointer of a type":   (*Half)(nil),
		"pointer to nil":          at((*Half)(nil)),
		"nil element":             []*Half{nil},
		"nil element of its own":  map[string]*big.Int{"a": nil},
		"nil in any":              struct{ V any }{(*Half)(nil)},
		"one not exported":        mixed{1, 2},
		"embeds one not exported": embedsHalf{half{1, 2}},
		"embeds a pointer":        embedsPointer{},
		"nothing exported":        hidden{1},
		"in any":                  []any{mixed{1, 2}},
		"function":                callback{},
		"channel":                 &struct{ A, B *chan int }{},
		"cycle":                   cyclic,
		"cycle in a map":          inMap,
		"very long":               long,
		"pointer to zero":         pointers{at(0)},
		"pointer to zero, deep":   map[string][]pointers{"a": {{at(1)}, {at(0)}}},
		"pointer to an empty one": struct{ S *[]int }{at([]int{})},
		"pointers in keys":        map[*int]int{at(1): 1},
		"pointers in any keys":    map[any]int{at(1): 1},
		"pointer to a pointer":    at(big.NewInt(1)),
		"only encoded":            encodesOnly{1},
		"promoted":                noted{time.Now(), "x"},
		"promoted, deep":          struct{ embedsStamped }{embedsStamped{stamped{time.Now(), "x"}}},
		"promoted, not exported":  embedsPair{pair{1}, 2},
		"promoted, no struct":     []any{embedsCode{1, 2}},
		"promoted from a pointer": embedsPairPointer{&pair{1}, 2},
		"promoted, pointer alone": embedsTimePointer{at(time.Now())},
		"promoted from nil":       embedsTimePointer{},
		"error":                   struct{ E error }{errors.New("x")},
	} {
		require.Error(t, carry.Gob(v), name)
	}
	for name, v := range map[string]any{
		"cycle of none":  list{Next: &list{}},
		"shared":         []*list{long.Next.Next.Next.Next.Next.Next.Next.Next.Next.Next.Next.Next, {}},
		"pointers":       pointers{at(1)},
		"no pointers":    pointers{},
		"zero struct":    struct{ H *Half }{&Half{}},
		"any":            map[any]any{"a": 1, 2: []int{1}},
		"complex":        map[Half]complex128{{1}: 1i},
		"time":           []time.Time{{}},
		"url":            &url.URL{User: url.User("a")},
		"nil inside":     []any{nil, map[string]any(nil)},
		"promoted, zero": noted{Time: time.Now()},
	} {
		require.NoError(t, carry.Gob(v), name)
	}
}
