package acceptance_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// Whatever part of a DSN is wrong, no error of Open or Ping repeats a part of it: even the name
// of an unknown parameter may be a password.
func TestErrorsShowNothingOfDSN(t *testing.T) {
	const sealing = "secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=" // 32 bytes
	parts := []string{
		"zanary", "zanary=1", "=zanary", "zanary=%zz", "%zanary", "zanary:zanary", "x?zanary", "x?zanary=1", "x?=zanary", "x?max_sessions=zanary",
		"zanary\x00", "zanary?max_sessions=0", "file:zanary?mode=ro", "//zanary:zanary@zanary:zanary/zanary?zanary=zanary", "zanary\r\nzanary",
	}
	stores := []string{"zanary", "zanary:zanary", "zanary:memory:x", "ZANARY:x", "memory:x?zanary=1", "memory:x?zanary", "memory:zanary?max_sessions=-1",
		"sqlite:file:/nowhere/zanary/zanary.db", "sqlite:zanary?zanary=1", "memcache:zanary:zanary?zanary=1", "mongodb://zanary:zanary@zanary", "mongo:mongodb://zanary:zanary@127.0.0.1:zanary/",
		"cookie:secret=zanary", "migrate:old=zanary", "postgres:postgres://zanary:zanary@127.0.0.1:zanary/zanary", "mysql:zanary:zanary@zanary", "redis:redis://zanary:zanary@127.0.0.1:zanary/zanary"}
	dsns := map[string][]string{"memory": parts}
	for _, p := range parts {
		dsns["cookie"] = append(dsns["cookie"], p, sealing+"&"+p, sealing+"&unrevocable&"+p, "secret_env=zanary.PATH&"+p)
		dsns["migrate"] = append(dsns["migrate"], p, "stage="+p, "stage=move&"+p, "stage=move&old=memory:&new=memory:&"+p)
	}
	const nowhere = "tcp(127.0.0.1:1)/"
	for _, p := range parts {
		dsns["postgres"] = append(dsns["postgres"], "postgres://zanary:zanary@127.0.0.1:1/zanary?"+p, "host=127.0.0.1 port=1 user=zanary password=zanary "+p)
		dsns["redis"] = append(dsns["redis"], p, "redis://zanary:zanary@127.0.0.1:1/"+p, "redis://zanary:zanary@127.0.0.1:1/0?"+p, "redis+sentinel://127.0.0.1:1/zanary?"+p)
		dsns["mysql"] = append(dsns["mysql"], p, "zanary:zanary@"+nowhere+p, "zanary:zanary@"+nowhere+"zanary?"+p)
	}
	dsns["postgres"] = append(dsns["postgres"], "postgres://zanary:zanary@127.0.0.1:zanary/zanary", "postgres://zanary:zan%ary@127.0.0.1:1/", "host=127.0.0.1 port=1 sslmode=zanary", "host=127.0.0.1 port=1 sslrootcert=/zanary",
		"host=127.0.0.1 port=zanary", "postgres://127.0.0.1:1/?target_session_attrs=zanary", "zanary", "zanary:zanary")
	dsns["mysql"] = append(dsns["mysql"], "zanary@zanary(127.0.0.1:1)/", "zanary:zanary@"+nowhere+"?tls=zanary", "zanary:zanary@"+nowhere+"?loc=zanary", "zanary:zanary@"+nowhere+"?collation=zanary", "zanary:zanary@unix(/zanary)/")
	dsns["redis"] = append(dsns["redis"], "redis://zan%zzary:zanary@127.0.0.1:1", "redis://zanary@127.0.0.1:1", "redis://127.0.0.1:1?prefix=zanary", "redis://127.0.0.1:1?timeout=zanary",
		"redis://127.0.0.1:zanary", "unix:///zanary/zanary?db=zanary", "unix:///zanary/zanary", "rediss://127.0.0.1:1?ca_file=/zanary", "rediss://127.0.0.1:1?cert_file=/zanary", "redis+zanary://127.0.0.1:1", "redis+cluster://zanary:zanary@127.0.0.1:1/zanary")
	for _, name := range []string{"secret", "secret_env", "secret_file", "unrevocable"} {
		for _, value := range []string{"zanary", "%zzzanary", "zanary&" + name + "=zanary", "/zanary"} {
			dsns["cookie"] = append(dsns["cookie"], name+"="+value, "revocations=memory:&"+name+"="+value)
		}
	}
	for _, store := range stores {
		for _, value := range []string{store, url.QueryEscape(store), url.PathEscape(store)} {
			dsns["cookie"] = append(dsns["cookie"], sealing+"&revocations="+value)
			dsns["migrate"] = append(dsns["migrate"], "stage=move&old=memory:&new="+value, "stage=move&new=memory:&old="+value, "stage=prepare&old="+value+"&new="+value)
		}
	}
	for driver, all := range dsns {
		refused := 0
		for _, dsn := range all {
			f, err := session.Open(driver, dsn)
			if err == nil {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				err = f.Ping(ctx)
				cancel()
				require.NoError(t, f.Close())
			}
			if err != nil {
				refused++
				require.NotRegexp(t, "(?i)zanary", err.Error(), "%s %q", driver, dsn)
			}
		}
		require.Greater(t, refused, 5, driver)
	}
}
