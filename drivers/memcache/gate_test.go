package memcache

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// verdict is what a gate does with a command.
type verdict int

const (
	pass   verdict = iota // send it to the server, and the answer to the store
	refuse                // close the connection
	mute                  // send it to the server, and close the connection without an answer
	hold                  // close the connection, and send it to the server later
)

// gate is a proxy between one store and memcached. It holds each command until ask has returned the
// verdict.
type gate struct {
	addr   string
	server string

	mu   sync.Mutex // guards ask and held
	ask  func(command string) verdict
	held []func()
}

func newGate(t testing.TB, server string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &gate{addr: l.Addr().String(), server: server}
	g.open()
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go g.serve(conn)
		}
	}()
	return g
}

// open passes all commands.
func (g *gate) open() { g.judge(func(string) verdict { return pass }) }

func (g *gate) judge(ask func(command string) verdict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ask = ask
}

// takeHeld returns functions that send the held commands, and forgets the commands.
func (g *gate) takeHeld() []func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	held := g.held
	g.held = nil
	return held
}

func (g *gate) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.server)
	if err != nil {
		return
	}
	defer server.Close()
	from, to := bufio.NewReader(client), bufio.NewReader(server)
	for {
		command, raw, err := readCommand(from)
		if err != nil {
			return
		}
		g.mu.Lock()
		ask := g.ask
		g.mu.Unlock()
		v := ask(command)
		if v == hold {
			g.mu.Lock()
			g.held = append(g.held, func() { _, _ = execute(g.server, raw) })
			g.mu.Unlock()
		}
		if v == refuse || v == hold {
			return
		}
		_, _ = server.Write(raw)
		answer, err := readAnswer(to)
		if err != nil || v == mute {
			return
		}
		_, _ = client.Write(answer)
	}
}

// execute sends a command on a connection of its own, and returns the answer.
func execute(addr string, raw []byte) ([]byte, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write(raw); err != nil {
		return nil, err
	}
	return readAnswer(bufio.NewReader(conn))
}

// readCommand returns the verb and the key of a command, and the command as it was sent.
func readCommand(r *bufio.Reader) (command string, raw []byte, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", nil, err
	}
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return "", nil, fmt.Errorf("no command: %q", line)
	}
	raw = []byte(line)
	switch fields[0] {
	case "add", "set", "cas":
		raw, err = appendBlock(raw, r, fields[4])
	}
	return fields[0] + " " + fields[1], raw, err
}

func readAnswer(r *bufio.Reader) (raw []byte, err error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		raw = append(raw, line...)
		if !strings.HasPrefix(line, "VALUE ") {
			return raw, nil
		}
		if raw, err = appendBlock(raw, r, strings.Fields(line)[3]); err != nil {
			return nil, err
		}
	}
}

func appendBlock(b []byte, r io.Reader, size string) ([]byte, error) {
	n, err := strconv.Atoi(size)
	if err != nil {
		return nil, err
	}
	block := make([]byte, n+2)
	_, err = io.ReadFull(r, block)
	return append(b, block...), err
}
