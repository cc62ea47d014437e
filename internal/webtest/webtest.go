// Package webtest tests the example web application in a real browser, and long-running handlers
// with a real websocket. It is a module of its own, so that users of the library do not download
// the dependencies of these tests.
package webtest
