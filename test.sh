#!/usr/bin/env bash
# Passes all tests on a fresh machine with Go: installs what they need, checks
# the code's form, and runs every test with the race detector.
set -euo pipefail
cd "$(dirname "$0")"

# A missing server is a failure here, not a skipped test.
export SESSION_TEST_REQUIRE=1

# go-sqlite3 and the race detector need a C compiler, the tests of drivers/memcache
# a memcached, those of the web application a browser. Those of drivers/mongo build
# their server.
export CGO_ENABLED=1
missing=()
command -v "${CC:-cc}" >/dev/null || command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v memcached >/dev/null || missing+=(memcached)
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
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
	echo "gofmt would change: $unformatted" >&2
	exit 1
fi
go mod tidy -diff
go vet ./...
go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
for module in internal/testserver/servers internal/webtest bench soak otel prometheus examples/frameworks; do
	go -C "$module" vet ./...
done

echo "== known vulnerabilities"
if ! found=$(go run golang.org/x/vuln/cmd/govulncheck@v1.8.0 ./... 2>&1); then
	if ! grep -q "fetching vulnerabilities" <<<"$found"; then
		echo "$found" >&2
		exit 1
	fi
	echo "not looked for: govulncheck can't reach its database from here"
fi

echo "== tests"
go test -race ./...
go test -C internal/webtest -race ./...
go test -C otel -race ./...
go test -C prometheus -race ./...
go test -C examples/frameworks -race ./...

echo "== under load, with faults"
go test -C soak ./...
go run -C soak . -driver sqlite,memcache,memcache-3,mongo,migrate,cookie -for 12s

echo "== benchmarks run"
go test -C bench ./...
go test -C bench -run '^$' -bench 'Request/(none|session|scs)/(handler|memory|memstore|sqlite)' -benchtime 10x . | go run -C bench ./report >/dev/null
go run -C bench ./growth -max 1000 -svg "$(mktemp -d)/growth.svg"

echo "== fuzzing, 10 s each"
fuzz() {
	if ! out=$(go test "$1" -run '^$' -fuzz "^$2\$" -fuzztime 10s -parallel 1 2>&1); then
		# On a busy machine the engine may miss its own deadline, and has found nothing.
		if grep -q "Failing input" <<<"$out" || ! grep -q "^ *context deadline exceeded" <<<"$out"; then
			echo "$out" >&2
			return 1
		fi
	fi
	echo "$2: $(grep -o 'execs: [0-9]*' <<<"$out" | tail -n 1)"
}
export -f fuzz
grep -ro --include='*_test.go' '^func Fuzz[A-Za-z]*' . | while IFS=: read -r file function; do
	echo "$(dirname "$file") ${function#func }"
done | xargs -P "$(nproc 2>/dev/null || echo 2)" -L 1 bash -c 'fuzz "$0" "$1"'
