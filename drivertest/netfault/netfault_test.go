package netfault

import (
	"bufio"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo starts a server that answers each line by the line, and counts lines.
func echo(t *testing.T) (addr string, lines <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	got := make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for r := bufio.NewReader(conn); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					got <- line
					if _, err := io.WriteString(conn, line); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String(), got
}

// client is a connection through the proxy.
type client struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, p *Proxy) client {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return client{conn, t}
}

// ask sends a line, and reads of the answer what comes within a time.
func (c client) ask(line string, within time.Duration) (string, error) {
	c.t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(within)))
	answer := make([]byte, len(line)+1)
	n, err := io.ReadFull(c, answer)
	return string(answer[:n]), err
}

const long = 10 * time.Second

func start(t *testing.T) (*Proxy, <-chan string) {
	addr, lines := echo(t)
	return Start(t, addr), lines
}

func TestPasses(t *testing.T) {
	p, _ := start(t)
	c := dial(t, p)
	text := strings.Repeat("x", 100_000)
	answer, err := c.ask(text, long)
	require.NoError(t, err)
	require.Equal(t, text+"\n", answer)
}

func TestDown(t *testing.T) {
	p, _ := start(t)
	c := dial(t, p)
	p.Down()
	_, err := c.ask("open before", long)
	require.Error(t, err)
	_, err = net.Dial("tcp", p.Addr)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	p.Heal()
	answer, err := dial(t, p).ask("again", long)
	require.NoError(t, err)
	require.Equal(t, "again\n", answer)
}

func TestSwallow(t *testing.T) {
	p, lines := start(t)
	c := dial(t, p)
	p.Swallow()
	answer, err := c.ask("lost", 50*time.Millisecond)
	require.Empty(t, answer)
	require.ErrorContains(t, err, "timeout", "the connection stays open")
	require.Equal(t, "lost\n", <-lines, "the server is asked")
	p.Heal()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(long)))
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "an answer that was kept back must not follow later")
}

func TestDelay(t *testing.T) {
	p, _ := start(t)
	c := dial(t, p)
	p.Delay(40 * time.Millisecond)
	begin := time.Now()
	_, err := c.ask("slow", long)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(begin), 40*time.Millisecond)
	p.Delay(time.Hour)
	_, err = io.WriteString(c, "healed\n")
	require.NoError(t, err)
	time.AfterFunc(20*time.Millisecond, p.Heal)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(long)))
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "healed\n", line)
}

func TestTrickle(t *testing.T) {
	p, _ := start(t)
	c := dial(t, p)
	p.Trickle(100)
	begin := time.Now()
	_, err := c.ask("1234", long)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(begin), 40*time.Millisecond)
}

func TestReset(t *testing.T) {
	p, lines := start(t)
	c := dial(t, p)
	p.Reset()
	_, err := c.ask("done and lost", long)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.Equal(t, "done and lost\n", <-lines, "the server is asked")
	p.Heal()
	_, err = dial(t, p).ask("again", long)
	require.NoError(t, err)
}

func TestResetOnce(t *testing.T) {
	p, lines := start(t)
	c := dial(t, p)
	p.ResetOnce(1)
	answer, err := c.ask("passed", long)
	require.NoError(t, err)
	require.Equal(t, "passed\n", answer)
	_, err = c.ask("done and lost", long)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	<-lines
	require.Equal(t, "done and lost\n", <-lines, "the server is asked")
	for range 3 {
		_, err = dial(t, p).ask("again", long)
		require.NoError(t, err, "only one connection is reset")
	}
}

func TestConnections(t *testing.T) {
	p, _ := start(t)
	open := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool { return p.Connections() == n }, long, time.Millisecond)
	}
	open(0)
	a, b := dial(t, p), dial(t, p)
	open(2)
	require.NoError(t, a.Close())
	open(1)
	p.Swallow()
	_, _ = b.ask("lost", time.Millisecond)
	require.NoError(t, b.Close())
	open(0)
}

func TestCutAfter(t *testing.T) {
	p, _ := start(t)
	c := dial(t, p)
	_, err := c.ask("before", long)
	require.NoError(t, err)
	p.CutAfter(10)
	answer, err := c.ask("1234", long)
	require.NoError(t, err)
	require.Equal(t, "1234\n", answer)
	answer, err = c.ask("567890", long)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "56789", answer, "bytes of answers count on each connection, from CutAfter on")
}
