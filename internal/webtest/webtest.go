// Package webtest tests the web application in a real browser, and handlers that
// run long with a real websocket. It is a module of its own, so that nobody who
// uses the library downloads what that takes.
package webtest
