package main

import (
	"context"
	"io"
	"time"
)

func runSteady(ctx context.Context, out io.Writer, backend string, d time.Duration) error { return nil }
