package cookie

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"gosession.dev/session"
)

// parseDSN returns the options of dsn. It reads the secrets, and opens the store of
// revocations.
func parseDSN(dsn string) (Options, error) {
	var o Options
	var secrets, revocations string
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(dsn, "&") {
		name, escaped, _ := strings.Cut(pair, "=")
		value, err := url.PathUnescape(escaped) // which leaves the + of Base64 alone
		switch {
		case err != nil:
			return Options{}, fmt.Errorf("cookie: the value of DSN parameter %q is malformed; write %%25 for a percent sign", known(name))
		case seen[name] && name != "secret":
			return Options{}, fmt.Errorf("cookie: DSN parameter %q is given more than once", known(name))
		}
		seen[name] = true
		switch name {
		case "secret":
			secrets += "," + value
		case "secret_env":
			secrets = os.Getenv(value)
		case "secret_file":
			text, err := os.ReadFile(value)
			if err != nil {
				return Options{}, errors.New("cookie: the file that DSN parameter secret_file names can't be read")
			}
			secrets = string(text)
		case "site":
			o.Site = value
		case "unrevocable":
			if value != "" {
				return Options{}, errors.New("cookie: DSN parameter unrevocable takes no value; leave it out if sessions that have ended are to stay ended")
			}
			o.Unrevocable = true
		case "revocations":
			revocations = value
		default:
			return Options{}, errors.New("cookie: unknown DSN parameter; there are secret_env, secret_file, secret, revocations, unrevocable, site")
		}
	}
	if sources := count(seen, "secret", "secret_env", "secret_file"); sources != 1 {
		return Options{}, errors.New("cookie: the DSN must have one of secret_env, secret_file and secret")
	}
	var err error
	if o.Secrets, err = session.ParseSecrets(secrets); err != nil {
		return Options{}, fmt.Errorf("cookie: %w", err)
	}
	if revocations != "" {
		driverName, dsn, _ := strings.Cut(revocations, ":")
		if o.Revocations, err = session.OpenStore(driverName, dsn); err != nil {
			return Options{}, fmt.Errorf("cookie: revocations: %w", err)
		}
	}
	return o, nil
}

// known returns the name of a known parameter, for errors. Any other text may be a part of
// a secret, so it returns "?".
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
