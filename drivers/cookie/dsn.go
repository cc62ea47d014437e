package cookie

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/registry"
)

// parseDSN returns the options of dsn. It reads the secrets and opens the store of revocations.
func parseDSN(dsn string) (Options, error) {
	if dsn == "" {
		return Options{}, errors.New("cookie: the DSN is empty; want, for example, secret_env=SESSION_SECRETS&revocations=sqlite:file:ended.db")
	}
	var p parsed
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(dsn, "&") {
		name, escaped, hasValue := strings.Cut(pair, "=")
		value, err := url.PathUnescape(escaped) // which keeps the + of Base64
		switch {
		case err != nil:
			return Options{}, fmt.Errorf("cookie: the value of DSN parameter %q is malformed; write %%25 for a percent sign", known(name))
		case seen[name] && name != "secret":
			return Options{}, fmt.Errorf("cookie: DSN parameter %q is given more than once", known(name))
		}
		seen[name] = true
		if err := p.set(name, value, hasValue); err != nil {
			return Options{}, err
		}
	}
	if sources := count(seen, "secret", "secret_env", "secret_file"); sources != 1 {
		return Options{}, errors.New("cookie: the DSN must have one of secret_env, secret_file and secret")
	}
	var err error
	if p.Secrets, err = p.secrets.read(); err == nil && p.revocations != "" {
		p.Revocations, err = openRevocations(p.revocations)
	}
	return p.Options, err
}

// parsed holds the parameters of a DSN.
type parsed struct {
	Options
	secrets     secretSource
	revocations string // a driver, a colon and its DSN
}

func (p *parsed) set(name, value string, hasValue bool) error {
	switch name {
	case "secret":
		p.secrets = secretSource{name, p.secrets.value + "," + value}
	case "secret_env", "secret_file":
		p.secrets = secretSource{name, value}
	case "site":
		p.Site = value
	case "unrevocable":
		if hasValue { // even an empty one, which may come from an unset variable
			return errors.New("cookie: DSN parameter unrevocable takes no value; leave it out to keep ended sessions ended")
		}
		p.Unrevocable = true
	case "revocations":
		p.revocations = value
	default:
		return errors.New("cookie: unknown DSN parameter; the parameters are secret_env, secret_file, secret, revocations, unrevocable, site")
	}
	return nil
}

func openRevocations(text string) (driver.Store, error) {
	name, dsn, _ := strings.Cut(text, ":")
	if !slices.Contains(session.Drivers(), name) {
		return nil, errors.New("cookie: revocations: the value must be a registered driver, a colon and its DSN, as in sqlite:file:ended.db; is the driver imported? Registered drivers: " + strings.Join(session.Drivers(), ", "))
	}
	store, err := registry.Open(name, dsn)
	if err != nil {
		return nil, fmt.Errorf("cookie: revocations: %w", err)
	}
	return store, nil
}

// known returns name if it is the name of a parameter, and "?" otherwise: in an error, other text
// may reveal a part of a secret.
func known(name string) string {
	switch name {
	case "secret", "secret_env", "secret_file", "site", "unrevocable", "revocations":
		return name
	}
	return "?"
}

func count(seen map[string]bool, names ...string) (n int) {
	for _, name := range names {
		if seen[name] {
			n++
		}
	}
	return n
}
