package header

import (
	"errors"
	"strings"
)

// ValidDomain returns an error if a cookie can't have this Domain attribute, as far as the name
// alone tells: it does not look up public suffixes. The error says what the name must be.
func ValidDomain(domain string) error {
	name := strings.TrimPrefix(domain, ".") // browsers ignore the dot
	labels := strings.Split(name, ".")
	last := labels[len(labels)-1]
	switch {
	case strings.ContainsAny(name, "/:[]"):
		return errors.New("must be a name without scheme, port and path, and not an IP address")
	case last == "" && name != "":
		return errors.New("must not end in a dot")
	case len(name) > 253:
		return errors.New("must have at most 253 bytes")
	}
	for _, label := range labels {
		if !isLabel(label) {
			return errors.New("must be of letters, digits and hyphens between dots; write other letters in Punycode (xn--)")
		}
	}
	switch {
	case isNumber(last):
		return errors.New("must not be an IP address: browsers send the cookie of an IP address only to that address; leave Domain empty")
	case len(labels) == 1:
		return errors.New("must have a dot: browsers do not share the cookies of a name such as localhost; leave Domain empty")
	}
	return nil
}

// isLabel reports whether s can stand between the dots of a host's name.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		isLetter, isDigit := 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9'
		if !isLetter && !isDigit && c != '-' {
			return false
		}
	}
	return true
}

// isNumber reports whether browsers read a host whose last label is s as an IPv4 address (URL
// Standard, "ends in a number").
func isNumber(s string) bool {
	digits := "0123456789"
	if len(s) > 1 && EqualFold(s[:2], "0x") {
		s, digits = s[2:], digits+"abcdefABCDEF"
	}
	return strings.Trim(s, digits) == ""
}
