package main

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// normalize rewrites args for cobra. It gives flags with one dash, as other Go programs take
// them, a second one, and moves keys that begin with a dash, one key of 64, behind "--". The
// value that follows a flag stays as it is.
func normalize(root *cobra.Command, args []string) []string {
	var all, keys []string
	isValue := false
	for i, arg := range args {
		switch {
		case isValue:
			isValue = false
		case arg == "--":
			return slices.Concat(all, args[i:], keys)
		case isDashedKey.MatchString(arg):
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

// isDashedKey matches a key that looks like a flag.
var isDashedKey = regexp.MustCompile(`^-[A-Za-z0-9_-]{42}$`)

// wantsValue reports whether the flag takes the next argument as its value. It searches all
// commands: no two of them disagree about a flag. It is false for name=value, which is not
// the name of a flag.
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

// isWord matches what may be the name of a command or a flag. Errors repeat nothing else from
// the command line: it may be a DSN in the wrong place.
var isWord = regexp.MustCompile(`^[a-z][a-z-]{0,19}$`)

// knownCommand rejects the arguments of the root: cobra has found no command of that name.
func knownCommand(root *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case !isWord.MatchString(args[0]):
		return usage("the first argument must be a command; see sessionctl --help")
	}
	root.SuggestionsMinimumDistance = 2
	if similar := root.SuggestionsFor(args[0]); len(similar) > 0 {
		return usage("unknown command %s; did you mean %s?", args[0], strings.Join(similar, " or "))
	}
	return usage("unknown command %s; see sessionctl --help", args[0])
}

// noArgs rejects the arguments of a command that takes only flags.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no arguments, only flags; see sessionctl %[1]s --help", cmd.Name())
	}
	return nil
}

// oneKey accepts one argument.
func oneKey(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("%s takes one key, as sessionctl list prints it", cmd.Name())
	}
	return nil
}

// flagError describes what is wrong with a flag. It does not repeat the value.
func flagError(err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if name := unknown.GetSpecifiedName(); isWord.MatchString(name) {
			return usage("unknown flag --%s", name)
		}
		return usage("unknown flag")
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usage("--%s needs a value", missing.GetFlag().Name)
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return usage("--%s: %v", invalid.GetFlag().Name, wanted(invalid))
	}
	return usage("a flag can't be parsed; see sessionctl --help")
}

// wanted says which values the flag takes.
func wanted(invalid *pflag.InvalidValueError) error {
	cause := invalid.Unwrap()
	_, isNumber := errors.AsType[*strconv.NumError](cause)
	switch kind := invalid.GetFlag().Value.Type(); {
	case kind == "bool":
		return errors.New("want true or false")
	case kind == "duration":
		return errors.New("want a duration such as 500ms, 10s or 2m")
	case isNumber:
		return errors.New("want a number")
	}
	return cause
}
