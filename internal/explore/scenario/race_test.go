//go:build race

package scenario_test

// budget is the maximum number of executions in a round. The race detector makes executions
// seven times slower.
const budget = 200
