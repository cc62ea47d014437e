// Package bench compares this library with other session libraries for Go, and with the floor: the
// same work without a session library. It is a module of its own, so that applications do not
// download the other libraries.
//
//	go test -C bench -bench .
//
// runs all benchmarks, in three to seven minutes. README.md has the results, and says how to make
// its tables and charts.
package bench
