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
		switch {
		case isValue:
			isValue = false
		case arg == "--":
			return slices.Concat(all, args[i:], keys)
		case isKey.MatchString(arg):
			keys = append(keys, arg)
			continue
		case len(arg) > 2 && arg[0] == '-':
			flag := strings.TrimLeft(arg, "-")
			arg = "--" + flag
			isValue = wantsValue(root, flag)
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

// wantsValue tells whether a value follows the flag of that name, of whichever command.
// None means one thing for one command and another for another. One that has its value,
// as name=value, has no such name.
func wantsValue(root *cobra.Command, name string) bool {
	for _, cmd := range append(root.Commands(), root) {
		flag := cmd.Flags().Lookup(name)
		if flag == nil {
			flag = cmd.PersistentFlags().Lookup(name)
		}
		if flag != nil {
			return flag.NoOptDefVal == ""
		}
	}
	return false
}
