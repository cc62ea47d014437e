package memcache

import (
	"bufio"
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scripted is a connection whose methods the test provides.
type scripted struct {
	net.Conn
	read        func() string
	setDeadline func(time.Time)
	closed      bool
}

func (s *scripted) Read(b []byte) (int, error)  { return copy(b, s.read()), nil }
func (s *scripted) Write(b []byte) (int, error) { return len(b), nil }
func (s *scripted) Close() error                { s.closed = true; return nil }

func (s *scripted) SetDeadline(at time.Time) error {
	if s.setDeadline != nil {
		s.setDeadline(at)
	}
	return nil
}

// poolOf returns a pool whose only connection is nc.
func poolOf(nc net.Conn) *pool {
	p := &pool{timeout: time.Minute, maxIdle: 1, maxSize: defaultMaxItemSize}
	p.put(&conn{nc: nc, r: bufio.NewReader(nc), timeout: time.Minute, maxSize: defaultMaxItemSize}, true)
	return p
}

var getsK = command{verb: "gets", names: []string{"k"}}

// If a context ends when the answer has just arrived, it may still set the deadline of the
// connection. No other call gets that connection.
func TestContextEndsWithTheAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	nc := &scripted{read: func() string { cancel(); return "END\r\n" }}
	p := poolOf(nc)
	_, err := p.exchange(ctx, getsK)
	require.NoError(t, err)
	require.Empty(t, p.idle)
	require.True(t, nc.closed)

	nc = &scripted{read: func() string { return "END\r\n" }}
	p = poolOf(nc)
	_, err = p.exchange(t.Context(), getsK)
	require.NoError(t, err)
	require.Len(t, p.idle, 1)
}

// A context that ends between two parts of an answer ends the call, also if the store sets the
// deadline for the next part at that moment.
func TestContextEndsBetweenParts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reads, deadlines := 0, 0
	ended := make(chan bool)
	nc := &scripted{
		read: func() string {
			if reads++; reads > 1 {
				t.Error("the store reads again after the context has ended")
			}
			return "VALUE k 0 1 7\r\nx\r\n"
		},
		setDeadline: func(at time.Time) {
			if at.Equal(longAgo) {
				close(ended)
				return
			}
			if deadlines++; deadlines == 2 {
				cancel()
				<-ended
			}
		},
	}
	p := poolOf(nc)
	_, err := p.exchange(ctx, getsK)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, p.idle)
}
