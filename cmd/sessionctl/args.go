package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// long lets flags have one dash, as those of other Go programs, and keys begin with
// one, as one of 64 does. What follows a flag as its value is left alone.
func long(root *cobra.Command, args []string) []string {
	var all, keys []string
	isValue := false
	for i, arg := range args {
		name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		isFlag, wantsValue := lookup(root, name)
		switch {
		case isValue:
			isValue = false
		case arg == "--":
			return slices.Concat(all, args[i:], keys)
		case isKey.MatchString(arg):
			keys = append(keys, arg)
			continue
		case arg[:min(len(arg), 1)] == "-" && isFlag:
			arg = "--" + strings.TrimLeft(arg, "-")
			isValue = !hasValue && wantsValue
		}
		all = append(all, arg)
	}
	if len(keys) == 0 {
		return all
	}
	return slices.Concat(all, []string{"--"}, keys)
}

// isKey recognizes a key that looks like a flag.
var isKey = regexp.MustCompile(`^-[A-Za-z0-9_-]{42}$`)

// lookup tells whether there is a flag of that name, of whichever command, and whether a
// value follows it. None means one thing for one command and another for another.
func lookup(root *cobra.Command, name string) (isFlag, wantsValue bool) {
	for _, cmd := range append(root.Commands(), root) {
		flag := cmd.Flags().Lookup(name)
		if flag == nil {
			flag = cmd.PersistentFlags().Lookup(name)
		}
		if flag != nil {
			return true, flag.NoOptDefVal == ""
		}
	}
	return false, false
}
