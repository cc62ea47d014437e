// Command webapp is a small shop whose visitors have sessions. It signs users in and out,
// keeps a cart, shows messages once, lists a user's devices and signs them out, and tells
// an open page at once that its session has ended elsewhere.
//
//	go run ./examples/webapp
//
// Sessions are in SQLite and survive a restart. The flags -driver and -dsn, or the
// environment variables SESSION_DRIVER and SESSION_DSN, choose another backend; nothing else
// changes. The flag -metrics serves counts for Prometheus at a second address.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"gosession.dev/session"

	// Importing a driver registers it. The flags -driver and -dsn choose one.
	_ "gosession.dev/session/drivers/cookie"
	_ "gosession.dev/session/drivers/memcache"
	_ "gosession.dev/session/drivers/memory"
	_ "gosession.dev/session/drivers/mongo"
	_ "gosession.dev/session/drivers/mysql"
	_ "gosession.dev/session/drivers/postgres"
	_ "gosession.dev/session/drivers/redis"
	_ "gosession.dev/session/drivers/sqlite"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal("webapp: ", err)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("webapp", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8080", "listen here; port 0 picks a free one")
	driver := flags.String("driver", cmp.Or(os.Getenv("SESSION_DRIVER"), "sqlite"), "session `driver`: "+strings.Join(session.Drivers(), ", "))
	dsn := flags.String("dsn", os.Getenv("SESSION_DSN"), "the driver's data source; for sqlite a file, by default webapp.db")
	metrics := flags.String("metrics", "", "serve counts at /metrics of this `address`, which should not be reached from outside")
	insecure := flags.Bool("insecure", false, "send the cookie without Secure, for Safari over plain HTTP")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not a flag; see webapp -help", flags.Arg(0))
	}
	if *dsn == "" && *driver == "sqlite" {
		*dsn = "webapp.db"
	}

	sessions, err := session.Config{
		Insecure: *insecure,
		OnError:  answerError,
		OnEvent:  func(ctx context.Context, e session.Event) { slog.InfoContext(ctx, "session", "event", e) },
	}.Open(*driver, *dsn)
	if err != nil {
		return err
	}
	defer sessions.Close()
	if err := sessions.Ping(ctx); err != nil {
		return err
	}

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return fmt.Errorf("%w; choose another address with -addr, for instance -addr 127.0.0.1:0 for any free port", err)
	}
	fmt.Fprintf(out, "Sessions are kept by the driver %s (there are: %s).\n", *driver, strings.Join(session.Drivers(), ", "))
	fmt.Fprintf(out, "Point your browser at http://%s/ and stop with Ctrl-C.\n", listener.Addr())
	if *metrics != "" {
		stop, err := serveMetrics(ctx, *metrics, sessions, out)
		if err != nil {
			return err
		}
		defer stop()
	}
	sh := newShop(sessions)
	srv := &http.Server{Handler: sh.handler(), ReadHeaderTimeout: 10 * time.Second}
	srv.RegisterOnShutdown(sh.endStreams)
	return serve(ctx, listener, srv)
}

// serve serves until ctx is done, and then lets requests that are under way finish. The
// server's RegisterOnShutdown has to end streams: otherwise Shutdown waits for them until
// its deadline.
func serve(ctx context.Context, listener net.Listener, srv *http.Server) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return srv.Shutdown(ctx)
}
