//go:build !unix

package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// shouldPing reports whether a connection of the pool must be checked by a round trip before it is
// used. This system can't say whether the server has closed a connection.
func shouldPing(_ context.Context, p stdlib.ShouldPingParams) bool {
	return p.IdleDuration > time.Second
}
