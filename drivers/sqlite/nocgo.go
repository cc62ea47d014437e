//go:build !cgo

package sqlite

// Without cgo, this constant makes the build fail, with its text in the compiler's message. The
// compiler shows texts of up to 72 characters once.
const _ int = "drivers/sqlite needs a C compiler (gcc, clang) and CGO_ENABLED=1"
