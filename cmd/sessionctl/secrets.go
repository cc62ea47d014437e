package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"gosession.dev/session"
	"gosession.dev/session/internal/seal"
)

// secretsOfEnv returns the secrets in SESSION_SECRETS, or none if it is not set.
func secretsOfEnv() ([]session.Secret, error) {
	text := os.Getenv("SESSION_SECRETS")
	if text == "" {
		return nil, nil
	}
	secrets, err := session.ParseSecrets(text)
	if err != nil {
		return nil, coded{fmt.Errorf("SESSION_SECRETS: %w", err), exitUsage}
	}
	return secrets, nil
}

// secretNumber is the number by which sealed data names its secret: 8 hexadecimal digits. It
// reveals nothing about the secret.
type secretNumber string

var isNumber = regexp.MustCompile(`^[0-9a-f]{8}$`)

func (n *secretNumber) String() string { return string(*n) }

func (n *secretNumber) Type() string { return "number" }

func (n *secretNumber) Set(text string) error {
	text = strings.ToLower(text)
	if !isNumber.MatchString(text) {
		return errors.New("want 8 hexadecimal digits, as sessionctl check prints them")
	}
	*n = secretNumber(text)
	return nil
}

// numbersOf returns the numbers of the secrets, in order and without duplicates.
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
	current       = "current" // it seals and opens
	known         = "known"   // it only opens
	notConfigured = "not configured"
)

// stateOf returns the state of the secret with number n. The secrets in SESSION_SECRETS have the
// numbers in configured.
func stateOf(n secretNumber, configured []secretNumber) string {
	switch slices.Index(configured, n) {
	case -1:
		return notConfigured
	case 0:
		return current
	}
	return known
}

// sealedUnder says how many sessions are sealed under a secret.
type sealedUnder struct {
	Number   secretNumber `json:"number"`
	State    string       `json:"state"`
	Sessions int          `json:"sessions"`
}

// bySecret turns the counts of sessions into a list: first the configured secrets, including
// those without sessions, which the operator may remove, then the others by number.
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
