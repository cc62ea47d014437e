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
	{"session/postgres", "none/select-postgres", "read", "450B", "1"},
	{"session/postgres", "none/select-postgres", "read", "450B", "16"},
	{"session/postgres", "none/select-postgres", "write", "450B", "1"},
	{"session/postgres", "none/select-postgres", "write", "450B", "16"},
	{"session/postgres", "scs/pgxstore", "read", "450B", "1"},
	{"session/postgres", "scs/pgxstore", "write", "450B", "16"},
	{"session/postgres", "scs/postgresstore", "read", "450B", "1"},
	{"session/postgres", "scs/postgresstore", "write", "450B", "16"},
	{"session/postgres", "gin/postgres", "read", "450B", "1"},
	{"session/postgres", "gin/postgres", "write", "450B", "16"},
	{"session/mysql", "none/select-mysql", "read", "450B", "1"},
	{"session/mysql", "none/select-mysql", "read", "450B", "16"},
	{"session/mysql", "none/select-mysql", "write", "450B", "1"},
	{"session/mysql", "none/select-mysql", "write", "450B", "16"},
	{"session/mysql", "scs/mysqlstore", "read", "450B", "1"},
	{"session/mysql", "scs/mysqlstore", "write", "450B", "16"},
	{"session/memcache", "none/gomemcache", "read", "450B", "1"},
	{"session/memcache", "none/gomemcache", "write", "450B", "1"},
	{"session/memcache", "gin/memcached", "read", "450B", "1"},
	{"session/memcache", "gin/memcached", "write", "450B", "1"},
	{"session/memcache", "beego/memcache", "write", "450B", "1"},
	{"session/redis", "none/rueidis", "read", "450B", "1"},
	{"session/redis", "none/rueidis", "read", "450B", "16"},
	{"session/redis", "none/rueidis", "write", "450B", "1"},
	{"session/redis", "none/rueidis", "write", "450B", "16"},
	{"session/redis", "none/rueidis-script", "write", "450B", "1"},
	{"session/redis", "none/rueidis-script", "write", "450B", "16"},
	{"session/redis", "scs/goredisstore", "read", "450B", "1"},
	{"session/redis", "scs/goredisstore", "read", "450B", "16"},
	{"session/redis", "scs/goredisstore", "write", "450B", "1"},
	{"session/redis", "scs/goredisstore", "write", "450B", "16"},
	{"session/redis", "gorilla/redistore", "read", "450B", "1"},
	{"session/redis", "gorilla/redistore", "write", "450B", "1"},
	{"session/redis", "gin/redis", "read", "450B", "1"},
	{"session/redis", "gin/redis", "write", "450B", "1"},
	{"session/mongo", "none/mongo-driver", "read", "450B", "1"},
	{"session/mongo", "none/mongo-driver", "write", "450B", "1"},
	{"session/mongo", "gin/mongo", "write", "450B", "1"},
	{"session/cookie", "gorilla/cookie", "read", "450B", "1"},
	{"session/cookie", "gorilla/cookie", "write", "450B", "1"},
}

// ratioTable returns a table of the comparisons: the median of each ratio and, if it was measured more
// than once, the range.
func (r *results) ratioTable() string {
	var b strings.Builder
	b.WriteString("| work | this library | compared with | overhead ratio |\n| --- | --- | --- | --- |\n")
	for _, c := range comparisons {
		ratios := r.ratios(run{c.ours, c.work, c.size, c.goroutines}, run{c.theirs, c.work, c.size, c.goroutines})
		if len(ratios) == 0 {
			continue
		}
		ratio := fmt.Sprintf("%.2f", ratios[len(ratios)/2])
		if len(ratios) > 1 {
			ratio += fmt.Sprintf(" (%.2f to %.2f)", ratios[0], ratios[len(ratios)-1])
		}
		fmt.Fprintf(&b, "| %s, %s, %s | %s | %s | %s |\n", c.work, c.size, plural(c.goroutines), c.ours, c.theirs, ratio)
	}
	return b.String()
}

func plural(goroutines string) string {
	if goroutines == "1" {
		return "1 goroutine"
	}
	return goroutines + " goroutines"
}

// workTables returns a table for each kind of work, with the microseconds and allocations of a request.
func (r *results) workTables() string {
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
