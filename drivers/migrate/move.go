package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/move"
)

// MoveOptions are the options of [Move]. The zero value is meant for a site that serves
// requests meanwhile.
type MoveOptions struct {
	// Parallel is how many sessions move at once; the default is 8, the maximum 256.
	Parallel int

	// Progress is called after each session, in the goroutine that called Move. It may cancel
	// the context of Move.
	Progress func(MoveStats)
}

// MoveStats are the counts of a [Move] so far.
type MoveStats struct {
	Total int // live sessions that src had when Move began
	Done  int // sessions that Move has handled: moved, found moved or ended, or left
	Moved int // sessions that this call has moved
	Left  int // sessions that dst can't hold or that can't be read; they stay in src
}

// Move moves all live sessions of src to dst, while processes serve both through this package.
// No session and no update is lost, and no user is signed out: keys and cookies stay the same.
// Open dst and src by their drivers, as in sqlite.Driver{}.Open; Move closes neither.
//
// A process that uses src alone during a Move does not find sessions that have moved, and can't
// read a session that is being moved. If Move fails, call it again before such a process starts,
// because a session may be left half-way. If no process serves either backend, Move is the
// whole migration. Call Move again after an error, or to move sessions that have begun in src
// since: sessions that have moved stay moved.
//
// Move ends at the first error of either store, and returns the counts so far. The error
// matches [errors.ErrUnsupported] if src can't list its sessions, or if a store keeps sessions in
// the clients' cookies. If dst or src is a pair of this package, or if both are one backend, Move
// returns an error and moves nothing. It is also an error if moving one session takes longer than
// 10 s: a process that was suspended must not go on with an old record.
func Move(ctx context.Context, dst, src driver.Store, o MoveOptions) (MoveStats, error) {
	if err := refuse(dst, src); err != nil {
		return MoveStats{}, failed(err)
	}
	all := move.All{Parallel: o.Parallel, Counts: isSession}
	if all.Parallel < 1 {
		all.Parallel = 8
	}
	all.Parallel = min(all.Parallel, 256)
	if o.Progress != nil {
		all.Progress = func(p move.Progress) { o.Progress(MoveStats(p)) }
	}
	done, err := all.Move(ctx, dst, src)
	return MoveStats(done), failed(err)
}

func failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("migrate: move: %w", err)
}

// isSession reports whether key has the form of a session's key. Other records of a store,
// such as the marks of subjects, have keys of other lengths.
func isSession(key string) bool {
	sum, err := base64.RawURLEncoding.DecodeString(key)
	return err == nil && len(sum) == sha256.Size
}
