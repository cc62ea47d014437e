package testserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// redisConn is a connection to a Redis server.
type redisConn struct {
	w io.Writer
	r *bufio.Reader
}

// redisError is an error that a Redis server has answered.
type redisError string

func (e redisError) Error() string { return string(e) }

func newRedisConn(conn net.Conn) redisConn {
	return redisConn{conn, bufio.NewReader(conn)}
}

// do executes a command and returns its answer: lists are lines, and the absent value is "".
func (c redisConn) do(command ...string) (string, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(c.w, text.String()); err != nil {
		return "", err
	}
	return c.answer()
}

func (c redisConn) answer() (string, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return "", fmt.Errorf("an answer of Redis begins with an empty line")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", redisError(rest)
	}
	n, err := strconv.Atoi(rest)
	switch {
	case err != nil:
		return "", fmt.Errorf("an answer of Redis begins with %q", line)
	case n < 0:
		return "", nil
	case kind == '*':
		return c.list(n)
	}
	value := make([]byte, n+len("\r\n"))
	_, err = io.ReadFull(c.r, value)
	return string(value[:n]), err
}

// list returns the lines of a list. An error in it is returned after the list has been read.
func (c redisConn) list(n int) (string, error) {
	lines := make([]string, n)
	var refused error
	for i := range lines {
		line, err := c.answer()
		if _, ok := err.(redisError); ok {
			refused = err
		} else if err != nil {
			return "", err
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n"), refused
}
