package intezer

import "edrc/internal/alert"

// familyTypes are the kinds of family that may name a file of a class, best first
// (contracts 5.3, after the vendor's own note). A class without an entry has none.
func familyTypes(c alert.Class) []string {
	switch c {
	case alert.Malicious:
		return []string{"malware", "malicious_packer"}
	case alert.Trusted:
		return []string{"application", "library", "interpreter", "installer"}
	case alert.Suspicious:
		return []string{"administration_tool", "packer"}
	}
	return nil
}

// mainFamily gives the family of a file and how many genes it shares with it.
// named is what the analysis itself says, "" when it does not; then the family
// with the most shared genes of the best type is taken. "" when none fits.
func mainFamily(c alert.Class, named string, families []family) (string, int) {
	if named != "" {
		most := 0
		for _, f := range families {
			if f.Name.String() == named {
				most = max(most, f.genes())
			}
		}
		return named, most
	}
	for _, kind := range familyTypes(c) {
		best, most := "", -1
		for _, f := range families {
			if name := f.Name.String(); f.Type.String() == kind && name != "" && f.genes() > most {
				best, most = name, f.genes()
			}
		}
		if best != "" {
			return best, most
		}
	}
	return "", 0
}

// genes is the count, never negative.
func (f family) genes() int { return int(max(0, f.Genes.int64())) }
