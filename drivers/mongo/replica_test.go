package mongo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"gosession.dev/session/driver"
)

// replica starts a fake primary of a replica set, and returns its address. It takes TTL indexes,
// which the server that tests can start does not. It stores nothing: answer returns the reply to each
// command, or nil for plain success.
func replica(t testing.TB, answer func(command bson.Raw) bson.D) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for answerOne(conn, l.Addr().String(), answer) == nil {
				}
			}()
		}
	}()
	return l.Addr().String()
}

const (
	opReply   = 1
	opQuery   = 2004 // only for the first hello
	opMessage = 2013
)

// answerOne reads a message of the wire protocol and replies.
func answerOne(conn net.Conn, addr string, answer func(bson.Raw) bson.D) error {
	header := make([]byte, 16)
	if _, err := io.ReadFull(conn, header); err != nil {
		return err
	}
	body := make([]byte, binary.LittleEndian.Uint32(header)-16)
	if _, err := io.ReadFull(conn, body); err != nil {
		return err
	}
	var command bson.Raw
	prefix, kind := []byte{0, 0, 0, 0, 0}, uint32(opMessage) // flags, kind of the section
	switch binary.LittleEndian.Uint32(header[12:]) {
	case opMessage:
		command = merged(body[5:])
	case opQuery:
		command = bson.Raw(body[4+len("admin.$cmd\x00")+8:])
		prefix, kind = make([]byte, 20), opReply
		prefix[16] = 1 // one document
	default:
		return errors.New("unknown opcode")
	}
	reply := bson.D{{Key: "ok", Value: 1}}
	switch name := names([]bson.Raw{command})[0]; name {
	case "hello", "isMaster", "ismaster":
		reply = append(reply, bson.D{
			{Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true},
			{Key: "setName", Value: "rs"}, {Key: "hosts", Value: bson.A{addr}}, {Key: "me", Value: addr},
			{Key: "minWireVersion", Value: 0}, {Key: "maxWireVersion", Value: 21}, {Key: "logicalSessionTimeoutMinutes", Value: 30},
			{Key: "maxBsonObjectSize", Value: 16 << 20}, {Key: "maxMessageSizeBytes", Value: 48000000}, {Key: "maxWriteBatchSize", Value: 100000},
		}...)
	default:
		if d := answer(command); d != nil {
			reply = d
		} else if name == "find" {
			reply = found()
		} else {
			reply = append(reply, bson.E{Key: "n", Value: 1})
		}
	}
	raw, err := bson.Marshal(reply)
	if err != nil {
		return err
	}
	message := make([]byte, 16, 16+len(prefix)+len(raw))
	message = append(append(message, prefix...), raw...)
	binary.LittleEndian.PutUint32(message, uint32(len(message)))
	copy(message[8:], header[4:8])
	binary.LittleEndian.PutUint32(message[12:], kind)
	_, err = conn.Write(message)
	return err
}

// merged returns a command with the documents of its second section, as an array.
func merged(body []byte) bson.Raw {
	end := binary.LittleEndian.Uint32(body)
	command, rest := bson.Raw(body[:end]), body[end:]
	if len(rest) == 0 {
		return command
	}
	name, documents, _ := bytes.Cut(rest[5:], []byte{0})
	array := bson.A{}
	for len(documents) > 0 {
		end := binary.LittleEndian.Uint32(documents)
		array = append(array, bson.Raw(documents[:end]))
		documents = documents[end:]
	}
	var d bson.D
	if err := bson.Unmarshal(command, &d); err != nil {
		panic(err)
	}
	raw, err := bson.Marshal(append(d, bson.E{Key: string(name), Value: array}))
	if err != nil {
		panic(err)
	}
	return raw
}

// found returns the reply to a find.
func found(documents ...bson.D) bson.D {
	batch := bson.A{}
	for _, d := range documents {
		batch = append(batch, d)
	}
	return bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)}, {Key: "ns", Value: "d.c"}, {Key: "firstBatch", Value: batch}}}}
}

// succeed replies to every command with success.
func succeed(bson.Raw) bson.D { return nil }

// DeleteExpired sends no command to a server that removes expired records by itself.
func TestServerWithTTLIndexes(t *testing.T) {
	ctx := t.Context()
	s, sent := openRecorded(t, "mongodb://"+replica(t, succeed)+"/db")
	require.NoError(t, s.Ping(ctx))
	require.Equal(t, append(slices.Repeat([]string{"createIndexes"}, 5), "insert", "update", "delete"), names(sent.take()))
	n, err := s.DeleteExpired(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Empty(t, sent.take())
}

// The store reads from the primary, whatever the DSN or the application's client says.
func TestReadPreference(t *testing.T) {
	const secondaries = "readPreference=secondaryPreferred"
	uri := "mongodb://" + replica(t, succeed) + "/db?"
	mode := func(s *Store, sent *recorder) string {
		_, err := s.Retrieve(t.Context(), "k")
		require.ErrorIs(t, err, driver.ErrNotFound)
		commands := sent.take()
		mode, _ := commands[len(commands)-1].Lookup("$readPreference", "mode").StringValueOK()
		return mode
	}
	require.Empty(t, mode(openRecorded(t, uri)))
	require.Empty(t, mode(openRecorded(t, uri+secondaries)))

	sent := &recorder{}
	client, err := mongo.Connect(options.Client().ApplyURI(uri + secondaries).SetMonitor(sent.monitor()))
	require.NoError(t, err)
	require.Empty(t, mode(New(client.Database("own").Collection("sessions"), Options{}), sent))
	require.NoError(t, client.Disconnect(t.Context()))
}

// The store looks for a write without an answer by its version, which no other write has.
func TestUnknownOutcome(t *testing.T) {
	for _, landed := range []bool{true, false} {
		var version atomic.Int64
		addr := replica(t, func(command bson.Raw) bson.D {
			switch names([]bson.Raw{command})[0] {
			case "update":
				version.Store(command.Lookup("updates", "0", "u", "$set", "version").Int64())
				return bson.D{{Key: "closes the connection", Value: make(chan int)}} // the fake can't encode it
			case "find":
				if _, err := command.LookupErr("filter", "$or"); err == nil { // of ChangeID
					return found(bson.D{{Key: "key", Value: "k"}})
				}
				if filter, ok := command.Lookup("filter", "version").Int64OK(); landed && ok && filter == version.Load() {
					return found(bson.D{{Key: "_id", Value: 1}})
				}
			}
			return nil
		})
		s, sent := openRecorded(t, "mongodb://"+addr+"/db?retryWrites=false")
		_, err := s.ready(t.Context())
		require.NoError(t, err)
		sent.take()
		r := record("k")
		r.Version = 7
		err = s.Flush(t.Context(), r)
		if landed {
			require.NoError(t, err)
			require.Equal(t, uint64(version.Load()), r.Version)
			r.Key = "n"
			require.NoError(t, s.ChangeID(t.Context(), "k", r))
			require.Equal(t, uint64(version.Load()), r.Version)
			require.Equal(t, []string{"find", "update", "find"}, names(sent.take())[2:])
		} else {
			require.ErrorContains(t, err, "the server closed the connection")
			require.NotErrorIs(t, err, driver.ErrNotFound)
			require.Equal(t, uint64(7), r.Version)
		}
	}
}

// The first call looks up the hosts of a mongodb+srv:// DSN. Its error does not name them.
func TestSRV(t *testing.T) {
	s, err := Driver{}.Open("mongodb+srv://sessions.invalid/db?collection=c")
	require.NoError(t, err, "Open looks up no host")
	_, err = s.Retrieve(t.Context(), "k")
	require.Error(t, err)
	require.NotErrorIs(t, err, driver.ErrNotFound)
	require.NotContains(t, err.Error(), "sessions.invalid")
	require.NoError(t, s.Close())
}
