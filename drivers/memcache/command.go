package memcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// command is a command of memcached's text protocol for one server: gets with names, or add or
// cas with an item.
type command struct {
	verb  string
	names []string
	item  *memcache.Item
}

// name returns the name of one item of the command, which selects the server.
func (c command) name() string {
	if c.item != nil {
		return c.item.Key
	}
	return c.names[0]
}

// valid reports whether memcached takes all names. An invalid name could begin another command.
func (c command) valid() bool {
	if c.item != nil {
		return validName(c.item.Key)
	}
	for _, name := range c.names {
		if !validName(name) {
			return false
		}
	}
	return true
}

// maxName is memcached's limit for the name of an item, in bytes.
const maxName = 250

func validName(name string) bool {
	for _, b := range []byte(name) {
		if b <= ' ' || b == 0x7f {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// append appends the encoded command to b.
func (c command) append(b []byte) []byte {
	b = append(b, c.verb...)
	if c.item == nil {
		for _, name := range c.names {
			b = append(append(b, ' '), name...)
		}
		return append(b, "\r\n"...)
	}
	b = append(append(b, ' '), c.item.Key...)
	b = strconv.AppendUint(append(b, ' '), uint64(c.item.Flags), 10)
	b = strconv.AppendInt(append(b, ' '), int64(c.item.Expiration), 10)
	b = strconv.AppendInt(append(b, ' '), int64(len(c.item.Value)), 10)
	if c.verb == "cas" {
		b = strconv.AppendUint(append(b, ' '), c.item.CasID, 10)
	}
	b = append(append(b, "\r\n"...), c.item.Value...)
	return append(b, "\r\n"...)
}

// read reads the answer. No byte may follow it, because the next command on the connection would
// read that as its own answer.
func (c command) read(ctx context.Context, conn *conn) (found []*memcache.Item, err error) {
	if c.item != nil {
		err = c.readStored(conn)
	} else {
		found, err = c.readItems(ctx, conn)
	}
	if conn.r.Buffered() > 0 && (err == nil || isRefusal(err)) {
		err = errOtherKey
	}
	return found, err
}

func (c command) readStored(conn *conn) error {
	line, err := conn.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	switch answer := string(line); {
	case answer == "STORED\r\n":
		return nil
	case answer == "NOT_STORED\r\n":
		return memcache.ErrNotStored
	case answer == "EXISTS\r\n" && c.verb == "cas":
		return memcache.ErrCASConflict
	case answer == "NOT_FOUND\r\n" && c.verb == "cas":
		return memcache.ErrCacheMiss
	default:
		return unexpected(answer)
	}
}

func (c command) readItems(ctx context.Context, conn *conn) (found []*memcache.Item, err error) {
	for {
		line, err := conn.r.ReadSlice('\n')
		if err != nil || string(line) == "END\r\n" {
			return found, err
		}
		it, size, err := parseValue(line)
		switch {
		case err != nil:
			return nil, err
		case len(found) == len(c.names):
			return nil, errOtherKey
		case size > conn.maxSize:
			return nil, errTooBig
		}
		if it.Value, err = readBlock(conn, size); err != nil {
			return nil, err
		}
		found = append(found, it)
		if err := conn.extend(ctx); err != nil {
			return nil, err
		}
	}
}

// readBlock reads the value of an item and the end of its line.
func readBlock(conn *conn, size int) ([]byte, error) {
	value := make([]byte, size+2)
	if _, err := io.ReadFull(conn.r, value); err != nil {
		return nil, err
	}
	if !bytes.HasSuffix(value, []byte("\r\n")) {
		return nil, errUnexpected
	}
	return value[:size:size], nil
}

// parseValue parses "VALUE name flags size token". It splits at U+0020 only: a name may contain
// other Unicode spaces.
func parseValue(line []byte) (it *memcache.Item, size int, err error) {
	rest, ok := strings.CutSuffix(string(line), "\r\n")
	rest, isValue := strings.CutPrefix(rest, "VALUE ")
	fields := strings.Split(rest, " ")
	if !ok || !isValue || len(fields) < 3 || len(fields) > 4 {
		return nil, 0, unexpected(string(line))
	}
	flags, badFlags := strconv.ParseUint(fields[1], 10, 32)
	n, badSize := strconv.ParseUint(fields[2], 10, 31)
	token, badToken := uint64(0), error(nil)
	if len(fields) == 4 {
		token, badToken = strconv.ParseUint(fields[3], 10, 64)
	}
	if badFlags != nil || badSize != nil || badToken != nil {
		return nil, 0, errUnexpected
	}
	return &memcache.Item{Key: fields[0], Flags: uint32(flags), CasID: token}, int(n), nil
}

// executeWith sends the command through an application's own client.
func (c command) executeWith(client *memcache.Client) (found []*memcache.Item, err error) {
	switch {
	case c.verb == "add":
		return nil, client.Add(c.item)
	case c.verb == "cas":
		return nil, client.CompareAndSwap(c.item)
	case len(c.names) == 1:
		it, err := client.Get(c.names[0])
		if errors.Is(err, memcache.ErrCacheMiss) {
			return nil, nil
		}
		return []*memcache.Item{it}, err
	}
	items, err := client.GetMulti(c.names)
	for _, it := range items {
		found = append(found, it)
	}
	return found, err
}

// check returns errOtherKey if the answer contains an item that was not requested, or an item
// twice, and errNoTokens if an item has no cas token.
func (c command) check(found []*memcache.Item) error {
	if len(found) == 1 && len(c.names) == 1 && found[0].Key == c.names[0] && found[0].CasID != 0 {
		return nil
	}
	requested := make(map[string]bool, len(c.names))
	for _, name := range c.names {
		requested[name] = true
	}
	for _, it := range found {
		if !requested[it.Key] {
			return errOtherKey
		}
		if it.CasID == 0 {
			return errNoTokens
		}
		delete(requested, it.Key)
	}
	return nil
}

// isRefusal reports whether err is the server's answer that an add or cas has written nothing.
func isRefusal(err error) bool {
	return errors.Is(err, memcache.ErrNotStored) || errors.Is(err, memcache.ErrCASConflict) || errors.Is(err, memcache.ErrCacheMiss)
}

// unexpected returns the error for an answer that reports an error or is not part of the protocol.
// It does not quote the answer, which may contain a session's data.
func unexpected(line string) error {
	switch {
	case strings.HasPrefix(line, "SERVER_ERROR object too large"):
		return errTooLarge
	case strings.HasPrefix(line, "SERVER_ERROR out of memory"):
		return errOutOfMemory
	}
	return errUnexpected
}

var (
	errUnexpected = errors.New("the server gave an unexpected answer or reported an error")

	// errOtherKey: the answer belongs to another command, or is followed by one. The answers on
	// the connection no longer match its commands, so the connection is not used again.
	errOtherKey = errors.New("the server answered with a key that was not requested, or with more than one answer")

	errTooLarge    = fmt.Errorf("%w: the server's option -I is below max_item_size", driver.ErrTooLarge)
	errTooBig      = errors.New("the server returned an item larger than max_item_size: set max_item_size to the server's option -I")
	errOutOfMemory = errors.New("the server is out of memory and does not evict: give it more memory, or start it without option -M")
	errNoTokens    = errors.New("the server does not support cas: start it without option -C")
)
