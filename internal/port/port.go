// Package port reserves TCP ports for test servers that start at a known address, or that stop and
// start again at the same address. Tests of several packages run at once, and each asks the system
// for free ports, so a port that was only found free may belong to another test a moment later.
package port
