package testserver

import (
	"os/exec"
	"testing"
)

// StartMemcached starts a memcached with the given arguments in addition to its address. Stop
// loses all data.
func StartMemcached(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("memcached"); err != nil {
		missing(t, "memcached", "install it: apt-get install memcached")
	}
	return start(t, "memcached", func(host, port string) []string {
		return append([]string{"-u", "nobody", "-l", host, "-p", port, "-U", "0", "-c", "4096"}, args...)
	})
}
