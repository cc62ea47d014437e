// Package stack counts the calls of a function on the stack of the current goroutine. Package
// session uses it to return an error when code of the application that a session runs, such as
// the function of an Update, changes or stores the same session; a write within a write would
// deadlock. The cost grows with the depth of the stack.
package stack

import (
	"reflect"
	"runtime"
)

// Calls returns how many calls of function are on the stack of the current goroutine. The
// function must not be generic.
func Calls(function any) (calls int) {
	name := runtime.FuncForPC(reflect.ValueOf(function).Pointer()).Name()
	pcs := make([]uintptr, 64)
	n := runtime.Callers(1, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 4*n)
		n = runtime.Callers(1, pcs)
	}
	frames := runtime.CallersFrames(pcs[:n])
	for more := n > 0; more; {
		var frame runtime.Frame
		if frame, more = frames.Next(); frame.Function == name {
			calls++
		}
	}
	return calls
}
