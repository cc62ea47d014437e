package histories

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/drivertest/internal/contract"
)

// A report ends with a sentence of the contract, word for word, so that a reader can find the
// sentence.
func TestRulesAreSentencesOfTheContract(t *testing.T) {
	sentences := contract.Sentences(t, "../../driver")
	verbs := []verb{doCreate, doRetrieve, doFlush, doChangeID, doTouch, doDestroy, doList, doRenamed}
	ends := []*op{nil, {verb: doDestroy}, {verb: doChangeID}}
	for _, v := range verbs {
		in, rule := (&op{verb: v}).refused()
		require.Contains(t, sentences[in], rule, in)
		for _, o := range []*op{{verb: v}, {verb: v, subject: "ann"}, {verb: v, yielded: true}, {verb: v, from: noon}} {
			for _, end := range ends {
				in, rule := o.succeeded(end)
				require.Contains(t, sentences[in], rule, in)
			}
		}
	}
	require.True(t, slices.Contains(sentences["package driver"], holdsNoLock))
}
