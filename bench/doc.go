// Package bench compares this library with what Go programs use otherwise, and
// with the floor: the same work without any session library. It is a module of its
// own, so that nobody who uses the library downloads its peers.
//
//	go test -C bench -bench .
//
// runs everything in one go on one machine, in about seven minutes; README.md has
// the outcome, and says how to make its tables and charts.
package bench
