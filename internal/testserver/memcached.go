package testserver

import (
	"os/exec"
	"testing"
)

// Patient is appended to the address of a memcached where it is the DSN of a store. By default,
// drivers/memcache waits half a second for an answer, which may be too short on a busy machine.
const Patient = "?timeout=1m"

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
