package faulty

import "slices"

// OfCheck returns the mutant that the named check has to find. It panics if there is none.
func OfCheck(name string) Mutant {
	return find(Mutants, func(m Mutant) bool { return m.Kills == name })
}

// OfFault returns the mutant with the given fault. It panics if there is none.
func OfFault(fault string) Mutant {
	return find(slices.Concat(Mutants, More, Racy), func(m Mutant) bool { return m.Fault == fault })
}

func find(all []Mutant, is func(Mutant) bool) Mutant {
	return all[slices.IndexFunc(all, is)]
}
