package memcache

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"
)

// maxBusy is the longest pause before a retry while the server's crawler serves another client.
const maxBusy = 50 * time.Millisecond

// ask sends a command that gomemcache does not have, on a connection of its own, and returns what
// take extracts from the lines of the answer.
func (s *Store) ask(ctx context.Context, addr net.Addr, command string, take func(line string) (string, bool)) ([]string, error) {
	for {
		if err := s.usable(ctx); err != nil {
			return nil, err
		}
		found, busy, err := s.askOnce(ctx, addr, command, take)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, s.explain(ctx.Err(), s.place(addr))
		case err != nil:
			return nil, s.explain(err, s.place(addr))
		case !busy:
			return found, nil
		}
		select {
		case <-time.After(rand.N(maxBusy)):
		case <-ctx.Done():
		}
	}
}

func (s *Store) askOnce(ctx context.Context, addr net.Addr, command string, take func(line string) (string, bool)) (found []string, busy bool, err error) {
	conn, err := dial(ctx, addr, s.timeout)
	if err != nil {
		return nil, false, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return nil, false, err
	}
	lines := bufio.NewScanner(conn)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(s.timeout)); err != nil {
			return nil, false, err
		}
		if !lines.Scan() {
			return nil, false, cmp.Or(lines.Err(), errCutOff)
		}
		line := lines.Text()
		switch {
		case line == "END":
			return found, false, nil
		case strings.HasPrefix(line, "BUSY"):
			return nil, true, nil
		case strings.HasPrefix(line, "BADCLASS"), strings.HasPrefix(line, "ERROR"), strings.HasPrefix(line, "CLIENT_ERROR"), strings.HasPrefix(line, "SERVER_ERROR"):
			return nil, false, errCantList
		}
		if text, ok := take(line); ok {
			found = append(found, text)
		}
	}
}

var (
	errCutOff   = errors.New("the server closed the connection before the end of the listing")
	errCantList = fmt.Errorf("the server can't list its keys, which needs memcached 1.4.31 or later with the LRU crawler: %w", errors.ErrUnsupported)
)
