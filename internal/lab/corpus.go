package lab

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// holding says what the engine has of a file when the lab starts.
type holding uint8

const (
	holdsPrivate holding = iota // this organisation analysed it lately
	holdsStale                  // this organisation analysed it two months ago
	holdsExpired                // this organisation analysed it, and the analysis is gone: 410
	holdsPublic                 // the engine has the bytes: analyse-by-hash works
	holdsNothing                // the bytes must be uploaded
)

// file is one distinct file of the world. It never changes; what the engine learns about it lives in engine.
type file struct {
	sha256, sha1, md5 string
	size              int
	name              string
	os                string // windows, linux, macos: where it runs
	kind              fileKind

	verdict, subVerdict string
	family, familyType  string // empty: the engine names no family
	familyID            string
	genes, reused       int // 0: the engine sees no code

	held      holding
	failsOnce bool // its first analysis ends failed
	skipped   bool // an account rule excludes it

	serves string // what an agent uploads when it is asked for it, one of serveKinds
}

// fileKind is what the metadata of the engine and the console say about the format.
type fileKind struct {
	fileType, geneType, arch, ext, extType string
}

// corpus is the files of the world and the way from any of their hashes to them.
type corpus struct {
	seed   uint64
	files  []file
	byHash map[string]int
}

func newCorpus(seed uint64, n int) *corpus {
	rng := rand.New(rand.NewPCG(seed, 0xc0de))
	c := &corpus{seed: seed, files: make([]file, n), byHash: make(map[string]int, 3*n)}
	// The classes are dealt out rather than drawn, so that a world of 60 files has some of each.
	holdings, verdicts, names := rng.Perm(n), rng.Perm(n), rng.Perm(n)
	for i := range c.files {
		f := &c.files[i]
		f.setVerdict(rng, (float64(verdicts[i])+0.5)/float64(n))
		f.setHolding(holdings[i], n)
		f.setName(rng, names[i])
		c.setContent(f, i, rng)
	}
	c.dealServes()
	return c
}

// setContent gives the file inert bytes of its own, and hashes that really are theirs, so that bytes can be checked end to end.
func (c *corpus) setContent(f *file, i int, rng *rand.Rand) {
	f.size = 700 + rng.IntN(8000)
	c.hash(f, i)
}

// hash gives the file the hashes of its content.
func (c *corpus) hash(f *file, i int) {
	h2, h1, h5 := sha256.New(), sha1.New(), md5.New()
	_ = c.writeContent(io.MultiWriter(h2, h1, h5), i, f.size) // hashes do not fail
	f.sha256, f.sha1, f.md5 = hex.EncodeToString(h2.Sum(nil)), hex.EncodeToString(h1.Sum(nil)), hex.EncodeToString(h5.Sum(nil))
	for _, h := range []string{f.sha256, f.sha1, f.md5} {
		c.byHash[h] = i
	}
}

// contentBlock is how much of a large file is in memory at once.
const contentBlock = 64 << 10

// writeContent writes the bytes of file i in blocks. Only those of a large file have more than one: the first one again and
// again, each with a number.
func (c *corpus) writeContent(w io.Writer, i, size int) error {
	block := c.content(i, min(size, contentBlock))
	for n := 0; n < size; n += contentBlock {
		if n > 0 {
			binary.BigEndian.PutUint64(block, uint64(n))
		}
		if _, err := w.Write(block[:min(contentBlock, size-n)]); err != nil {
			return err
		}
	}
	return nil
}

// enlarge makes one file huge, if possible one that the engine does not have, so that it must be fetched and uploaded.
func (c *corpus) enlarge(size int) {
	i := max(slices.IndexFunc(c.files, func(f file) bool { return f.held == holdsNothing }), 0)
	f := &c.files[i]
	for _, h := range []string{f.sha256, f.sha1, f.md5} {
		delete(c.byHash, h)
	}
	f.size, f.serves = size, serveHuge
	c.hash(f, i)
}

// content is the bytes of file i: what its type begins with, text that says what it is, then noise. They do nothing when run.
func (c *corpus) content(i, size int) []byte {
	magic := map[string]string{"pe": "MZ", "elf": "\x7fELF", "macho": "\xcf\xfa\xed\xfe", "pdf": "%PDF-1.4\n"}[c.files[i].kind.fileType]
	b := fmt.Appendf(make([]byte, 0, size), "%sedrc lab: inert sample %d of seed %d\n", magic, i, c.seed)
	rng := rand.New(rand.NewPCG(c.seed, 0xb17e5+uint64(i)))
	for len(b) < size {
		b = append(b, 'a'+byte(rng.IntN(26)))
	}
	return b
}

// setHolding deals out what the engine holds: rank is this file's place among n.
func (f *file) setHolding(rank, n int) {
	share := (float64(rank) + 0.5) / float64(n)
	switch {
	case share < 0.50:
		f.held = holdsPrivate
	case share < 0.55:
		f.held = holdsStale
	case share < 0.85:
		f.held = holdsPublic
	case share < 0.95:
		f.held = holdsNothing
	default:
		f.held = holdsPublic
		switch (n - 1 - rank) % 3 {
		case 0:
			f.failsOnce = true
		case 1:
			f.held = holdsExpired
		case 2:
			// One rule of the account excludes one file: the others of this class are ordinary.
			f.skipped = n-1-rank == 2
		}
	}
}

// setVerdict draws the judgement from the place share in [0,1).
func (f *file) setVerdict(rng *rand.Rand, share float64) {
	switch {
	case share < 0.35:
		f.verdict, f.subVerdict = "malicious", pick(rng, "malicious", "known_malicious")
		f.family, f.familyType = pick(rng, malwareFamilies()...), "malware"
	case share < 0.47:
		f.verdict, f.subVerdict = "suspicious", pick(rng, "packed", "probably_packed", "administration_tool", "suspicious")
		if f.subVerdict == "administration_tool" {
			f.family, f.familyType = pick(rng, "PsExec", "AnyDesk", "Mimikatz"), "administration_tool"
		}
	case share < 0.70:
		f.verdict, f.subVerdict = "trusted", pick(rng, "trusted", "known_trusted", "probably_trusted", "known_library")
		if f.subVerdict != "probably_trusted" {
			f.family, f.familyType = pick(rng, "Microsoft Corporation", "Google", "7-Zip"), "application"
		}
	case share < 0.81:
		f.verdict, f.subVerdict = "unknown", pick(rng, "unique", "no_genes", "inconclusive", "installer")
	case share < 0.86:
		f.verdict, f.subVerdict = "not_supported", pick(rng, "file_type_not_supported", "non_native_code")
	case share < 0.94:
		f.verdict, f.subVerdict = "no_threats", "no_threats"
	default:
		f.verdict, f.subVerdict = "neutral", "neutral"
	}
	f.familyID = ""
	if f.family != "" {
		f.familyID = stableUUID("family/" + f.family)
	}
	if f.family != "" || f.subVerdict == "unique" {
		f.genes = 60 + rng.IntN(900)
		f.reused = f.genes * (40 + rng.IntN(60)) / 100
	}
}

func malwareFamilies() []string {
	return []string{
		"LockBit", "Emotet", "QakBot", "Cobalt Strike", "AgentTesla", "RedLine Stealer", "AsyncRAT", "XMRig", "Mirai",
		"BlackCat", "IcedID", "Lumma Stealer",
	}
}

// pick returns one of the choices.
func pick[T any](rng *rand.Rand, choices ...T) T {
	return choices[rng.IntN(len(choices))]
}
