package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// FerretDB updates a document by reading it and writing it, and two updates at
// once may both find the version that they are conditional on. A mongod changes a
// document in one step. So that the tests see a server that does, what stands in
// front lets one command in at a time.

// serve passes commands on from listener to the server at a socket.
func serve(listener net.Listener, socket string) {
	var inside sync.Mutex
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
			for pass(&inside, client, server) == nil {
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

// pass passes one command on, and its answer back.
func pass(inside *sync.Mutex, client, server net.Conn) error {
	command, err := readMessage(client)
	if err != nil {
		return err
	}
	answer, err := ask(inside, server, command)
	if err != nil {
		return err
	}
	_, err = client.Write(answer)
	return err
}

func ask(inside *sync.Mutex, server net.Conn, command []byte) ([]byte, error) {
	inside.Lock()
	defer inside.Unlock()
	if _, err := server.Write(command); err != nil {
		return nil, err
	}
	return readMessage(server)
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
		return nil, errors.New("no message")
	}
	message := append(header, make([]byte, size-headerSize)...)
	_, err := io.ReadFull(conn, message[headerSize:])
	return message, err
}
