package driver_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"gosession.dev/session/driver"
)

// pagesOf yields the pages, and then an error if err is not nil.
func pagesOf(err error, pages ...[]string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for _, page := range pages {
			if !yield(page, nil) {
				return
			}
		}
		if err != nil && yield(nil, err) {
			panic("the listing goes on after an error")
		}
	}
}

// collect returns what a listing yields, as text, and calls at with the number of each element.
func collect(listing iter.Seq2[string, error], at func(n int) (goOn bool)) (got []string) {
	for key, err := range listing {
		got = append(got, fmt.Sprintf("%s %v", key, err))
		if !at(len(got)) {
			break
		}
	}
	return got
}

func TestListing(t *testing.T) {
	failed := errors.New("down")
	ctx, cancel := context.WithCancel(t.Context())
	always := func(int) bool { return true }
	pages := [][]string{{"a", "b"}, {}, {"c"}}
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		at   func(int) bool
		want []string
	}{
		{"all keys", t.Context(), nil, always, []string{"a <nil>", "b <nil>", "c <nil>"}},
		{"an error is yielded once", t.Context(), failed, always, []string{"a <nil>", "b <nil>", "c <nil>", " down"}},
		{"the caller breaks", t.Context(), failed, func(n int) bool { return n < 2 }, []string{"a <nil>", "b <nil>"}},
		{"the context ends within a page", ctx, nil, func(int) bool { cancel(); return true }, []string{"a <nil>", " context canceled"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			listing := driver.Listing(tt.ctx, pagesOf(tt.err, pages...))
			if got := collect(listing, tt.at); !slices.Equal(got, tt.want) {
				t.Errorf("Listing(ctx, %q, %v) yields %q; want %q", pages, tt.err, got, tt.want)
			}
		})
	}
}

// A context that is done ends a listing also if no page has a key, and if there is no page at all.
func TestListingWithoutKeys(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	always := func(int) bool { return true }
	for _, pages := range [][][]string{nil, {{}}, {{}, {}}, {{}, {"a"}}} {
		got := collect(driver.Listing(done, pagesOf(nil, pages...)), always)
		if want := []string{" context canceled"}; !slices.Equal(got, want) {
			t.Errorf("Listing(done, %q) yields %q; want %q", pages, got, want)
		}
		if got := collect(driver.Listing(t.Context(), pagesOf(nil, pages...)), always); len(got) != len(slices.Concat(pages...)) {
			t.Errorf("Listing(ctx, %q) yields %q", pages, got)
		}
	}
}

// A listing in pages, each of which begins after the last key of the previous one.
func ExampleListing() {
	const pageSize = 2
	keys := []string{"a", "b", "c"}
	after := func(last string) []string { // a query with ORDER BY key LIMIT pageSize
		i, found := slices.BinarySearch(keys, last)
		if found {
			i++
		}
		return keys[i:min(i+pageSize, len(keys))]
	}
	sessions := func(ctx context.Context) iter.Seq2[string, error] {
		return driver.Listing(ctx, func(yield func([]string, error) bool) {
			for last := ""; ; {
				page := after(last)
				if !yield(page, nil) || len(page) < pageSize {
					return
				}
				last = page[len(page)-1]
			}
		})
	}
	for key, err := range sessions(context.Background()) {
		fmt.Println(key, err)
	}
	// Output:
	// a <nil>
	// b <nil>
	// c <nil>
}
