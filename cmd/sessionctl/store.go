package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/bounded"
	"gosession.dev/session/internal/registry"
)

// noTimeouts are so long that a session ends only when its record says so. sessionctl does not
// know the timeouts in the application's Config.
var noTimeouts = session.Timeouts{Idle: 100 * 365 * 24 * time.Hour, Lifetime: 100 * 365 * 24 * time.Hour}

// opened is the backend that the flags name, opened.
type opened struct {
	*session.Factory
	store   driver.Store     // for what Factory does not offer
	secrets []session.Secret // from SESSION_SECRETS
}

// command is the body of a command.
type command func(cmd *cobra.Command, f opened, args []string) error

// with returns a cobra function that runs do with the backend that the flags name. It fails
// if the backend does not exist, or can't have sessions that this process sees.
func (c *ctl) with(do command) func(*cobra.Command, []string) error {
	run := c.withConfig(session.Config{Timeouts: noTimeouts, InsecureReadUnsealed: true}, func(cmd *cobra.Command, f opened, args []string) error {
		if err := mustExist(cmd.Context(), f.store); err != nil {
			return err
		}
		return do(cmd, f, args)
	})
	return func(cmd *cobra.Command, args []string) error {
		if c.driver == "memory" {
			return usage(invisible)
		}
		return run(cmd, args)
	}
}

// withConfig is like with, for a factory of this configuration, and does not check that the
// backend exists. The factory does not sweep.
func (c *ctl) withConfig(cfg session.Config, do command) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		f, err := c.open(cfg)
		if err != nil {
			return err
		}
		return errors.Join(explain(do(cmd, f, args)), f.Close())
	}
}

// open opens the backend that the flags name, with the secrets from the environment.
func (c *ctl) open(cfg session.Config) (f opened, err error) {
	cfg.SweepInterval = -1
	if f.secrets, err = secretsOfEnv(); err != nil {
		return f, err
	}
	cfg.Secrets = f.secrets
	cfg.InsecureReadUnsealed = cfg.InsecureReadUnsealed && len(f.secrets) > 0
	if f.store, err = openStore(c.driver, c.dsnOrEnv()); err != nil {
		return f, err
	}
	decoded := f.store
	if _, clientSide := f.store.(driver.ClientSide); !clientSide {
		decoded = newNoting(f.store)
	}
	if f.Factory, err = cfg.New(decoded); err != nil {
		return f, errors.Join(err, f.store.Close())
	}
	return f, nil
}

const invisible = "the memory driver keeps sessions inside the process of an application: they can't be seen from here"

func (c *ctl) dsnOrEnv() string { return cmp.Or(c.dsn, os.Getenv("SESSION_DSN")) }

func openStore(name, dsn string) (driver.Store, error) {
	if name == "" {
		return nil, usage("name a driver with --driver or SESSION_DRIVER: %s", strings.Join(session.Drivers(), ", "))
	}
	store, err := registry.Open(name, dsn)
	switch {
	case err != nil && slices.Contains(session.Drivers(), name):
		return nil, coded{fmt.Errorf("%w; see go doc gosession.dev/session/drivers/%s", err, name), exitUsage}
	case err != nil:
		return nil, coded{err, exitUsage}
	}
	return store, nil
}

// mustExist fails if the file, table or collection that the DSN names does not exist, and
// does not create it. Otherwise a mistyped DSN would look like an empty backend.
func mustExist(ctx context.Context, store driver.Store) error {
	if _, clientSide := store.(driver.ClientSide); clientSide {
		return nil
	}
	err := bounded.Call(ctx, storeTimeout, func(ctx context.Context) error {
		_, err := store.Retrieve(driver.WithoutCreating(ctx), "nobody")
		return err
	})
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return err
}

// explain adds to an ErrUnsupported that the driver is the reason.
func explain(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("%w: this driver can't do that; see the documentation of its package", err)
	}
	return err
}
