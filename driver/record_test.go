package driver_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// A logged record shows neither its data and subject nor a token in place of its key.
func TestRecordInLogs(t *testing.T) {
	long := string(bytes.Repeat([]byte("canary"), 20))
	r := driver.Record{Key: long, Data: []byte("canary"), Meta: []byte("canary"), Subject: "canary"}
	var b bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).Info("stored", "record", r, "pointer", &r, slog.Group("g", "record", r))
	}
	fmt.Fprintf(&b, "%v %+v %#v %s %d %x", r, &r, r, &r, r, r)
	require.NotContains(t, b.String(), "canary")
	require.NotContains(t, b.String(), "Y2FuYXJ5") // in Base64
	require.Contains(t, b.String(), "6 bytes")
}
