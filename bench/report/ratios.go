package main

import (
	"fmt"
	"strings"
)

// comparison compares the overhead of two libraries.
type comparison struct {
	ours, theirs           string
	work, size, goroutines string
}

var comparisons = []comparison{
	{"session/memory", "scs/memstore", "read", "450B", "1"},
	{"session/memory", "scs/memstore", "write", "450B", "1"},
	{"session/memory", "scs/memstore", "signin", "450B", "1"},
	{"session/memory", "scs/memstore", "read", "4KB", "1"},
	{"session/memory", "scs/memstore", "read", "64KB", "1"},
	{"session/memory", "scs/memstore", "write", "64KB", "1"},
	{"session/memory", "gin/memstore", "read", "450B", "1"},
	{"session/memory", "beego/memory", "read", "450B", "1"},
	{"session/sqlite", "none/select", "read", "450B", "1"},
	{"session/sqlite", "scs/sqlite3store", "read", "450B", "1"},
	{"session/sqlite", "scs/sqlite3store", "write", "450B", "1"},
	{"session/sqlite", "scs/sqlite3store", "write", "450B", "16"},
	{"session/sqlite-full", "scs/sqlite3store-full", "write", "450B", "1"},
	{"session/sqlite-full", "scs/sqlite3store-full", "write", "450B", "16"},
	{"session/memcache", "none/gomemcache", "read", "450B", "1"},
	{"session/memcache", "none/gomemcache", "write", "450B", "1"},
	{"session/memcache", "gin/memcached", "read", "450B", "1"},
	{"session/memcache", "gin/memcached", "write", "450B", "1"},
	{"session/memcache", "beego/memcache", "write", "450B", "1"},
	{"session/mongo", "none/mongo-driver", "read", "450B", "1"},
	{"session/mongo", "none/mongo-driver", "write", "450B", "1"},
	{"session/mongo", "gin/mongo", "write", "450B", "1"},
	{"session/cookie", "gorilla/cookie", "read", "450B", "1"},
	{"session/cookie", "gorilla/cookie", "write", "450B", "1"},
}

// ratios returns a table of the comparisons.
func (r *results) ratios() string {
	var b strings.Builder
	b.WriteString("| work | this library | compared with | overhead ratio |\n| --- | --- | --- | --- |\n")
	for _, c := range comparisons {
		ours, found := r.overhead(run{c.ours, c.work, c.size, c.goroutines})
		theirs, foundToo := r.overhead(run{c.theirs, c.work, c.size, c.goroutines})
		if found && foundToo {
			fmt.Fprintf(&b, "| %s, %s, %s | %s | %s | %.2f |\n", c.work, c.size, plural(c.goroutines), c.ours, c.theirs, ours/theirs)
		}
	}
	return b.String()
}

func plural(goroutines string) string {
	if goroutines == "1" {
		return "1 goroutine"
	}
	return goroutines + " goroutines"
}

// all returns a table for each kind of work, with the microseconds and allocations of a request.
func (r *results) all() string {
	var b strings.Builder
	sizes, goroutines := []string{"450B", "4KB", "64KB"}, []string{"1", "16"}
	for _, work := range []string{"untouched", "read", "write", "signin"} {
		fmt.Fprintf(&b, "### %s\n\n| |", work)
		for _, size := range sizes {
			for _, g := range goroutines {
				fmt.Fprintf(&b, " %s, %s |", size, g)
			}
		}
		b.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(sizes)*len(goroutines)) + "\n")
		for _, library := range r.libraries {
			row, any := "", false
			for _, size := range sizes {
				for _, g := range goroutines {
					cell := ""
					if v, found := r.of[run{library, work, size, g}]; found {
						cell, any = fmt.Sprintf(" %.1f us, %.0f", v.ns/1000, v.allocs), true
					}
					row += cell + " |"
				}
			}
			if any {
				fmt.Fprintf(&b, "| %s |%s\n", library, row)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
