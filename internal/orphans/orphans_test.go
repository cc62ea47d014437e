package orphans

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTakeReturnsEachKeyOnce(t *testing.T) {
	var s Set
	s.Add("ada", "a1")
	s.Add("", "anonymous")
	s.Add("ada", "a2")

	subjects := s.Subjects()
	slices.Sort(subjects)
	require.Equal(t, []string{"", "ada"}, subjects)
	require.Equal(t, []string{"a1", "a2"}, s.Take("ada"))
	require.Empty(t, s.Take("ada"))
	require.Equal(t, []string{""}, s.Subjects())
}

func TestHoldsMax(t *testing.T) {
	var s Set
	for i := range Max + 5 {
		s.Add("ada", fmt.Sprint(i))
	}
	require.Len(t, s.Take("ada"), Max)
	s.Add("ada", "again")
	require.Equal(t, []string{"again"}, s.Take("ada"), "Take makes room for other keys")
}

func TestConcurrentUse(t *testing.T) {
	var s Set
	var wg sync.WaitGroup
	taken := make(chan string, 100)
	for i := range 100 {
		wg.Go(func() {
			s.Add("ada", fmt.Sprint(i))
			for _, key := range s.Take("ada") {
				taken <- key
			}
		})
	}
	wg.Wait()
	for _, key := range s.Take("ada") {
		taken <- key
	}
	close(taken)
	seen := map[string]bool{}
	for key := range taken {
		require.False(t, seen[key], "key %s was taken twice", key)
		seen[key] = true
	}
	require.Len(t, seen, 100)
}
