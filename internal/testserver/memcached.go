package testserver

import (
	"os/exec"
	"testing"
)

// StartMemcached starts a memcached with these arguments beside the address. What
// it has stored is gone when it is stopped.
func StartMemcached(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("memcached"); err != nil {
		missing(t, "memcached", "install it: apt-get install memcached")
	}
	return start(t, "memcached", func(host, port string) []string {
		return append([]string{"-u", "nobody", "-l", host, "-p", port, "-U", "0", "-c", "4096"}, args...)
	})
}
