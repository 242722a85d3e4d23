package lab

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
)

// hostileNames are names that an attacker would choose: each of them breaks some naive printer, exporter or marker search.
func hostileNames() []string {
	return []string{
		"invoice\x1b[31m\x1b]0;owned\x07.exe",             // terminal escapes
		"report.pdf\rOK: nothing found.exe",               // overwrites the line
		"photo\u202egpj.exe",                              // reads as photoexe.jpg
		"=cmd|' /C calc'!A0.exe",                          // a spreadsheet formula
		"setup [edrc:5b1f09c2a94e7d10].exe",               // plants a note marker
		"line\nbreak\tand tab.exe",                        // a second row
		"<script>alert(1)</script>&amp;.exe",              // HTML
		strings.Repeat("very-long-name-", 14) + ".exe",    // 214 characters
		"\u041f\u043b\u0430\u0442\u0451\u0436 \u2116.exe", // Cyrillic, wide
		"zero\u200bwidth\ufeff.exe",                       // invisible characters
	}
}

// setName gives the file its name and format. The first ranks get the hostile names.
func (f *file) setName(rng *rand.Rand, rank int) {
	if h := hostileNames(); rank < len(h) {
		f.name, f.os, f.kind = h[rank], "windows", kindPE()
		return
	}
	stem := pick(rng, "invoice", "setup", "update", "svchost", "payload", "loader", "chrome_installer", "backup-agent",
		"rclone", "teams", "order", "cv", "driver", "helper", "sync")
	stem = fmt.Sprintf("%s_%04x", stem, rng.IntN(1<<16))
	switch n := rng.IntN(100); {
	case f.subVerdict == "file_type_not_supported":
		f.os, f.kind = "windows", fileKind{fileType: "non executable", ext: "TXT", extType: "Document"}
	case n < 58:
		f.os, f.kind = "windows", kindPE()
	case n < 68:
		f.os, f.kind = "windows", fileKind{fileType: "pdf", ext: "PDF", extType: "Document"}
	case n < 75:
		f.os, f.kind = "windows", fileKind{fileType: "script", ext: "PS1", extType: "Script"}
	case n < 90:
		f.os, f.kind = "linux", fileKind{fileType: "elf", geneType: "native_linux", arch: "x64", extType: "Executable"}
	default:
		f.os, f.kind = "macos", fileKind{fileType: "macho", arch: "x64", ext: "DMG", extType: "Executable"}
	}
	f.name = stem
	if f.kind.ext != "" {
		f.name += "." + strings.ToLower(f.kind.ext)
	}
}

func kindPE() fileKind {
	return fileKind{fileType: "pe", geneType: "native_windows", arch: "i386", ext: "EXE", extType: "Executable"}
}

// host is one machine with an agent. Its network state changes; see s1_agents.go.
type host struct {
	id, uuid, name, user string
	os, osName, revision string
	machine, version     string
	ip, ipv6, external   string
	mac, ifaceID         string
	account, site, group scope
	online               bool
	registered           int64 // µs since 1970

	network string // connected, disconnecting, disconnected, connecting
	polled  bool   // a changing state was seen once
}

// scope is an account, a site or a group.
type scope struct{ id, name string }

func people() []string {
	return []string{
		"anna", "bogdan", "chiara", "dmitri", "elif", "farid", "greta", "hugo", "ines", "jonas", "kira", "liam", "maya",
		"noor", "oskar", "priya", "quentin", "rosa", "stefan", "tuva",
	}
}

// newHosts makes the twenty machines of a console: Windows, four Linux, two macOS, three of them offline.
func newHosts(rng *rand.Rand, console int, startMicros int64) []*host {
	account := fmt.Sprint(1_000_000_000_000_000_000 + rng.Int64N(8e17))
	sites := []scope{{account[:18] + "1", "Headquarters"}, {account[:18] + "2", "Branch"}}
	groups := []scope{{account[:18] + "3", "Default Group"}, {account[:18] + "4", "Branch Group"}}
	hosts := make([]*host, len(people()))
	for i, person := range people() {
		h := &host{
			id:   fmt.Sprint(1_100_000_000_000_000_000 + rng.Int64N(8e17)),
			uuid: fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()), user: person,
			ip: fmt.Sprintf("10.%d.0.%d", 20+console, 10+i), ipv6: fmt.Sprintf("2001:db8::%x", 16+i),
			external: fmt.Sprintf("203.0.113.%d", 10+console), ifaceID: fmt.Sprint(1_200_000_000_000_000_000 + rng.Int64N(8e17)),
			mac: fmt.Sprintf("02:00:00:%02x:00:%02x", console, i), version: "24.2.3.471", network: "connected",
			account: scope{account, "Lab"}, site: sites[i%2], group: groups[i%2], online: i%7 != 3,
			registered: startMicros - int64(100+rng.IntN(400))*24*3600*1e6,
		}
		h.setSystem(i, person)
		if console > 0 {
			h.name += fmt.Sprint("-", console+1)
		}
		hosts[i] = h
	}
	return hosts
}

func (h *host) setSystem(i int, person string) {
	switch {
	case i%5 == 4:
		h.name, h.os, h.osName, h.revision, h.machine = "srv-"+person, "linux", "Linux", "Ubuntu 24.04.2 LTS 6.8.0-51", "server"
	case i%6 == 2:
		h.name, h.os, h.osName, h.revision, h.machine = person+"-macbook", "macos", "macOS", "15.3 (24D60)", "laptop"
	case i%8 == 0:
		h.name, h.os, h.osName, h.revision, h.machine = "WS-"+strings.ToUpper(person), "windows", "Windows 11 Pro", "22631", "desktop"
	default:
		h.name, h.os, h.osName, h.revision, h.machine = "LT-"+strings.ToUpper(person), "windows", "Windows 11 Enterprise", "26100", "laptop"
	}
}

// stableUUID is a UUID that depends on the text alone.
func stableUUID(text string) string {
	h := sha256.Sum256([]byte("edrc lab/" + text))
	h[6], h[8] = h[6]&0x0f|0x40, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
