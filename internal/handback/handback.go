// Package handback copies back to a request what inner handlers have set on its copy.
// Middleware that changes the context passes a copy of the request on (http.Request.WithContext).
// [http.ServeMux] then writes the pattern, and handlers the parsed form, into the copy, where
// outer middleware and net/http do not see them. Copy also removes the temporary files of the
// inner form, which net/http would leave behind.
package handback

import (
	"iter"
	"net/http"
	"strings"
)

// Copy copies the pattern, the path values and the parsed form from the inner request to the
// outer one, and removes the temporary files of a form that was parsed inside: net/http removes
// only the files of its own request, and none after a panic or a Hijack. It writes only what
// has changed, because a goroutine of an outer handler may be reading the rest.
func Copy(outside, inside *http.Request) {
	if form := inside.MultipartForm; form != nil && form != outside.MultipartForm {
		_ = form.RemoveAll()
		outside.MultipartForm = form
	}
	if outside.Form == nil && inside.Form != nil {
		outside.Form = inside.Form
	}
	if outside.PostForm == nil && inside.PostForm != nil {
		outside.PostForm = inside.PostForm
	}
	if inside.Pattern != outside.Pattern {
		outside.Pattern = inside.Pattern
		for name := range wildcards(inside.Pattern) {
			// The two requests may share one map of values, which a goroutine of an inner
			// handler may still be reading.
			if value := inside.PathValue(name); value != outside.PathValue(name) {
				outside.SetPathValue(name, value)
			}
		}
	}
}

// wildcards yields the names of the wildcards in a pattern of [http.ServeMux].
func wildcards(pattern string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			_, rest, found := strings.Cut(pattern, "{")
			if !found {
				return
			}
			var name string
			name, pattern, _ = strings.Cut(rest, "}")
			if name = strings.TrimSuffix(name, "..."); name != "$" && name != "" && !yield(name) {
				return
			}
		}
	}
}
