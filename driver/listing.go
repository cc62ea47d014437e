package driver

import (
	"context"
	"iter"
)

// Listing returns the sequence for [Store].Sessions or [SubjectLister].SubjectSessions: the keys
// of all pages. It looks at ctx before each key, after each page without keys, and at the end of a
// listing without pages. If pages yields an error, or if ctx is done then, Listing yields that error
// once, with an empty key, and ends.
//
// pages holds no lock, connection or cursor while it yields, because the caller's code runs then.
// It may reuse the slice afterwards. Listing does not drop a key that pages yields twice.
func Listing(ctx context.Context, pages iter.Seq2[[]string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		none := true
		for page, err := range pages {
			none = false
			if err == nil && len(page) == 0 {
				err = ctx.Err()
			}
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range page {
				if err := ctx.Err(); err != nil {
					yield("", err)
					return
				}
				if !yield(key, nil) {
					return
				}
			}
		}
		if err := ctx.Err(); none && err != nil {
			yield("", err)
		}
	}
}
