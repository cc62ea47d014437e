// Package uptime is a monotonic clock: setting the time of day does not change it. It serves to
// measure durations and ages within one process.
package uptime

import "time"

// Now returns how long this process has been running. It takes half the time of [time.Now].
func Now() time.Duration { return time.Since(start) }

var start = time.Now()
