package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// FerretDB updates a document by reading and then writing it, so two concurrent conditional
// updates may both find their condition true. mongod updates a document in one step. The proxy
// below passes one command at a time, so that the tests see the behavior of mongod.

// serve relays the connections of listener to the server at a socket.
func serve(listener net.Listener, socket string) {
	var turn sync.Mutex
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := dial(socket)
			if err != nil {
				return
			}
			defer server.Close()
			for relay(&turn, client, server) == nil {
			}
		}()
	}
}

// dial waits until the server listens.
func dial(socket string) (conn net.Conn, err error) {
	for range 1000 {
		if conn, err = net.Dial("unix", socket); err == nil {
			return conn, nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil, err
}

// relay relays one command to the server, and its answer to the client.
func relay(turn *sync.Mutex, client, server net.Conn) error {
	command, err := readMessage(client)
	if err != nil {
		return err
	}
	answer, err := ask(turn, server, command)
	if err != nil {
		return err
	}
	_, err = client.Write(answer)
	return err
}

// interrupted occurs in the answer to a command that SQLite has interrupted.
var interrupted = []byte("interrupted (9)")

// ask sends a command and returns the answer. When a command exceeds its time limit, FerretDB
// interrupts its connection to SQLite and gives another answer than interrupted. The interrupt may
// hit the next command instead, so ask sends a command again if its answer is interrupted.
func ask(turn *sync.Mutex, server net.Conn, command []byte) (answer []byte, err error) {
	const tries = 10
	turn.Lock()
	defer turn.Unlock()
	for range tries {
		if _, err = server.Write(command); err != nil {
			return nil, err
		}
		answer, err = readMessage(server)
		if err != nil || !bytes.Contains(answer, interrupted) {
			break
		}
	}
	return answer, err
}

const (
	headerSize = 16
	maxSize    = 48_000_000
)

// readMessage reads a message of the wire protocol, which begins with its length.
func readMessage(conn net.Conn) ([]byte, error) {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(conn, header); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(header)
	if size < headerSize || size > maxSize {
		return nil, errors.New("not a message of MongoDB's wire protocol: its length is out of range")
	}
	message := append(header, make([]byte, size-headerSize)...)
	_, err := io.ReadFull(conn, message[headerSize:])
	return message, err
}
