package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"edrc/internal/lab/aws"
	"edrc/internal/lab/carbonblack"
	"edrc/internal/lab/cortex"
	"edrc/internal/lab/crowdstrike"
	"edrc/internal/lab/defender"
	"edrc/internal/lab/wiz"
	"edrc/internal/lab/world"
)

// productS1 are the consoles of SentinelOne, which live in this package.
const productS1 = "s1"

// vendorKind is a product whose server is a package of its own.
type vendorKind struct {
	product, source string // as --products and the configuration call it
	make            func(world.Options) world.Vendor
	retells         bool // findings of the others: it is made after them
}

func vendorKinds() []vendorKind {
	return []vendorKind{
		{"falcon", "falcon-lab", func(o world.Options) world.Vendor { return crowdstrike.New(o) }, false},
		{"mde", "mde-lab", func(o world.Options) world.Vendor { return defender.New(o) }, false},
		{"cbc", "cbc-lab", func(o world.Options) world.Vendor { return carbonblack.New(o) }, false},
		{"cortex", "cortex-lab", func(o world.Options) world.Vendor { return cortex.New(o) }, false},
		{"wiz", "wiz-lab", func(o world.Options) world.Vendor { return wiz.New(o) }, true},
		{"aws", "aws-lab", func(o world.Options) world.Vendor { return aws.New(o, aws.Options{}) }, false},
	}
}

// variants are other generations of a product. They are not among "all".
func variants() []vendorKind {
	return []vendorKind{{"cortex5", "cortex5-lab", func(o world.Options) world.Vendor { return cortex.New5(o) }, false}}
}

// Variants are further values of [Options.Products]: other generations of a product, which
// "all" does not have.
func Variants() []string {
	var out []string
	for _, k := range variants() {
		out = append(out, k.product)
	}
	return out
}

// Products are the values of [Options.Products], without "all" and [Variants].
func Products() []string {
	out := []string{productS1}
	for _, k := range vendorKinds() {
		out = append(out, k.product)
	}
	return out
}

// has reports whether the world has a product.
func (o Options) has(product string) bool {
	return slices.Contains(o.Products, product) || slices.Contains(o.Products, "all")
}

// checkProducts says which product is not known.
func (o Options) checkProducts() error {
	for _, p := range o.Products {
		known := append(Products(), Variants()...)
		if p != "all" && !slices.Contains(known, p) {
			return fmt.Errorf("lab: %q is not a product (all, %s)", p, strings.Join(known, ", "))
		}
	}
	return nil
}

// guest is a vendor of a package of its own, as the lab serves it.
type guest struct {
	world.Vendor
	name, url string
	requests  atomic.Int64
}

// newGuests makes the vendors that the options ask for, all about the same files.
func (l *Lab) newGuests(c *corpus) []*guest {
	o := world.Options{
		Seed: l.opt.Seed, Alerts: max(l.opt.Alerts, 0), Files: c.shared(), Now: l.clock, NoteLag: l.opt.NoteLag,
		Echo: l.opt.Echo, FetchTime: max(l.opt.FetchTime, 0),
		Zip: func(w io.Writer, f world.File, password string) error {
			return pack(f, func(e []entry) error { return writeEncryptedZip(w, zipMethod(password), password, e) })
		},
		Seven: func(w io.Writer, f world.File, password string) error {
			return pack(f, func(e []entry) error { return writeSevenZip(w, password, e) })
		},
	}
	for _, s := range l.consoles {
		o.Findings = append(o.Findings, s.findings()...)
	}
	kinds := slices.DeleteFunc(vendorKinds(), func(k vendorKind) bool { return !l.opt.has(k.product) })
	for _, k := range variants() {
		if slices.Contains(l.opt.Products, k.product) {
			kinds = append(kinds, k)
		}
	}
	out := make([]*guest, len(kinds))
	for _, retelling := range []bool{false, true} {
		for i, k := range kinds {
			if k.retells != retelling {
				continue
			}
			o.Name = k.source
			out[i] = &guest{Vendor: k.make(o), name: k.source}
			if t, ok := out[i].Vendor.(world.Teller); ok {
				o.Findings = append(o.Findings, t.Findings()...)
			}
		}
	}
	return out
}

// zipMethod is the old cipher, as the vendors' samples have it.
func zipMethod(password string) string {
	if password == "" {
		return zipPlain
	}
	return zipCrypto
}

// pack reads a file whole and has it packed.
func pack(f world.File, write func([]entry) error) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	b, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	return write([]entry{{name: f.Name, content: b}})
}

// shared are the files of the world as other vendors see them.
func (c *corpus) shared() []world.File {
	out := make([]world.File, len(c.files))
	for i, f := range c.files {
		out[i] = world.File{Name: f.name, SHA256: f.sha256, SHA1: f.sha1, MD5: f.md5, Size: int64(f.size), Malicious: f.verdict == "malicious",
			Open: func() (io.ReadCloser, error) {
				if f.size <= contentBlock {
					return io.NopCloser(bytes.NewReader(c.content(i, f.size))), nil
				}
				r, w := io.Pipe() // a large file is never in memory; who closes r ends the writing
				go func() { _ = w.CloseWithError(c.writeContent(w, i, f.size)) }()
				return r, nil
			}}
	}
	return out
}

// count, writes and refuse make a guest a face.
func (g *guest) count() { g.requests.Add(1) }

func (g *guest) writes(r *http.Request) bool { return g.Writes(r) }

func (g *guest) refuse(w http.ResponseWriter, r *http.Request, status int, pick uint64) {
	g.Refuse(w, r, status, pick)
}

func (g *guest) state() SourceState {
	s := g.State()
	out := SourceState{Alerts: s.Alerts, Requests: int(g.requests.Load()), Notes: s.Notes, Fetches: s.Fetches, Downloads: s.Downloads,
		FetchesByThreat: map[string]int{}, Isolated: s.Isolated}
	if out.Isolated == nil {
		out.Isolated = []string{}
	}
	return out
}

type vendorCommand struct {
	Source string          `json:"source"`
	Verb   string          `json:"verb"`
	Body   json.RawMessage `json:"body"`
}

// ctlVendor passes a command on to a vendor, whose own the verbs are.
func (l *Lab) ctlVendor(c vendorCommand) (any, error) {
	var names []string
	for _, g := range l.guests {
		if g.name == c.Source {
			return map[string]bool{"ok": true}, g.Control(c.Verb, c.Body)
		}
		names = append(names, g.name)
	}
	return nil, fmt.Errorf("source %q is not a vendor with verbs of its own (%s)", c.Source, strings.Join(names, ", "))
}

// SourceNames are the names of the sources in the configuration.
func (l *Lab) SourceNames() []string {
	var out []string
	for _, c := range l.consoles {
		out = append(out, c.name)
	}
	for _, g := range l.guests {
		out = append(out, g.name)
	}
	return out
}
