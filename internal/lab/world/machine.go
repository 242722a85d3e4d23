package world

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// Machine is a computer of the people that the vendors' alerts are about.
type Machine struct {
	Name, Person string
	OS           string // windows, linux or mac
	Offline      bool
}

// Machines gives twenty: Windows, four Linux, two Mac, two of them offline.
func Machines() []Machine {
	people := []string{"anna", "bogdan", "chiara", "dmitri", "elif", "farid", "greta", "hugo", "ines", "jonas", "kira", "liam", "maya",
		"noor", "oskar", "priya", "quentin", "rosa", "stefan", "tuva"}
	out := make([]Machine, len(people))
	for i, p := range people {
		m := Machine{Name: "WIN-" + strings.ToUpper(p), Person: p, OS: "windows", Offline: i == 7 || i == 15}
		switch {
		case i%5 == 4:
			m.Name, m.OS = "srv-"+p, "linux"
		case i%9 == 2:
			m.Name, m.OS = "MacBook-"+strings.ToUpper(p[:1])+p[1:], "mac"
		}
		out[i] = m
	}
	return out
}

// Hex gives 2n random hex digits.
func Hex(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.UintN(256))
	}
	return hex.EncodeToString(b)
}
