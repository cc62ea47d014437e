//go:build !race

package drivertest_test

const raceDetector = false
