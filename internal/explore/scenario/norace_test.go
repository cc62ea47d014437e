//go:build !race

package scenario_test

// budget is the maximum number of executions in a round.
const budget = 2000
