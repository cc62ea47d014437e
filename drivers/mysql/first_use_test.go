package mysql

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

var long = flag.Bool("long", false, "run the tests with more rounds and more kinds of connections")

// child is the variable of the environment that makes the test's program use a store of a DSN.
const child = "SESSION_MYSQL_FIRST_USE"

func TestMain(m *testing.M) {
	dsn := os.Getenv(child)
	if dsn == "" {
		os.Exit(m.Run())
	}
	if err := firstUse(dsn); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// firstUse waits for a line from its parent, and uses a store.
func firstUse(dsn string) error {
	s, err := Driver{}.Open(dsn)
	if err != nil {
		return err
	}
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := record(fmt.Sprint("k", os.Getpid()))
	if err := s.Create(ctx, r); err != nil {
		return err
	}
	if err := s.Flush(ctx, r); err != nil {
		return err
	}
	if _, err := s.Retrieve(ctx, r.Key); err != nil {
		return err
	}
	if err := s.(driver.Pinger).Ping(ctx); err != nil {
		return err
	}
	return s.Close()
}

// First use by several processes at once never fails.
func TestFirstUseByProcesses(t *testing.T) {
	const processes = 8
	rounds := 3
	if *long {
		rounds = 300
	}
	server := testserver.StartMariaDB(t, volatile)
	for round := range rounds {
		database := server.NewDatabase(t)
		dsn := newDSNIn(server, database)
		var cmds []*exec.Cmd
		var begin []io.Writer
		for range processes {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), child+"="+dsn)
			stdin, err := cmd.StdinPipe()
			require.NoError(t, err)
			cmd.Stderr = os.Stderr
			require.NoError(t, cmd.Start())
			cmds, begin = append(cmds, cmd), append(begin, stdin)
		}
		for _, w := range begin {
			_, err := w.Write([]byte("\n"))
			require.NoError(t, err)
		}
		for _, cmd := range cmds {
			require.NoError(t, cmd.Wait(), "round %d", round)
		}
		require.Equal(t, processes+1, count(t, dsn), "rows of all tables")
		server.Exec(t, "", "DROP DATABASE "+database)
	}
	t.Logf("%d rounds of %d processes", rounds, processes)
}
