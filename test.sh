#!/usr/bin/env bash
# Installs what the tests need on a fresh machine with Go, checks the form of the code, and
# runs all tests with the race detector.
set -euo pipefail
cd "$(dirname "$0")"

# A test whose server is missing fails instead of being skipped.
export SESSION_TEST_REQUIRE=1

# go-sqlite3 and the race detector need a C compiler, the tests of drivers need servers, and the
# tests of the web application need a browser. The tests of drivers/mongo build their server. The
# tests start the servers themselves: services that the packages start are not used.
export CGO_ENABLED=1
missing=()
command -v "${CC:-cc}" >/dev/null || command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v memcached >/dev/null || missing+=(memcached)
command -v redis-server >/dev/null || missing+=(redis-server) # it is also the sentinel
# Debian keeps the programs of these servers outside the PATH of users.
command -v postgres /usr/lib/postgresql/*/bin/postgres >/dev/null || missing+=(postgresql)
command -v mariadbd /usr/sbin/mariadbd /usr/libexec/mariadbd >/dev/null || missing+=(mariadb-server)
command -v pgbouncer /usr/sbin/pgbouncer >/dev/null || missing+=(pgbouncer)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
if [ ${#missing[@]} -gt 0 ]; then
	if ! command -v apt-get >/dev/null; then
		echo "test.sh: missing: ${missing[*]}; install them" >&2
		exit 1
	fi
	sudo=$([ "$(id -u)" = 0 ] || echo sudo)
	$sudo apt-get update -qq
	$sudo apt-get install -y -qq "${missing[@]}"
fi

echo "== form"
go run ./tools/release check
go run ./tools/references -max 0

echo "== modules as users download them"
go run ./tools/release rehearse

echo "== known vulnerabilities"
mapfile -t published < <(go run ./tools/release tags | sed -E 's,^(.*/)?v[^/]*$,./\1...,')
if ! found=$(go run golang.org/x/vuln/cmd/govulncheck@v1.8.0 "${published[@]}" 2>&1); then
	if ! grep -q "fetching vulnerabilities" <<<"$found"; then
		echo "$found" >&2
		exit 1
	fi
	echo "skipped: govulncheck can't reach its database from here"
fi

echo "== tests"
go list work | grep -v '/session/soak' | xargs go test -race -timeout 30m
# The root again, with the versions that its own go.mod requires. Without the race detector,
# internal/explore/scenario runs ten times as many executions.
GOWORK=off go test ./...

echo "== without cgo"
CGO_ENABLED=0 go vet ./drivers/sqlite ./acceptance/... ./cmd/sessionctl ./soak/... ./bench/...
CGO_ENABLED=0 go test ./drivers/sqlite ./acceptance/owndatabase ./examples/webapp

echo "== under load, with faults"
go test -C soak ./... # without the race detector, which makes planted faults show late
go run -C soak . -driver sqlite,memcache,memcache-3,redis,redis-aof,mongo,migrate,cookie -for 9s
go run -C soak . -driver postgres,mysql -parallel 2 -for 9s

echo "== benchmarks run"
go test -C bench -run '^$' -bench 'Request/(none|session|scs)/(handler|memory|memstore|sqlite)' -benchtime 10x . | go run -C bench ./report >/dev/null
go run -C bench ./growth -max 1000 -svg "$(mktemp -d)/growth.svg"

echo "== fuzzing, 10 s each"
fuzz() {
	for _ in 1 2 3; do
		if out=$(go test "$1" -run '^$' -fuzz "^$2\$" -fuzztime 10s -parallel 1 2>&1); then
			echo "$2: $(grep -o 'execs: [0-9]*' <<<"$out" | tail -n 1)"
			return
		fi
		if grep -q "Failing input" <<<"$out"; then
			break
		fi
	done
	# On a busy machine, the fuzzing engine may miss its own deadline: then it has found nothing.
	if ! grep -q "Failing input" <<<"$out" && grep -q "^ *context deadline exceeded" <<<"$out"; then
		echo "$2: no time"
		return
	fi
	echo "$out" >&2
	return 1
}
export -f fuzz
grep -ro --include='*_test.go' '^func Fuzz[A-Za-z]*' . | while IFS=: read -r file function; do
	echo "$(dirname "$file") ${function#func }"
done | xargs -P "$(nproc 2>/dev/null || echo 2)" -L 1 bash -c 'fuzz "$0" "$1"'
