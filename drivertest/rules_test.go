package drivertest

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/drivertest/internal/contract"
)

// Each rule is a sentence of the contract, word for word. So the reader of a failure can find
// the sentence, and this test fails if the sentence changes and the check does not.
func TestRulesAreSentencesOfTheContract(t *testing.T) {
	contract := contract.Sentences(t, "../driver")
	for _, c := range checks {
		require.Contains(t, contract[c.in], c.rule, "%s: the comment of %s does not have the rule", c.name, c.in)
	}
}

// Each sentence of the contract that says "must" has a check.
func TestEveryMustHasACheck(t *testing.T) {
	must := regexp.MustCompile(`\bmust\b`)
	checked := map[string]bool{}
	for _, c := range checks {
		checked[c.in+": "+c.rule] = true
	}
	for in, list := range contract.Sentences(t, "../driver") {
		for _, s := range list {
			if must.MatchString(strings.ReplaceAll(s, `"must"`, "")) && !checked[in+": "+s] {
				t.Errorf("no check has this sentence of %s as its rule: %s", in, s)
			}
		}
	}
}
