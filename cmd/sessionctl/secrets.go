package main

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gosession.dev/session"
	"gosession.dev/session/internal/seal"
)

// secretNumber is the number by which sealed data names its secret: 8 hexadecimal
// digits. It tells nothing of the secret.
type secretNumber string

var isNumber = regexp.MustCompile(`^[0-9a-f]{8}$`)

func (n *secretNumber) String() string { return string(*n) }

func (n *secretNumber) Type() string { return "number" }

func (n *secretNumber) Set(text string) error {
	text = strings.ToLower(text)
	if !isNumber.MatchString(text) {
		return errors.New("want 8 hexadecimal digits, as check shows them")
	}
	*n = secretNumber(text)
	return nil
}

// numbersOf returns the numbers of secrets, each once, in their order.
func numbersOf(secrets []session.Secret) ([]secretNumber, error) {
	var numbers []secretNumber
	for _, secret := range secrets {
		box, err := seal.New("record", secret) // the purpose for which package session seals
		if err != nil {
			return nil, err
		}
		if n := secretNumber(seal.Number(box.Seal(nil))); !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// The states of a secret.
const (
	current       = "current" // it seals
	known         = "known"   // it only opens
	notConfigured = "not configured"
)

// stateOf returns what is known of the secret with number n. The secrets of SESSION_KEYS
// have the numbers in configured.
func stateOf(n secretNumber, configured []secretNumber) string {
	switch slices.Index(configured, n) {
	case -1:
		return notConfigured
	case 0:
		return current
	}
	return known
}

// sealedUnder is how many sessions are sealed under a secret.
type sealedUnder struct {
	Number   secretNumber `json:"number"`
	State    string       `json:"state"`
	Sessions int          `json:"sessions"`
}

// bySecret returns the counts of sessions by secret: first the configured ones, those
// without sessions too, because they may be dropped.
func bySecret(sessions map[secretNumber]int, configured []secretNumber) []sealedUnder {
	all := slices.Clone(configured)
	for _, n := range slices.Sorted(maps.Keys(sessions)) {
		if n != "" && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	counts := make([]sealedUnder, len(all))
	for i, n := range all {
		counts[i] = sealedUnder{n, stateOf(n, configured), sessions[n]}
	}
	return counts
}
