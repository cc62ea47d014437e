package cookie

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"gosession.dev/session"
)

// secretSource is the secret parameter of a DSN.
type secretSource struct {
	param string // secret, secret_env or secret_file
	value string // if param is secret, all secrets, separated by commas
}

// read returns the secrets. The error may name the environment variable, and contains no other
// part of the DSN.
func (s secretSource) read() ([]session.Secret, error) {
	text, from := s.value, "DSN parameter secret"
	switch s.param {
	case "secret_env":
		from = variable(s.value)
		found := false
		if text, found = os.LookupEnv(s.value); !found {
			return nil, fmt.Errorf("cookie: %s is not set; set it to the secrets, in Base64", from)
		}
	case "secret_file":
		from = "the file of DSN parameter secret_file"
		bytes, err := os.ReadFile(s.value)
		if pathError, ok := errors.AsType[*fs.PathError](err); ok {
			err = pathError.Err // which does not contain the path, a part of the DSN
		}
		if err != nil {
			return nil, fmt.Errorf("cookie: %s can't be read: %w", from, err)
		}
		text = string(bytes)
	}
	secrets, err := session.ParseSecrets(text)
	if err != nil {
		return nil, fmt.Errorf("cookie: %s: %w", from, err)
	}
	return secrets, nil
}

// variableName matches usual names of environment variables. A secret in Base64 or hexadecimal
// digits is longer.
var variableName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]{0,31}$`)

// variable describes the environment variable name in an error. It does not quote an unusual
// name, which may be the secret itself, given by mistake.
func variable(name string) string {
	if variableName.MatchString(name) {
		return "environment variable " + name
	}
	return "the environment variable of DSN parameter secret_env (not shown here, because the value does not look like a name)"
}
