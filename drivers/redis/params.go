package redis

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const defaultTimeout = 5 * time.Second

// setters set the parameters of a DSN. Their errors say which values are valid.
var setters = map[string]func(d *dsn, value string) error{
	"prefix": func(d *dsn, value string) error {
		d.options.Prefix = value
		return checkPrefix(value)
	},
	"timeout": func(d *dsn, value string) error { return setDuration(&d.timeout, value) },
	"client_name": func(d *dsn, value string) error {
		d.client.ClientName = value
		if strings.ContainsFunc(value, isSpace) {
			return errors.New("must not contain spaces")
		}
		return nil
	},
	"db": func(d *dsn, value string) error {
		if d.network != "unix" {
			return errors.New("is for unix sockets only; put the database behind the host, as in redis://host/0")
		}
		if d.setDB(value) != nil {
			return errors.New("must be a number from 0 to 1000000")
		}
		return nil
	},
	"wait": func(d *dsn, value string) (err error) {
		if d.options.Wait, err = strconv.Atoi(value); err != nil || d.options.Wait < 0 || d.options.Wait > 1000 {
			return errors.New("must be a number of replicas, from 0 to 1000")
		}
		return nil
	},
	"wait_timeout":      func(d *dsn, value string) error { return setDuration(&d.options.WaitTimeout, value) },
	"sentinel_user":     sentinel(func(d *dsn, value string) { d.client.Sentinel.Username = value }),
	"sentinel_password": sentinel(func(d *dsn, value string) { d.client.Sentinel.Password = value }),
	"ca_file":           overTLS(func(d *dsn, value string) error { d.tls.ca = value; return nil }),
	"cert_file":         overTLS(func(d *dsn, value string) error { d.tls.cert = value; return nil }),
	"key_file":          overTLS(func(d *dsn, value string) error { d.tls.key = value; return nil }),
	"server_name":       overTLS(func(d *dsn, value string) error { d.tls.serverName = value; return nil }),
	"insecure_skip_verify": overTLS(func(d *dsn, value string) (err error) {
		if d.tls.insecure, err = strconv.ParseBool(value); err != nil {
			return errors.New("must be true or false")
		}
		return nil
	}),
}

// parseParams returns the parameters of a DSN. It refuses unknown, repeated and empty ones.
func parseParams(query string) (map[string]string, error) {
	params := map[string]string{}
	if query == "" {
		return params, nil
	}
	if strings.ContainsRune(query, '#') {
		return nil, errParams
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, escaped, _ := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(escaped)
		if err != nil || strings.ContainsFunc(value, unicode.IsControl) {
			return nil, errParams
		}
		_, again := params[name]
		switch {
		case setters[name] == nil:
			return nil, errors.New("redis: the DSN has an unknown parameter; the parameters are " + strings.Join(slices.Sorted(maps.Keys(setters)), ", "))
		case again:
			return nil, fmt.Errorf("redis: DSN parameter %q is given more than once", name)
		case value == "":
			return nil, fmt.Errorf("redis: DSN parameter %q has no value; give one, or remove the parameter", name)
		}
		params[name] = value
	}
	return params, nil
}

func (d *dsn) setParams(params map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if err := setters[name](d, params[name]); err != nil {
			return fmt.Errorf("redis: DSN parameter %q %w", name, err)
		}
	}
	if (d.tls.cert == "") != (d.tls.key == "") {
		return errors.New("redis: the DSN parameters cert_file and key_file belong together; give both or none")
	}
	return nil
}

func setDuration(to *time.Duration, value string) (err error) {
	if *to, err = time.ParseDuration(value); err != nil || *to < time.Millisecond {
		return errors.New("must be a duration of at least 1ms, such as 500ms")
	}
	return nil
}

func sentinel(set func(d *dsn, value string)) func(*dsn, string) error {
	return func(d *dsn, value string) error {
		if d.client.Sentinel.MasterSet == "" {
			return errors.New("is for DSNs that begin with redis+sentinel://")
		}
		set(d, value)
		return nil
	}
}

func overTLS(set func(d *dsn, value string) error) func(*dsn, string) error {
	return func(d *dsn, value string) error {
		if !d.useTLS {
			return errors.New("is for DSNs that begin with rediss")
		}
		return set(d, value)
	}
}
