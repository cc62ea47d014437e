package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// children are the functions that this test binary runs when a test starts it as a child process.
var children = map[string]func(s driver.Store) error{
	"create":    childCreates,
	"increment": childIncrements,
	"obey":      childObeys,
}

func TestMain(m *testing.M) {
	do := children[os.Getenv("SQLITE_TEST_CHILD")]
	if do == nil {
		os.Exit(m.Run())
	}
	s, err := Driver{}.Open(os.Getenv("SQLITE_TEST_DSN"))
	if err == nil {
		err = errors.Join(do(s), s.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child returns a command that runs one of children with a store.
func child(t *testing.T, do, dsn string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SQLITE_TEST_CHILD="+do, "SQLITE_TEST_DSN="+dsn)
	cmd.Stderr = os.Stderr
	return cmd
}

// childCreates creates sessions until it is killed, and prints the key of each after Create has
// returned.
func childCreates(s driver.Store) error {
	for i := 0; ; i++ {
		r := record(fmt.Sprintf("pid%d-%d", os.Getpid(), i))
		if err := s.Create(context.Background(), r); err != nil {
			return err
		}
		if _, err := fmt.Println(r.Key); err != nil {
			return nil
		}
	}
}

const increments = 100

// childIncrements increments a counter by Flush, and retries on a conflict as package session does.
func childIncrements(s driver.Store) error {
	ctx := context.Background()
	if err := s.Create(ctx, counter(0)); err != nil && !errors.Is(err, driver.ErrExists) {
		return err
	}
	for done := 0; done < increments; {
		r, err := s.Retrieve(ctx, "counter")
		if err != nil {
			return err
		}
		var n int
		if _, err := fmt.Sscan(string(r.Data), &n); err != nil {
			return err
		}
		r.Data = counter(n + 1).Data
		switch err := s.Flush(ctx, r); {
		case err == nil:
			done++
		case !errors.Is(err, driver.ErrConflict):
			return err
		}
	}
	return nil
}

func counter(n int) *driver.Record {
	r := record("counter")
	r.Data = fmt.Append(nil, n)
	return r
}

// Processes that start at the same time create the schema together, and lose no updates.
func TestConcurrentProcesses(t *testing.T) {
	const processes = 4
	for round := range 3 {
		dsn := filepath.Join(t.TempDir(), "s.db")
		var wg sync.WaitGroup
		for range processes {
			cmd := child(t, "increment", dsn)
			wg.Go(func() {
				if err := cmd.Run(); err != nil {
					t.Errorf("round %d: child process: %v; want success", round, err)
				}
			})
		}
		wg.Wait()
		r, err := open(t, dsn).Retrieve(t.Context(), "counter")
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(processes*increments), string(r.Data))
	}
}

// Acknowledged writes survive when the process is killed during a write.
func TestKilledInMidWrite(t *testing.T) {
	dsn := filepath.Join(t.TempDir(), "s.db")
	for round := range 10 {
		cmd := child(t, "create", dsn)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		time.AfterFunc(time.Duration(20+round*7)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		var acknowledged []string
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // an incomplete line was not acknowledged
			}
			acknowledged = append(acknowledged, strings.TrimSpace(line))
		}
		require.Error(t, cmd.Wait(), "Wait for a killed process")

		s := open(t, dsn)
		for _, key := range acknowledged {
			_, err := s.Retrieve(t.Context(), key)
			require.NoError(t, err, "round %d", round)
		}
		requireIntact(t, s.(*store).db)
	}
}

func requireIntact(t *testing.T, db *sql.DB) {
	t.Helper()
	var answer string
	require.NoError(t, db.QueryRow("PRAGMA integrity_check").Scan(&answer))
	require.Equal(t, "ok", answer)
}
