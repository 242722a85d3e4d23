package report

import (
	"fmt"
	"slices"
	"strings"

	"edrc/internal/fault"
)

// Options is what the user asked of the output, as the flags gave it.
type Options struct {
	Format   string   // -o, one of [Formats]; "" is table
	Columns  []string // --columns; none: those that are not wide
	Sort     string   // --sort, a column; "-age" descending
	JQ       string   // --jq, over the envelope
	Template string   // --template, over the envelope
	NoHeader bool     // --no-header, for table, wide and csv
}

// Validate checks the options before any work is done. known is the columns of
// the list that will be printed; nil when it is no list. Errors are of kind
// [fault.Usage] and name the flag, the nearest value and the list.
func (o Options) Validate(known []string) error {
	if !slices.Contains(Formats(), o.format()) {
		return unknown("-o", o.Format, "format", Formats())
	}
	if err := o.validateFilters(); err != nil {
		return err
	}
	if len(o.Columns) > 0 && !o.tabular() {
		return fault.Usagef("--columns goes with -o table, wide, csv or md, not with %s", o.other())
	}
	if known == nil && (len(o.Columns) > 0 || o.Sort != "") {
		return fault.Usagef("--columns and --sort go with lists; this is not one")
	}
	for _, name := range o.Columns {
		if !slices.Contains(known, key(name)) {
			return unknown("--columns", name, "column", known)
		}
	}
	if name, _ := o.sortKey(); o.Sort != "" && !slices.Contains(known, name) {
		return unknown("--sort", strings.TrimPrefix(o.Sort, "-"), "column", known)
	}
	return nil
}

func (o Options) validateFilters() error {
	if o.JQ == "" && o.Template == "" {
		return nil
	}
	if o.JQ != "" && o.Template != "" {
		return fault.Usagef("--jq and --template exclude each other")
	}
	if f := o.format(); f != Table && f != Wide && f != JSON {
		return fault.Usagef("--jq and --template read the json envelope: they do not go with -o %s", f)
	}
	if o.JQ != "" {
		_, err := compileJQ(o.JQ)
		return err
	}
	_, err := parseTemplate(o.Template, View{})
	return err
}

// Streams reports whether the output can be written item by item, by [Stream].
func (o Options) Streams() bool {
	return (o.format() == NDJSON || o.format() == CSV) && o.Sort == "" && !o.filtered()
}

// Machine reports whether a program reads the output, so that errors are JSON
// objects and remarks are left out.
func (o Options) Machine() bool {
	return o.filtered() || o.format() == JSON || o.format() == NDJSON
}

func (o Options) format() string {
	if o.Format == "" {
		return Table
	}
	return o.Format
}

func (o Options) filtered() bool { return o.JQ != "" || o.Template != "" }

func (o Options) tabular() bool {
	return !o.filtered() && slices.Contains([]string{Table, Wide, CSV, MD}, o.format())
}

// other names what --columns was combined with.
func (o Options) other() string {
	switch {
	case o.JQ != "":
		return "--jq"
	case o.Template != "":
		return "--template"
	}
	return "-o " + o.format()
}

// ErrorFormat is the format to give to [Error] beside this output: json where a
// program reads it, else table.
func (o Options) ErrorFormat() string {
	if o.Machine() {
		return JSON
	}
	return Table
}

func (o Options) sortKey() (name string, descending bool) {
	name, descending = strings.CutPrefix(o.Sort, "-")
	return key(name), descending
}

// key is how a column is looked up, whatever was typed.
func key(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// unknown is the error for a word that is not in a list.
func unknown(flag, word, what string, list []string) error {
	near := ""
	if n := Nearest(word, list); n != "" {
		near = fmt.Sprintf("; did you mean %q?", n)
	}
	return fault.Usagef("%s: %q is not a %s%s (%s)", flag, word, what, near, strings.Join(list, ", "))
}
