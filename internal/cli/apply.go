package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"edrc/internal/fault"
	"edrc/internal/respond"
)

// maxPlans bounds a file of plans, in bytes.
const maxPlans = 16 << 20

func newApply(a *app) *cobra.Command {
	var f responseFlags
	c := &cobra.Command{
		Use: "apply FILE|-", Short: "Carry out plans that were saved, if nothing has changed since",
		Long: `Apply reads what edrc plan … -o json wrote. Each target is planned again: when that
gives other steps than were saved, nothing is done.`,
		Example: "  edrc plan isolate role web-prod --reason IR-2231 -o json > p.json\n  edrc apply p.json",
		Args:    exact(1, "the file of a plan, or - for stdin"),
		RunE: func(cmd *cobra.Command, args []string) error {
			plans, err := readPlans(a.IO.In, args[0])
			if err != nil {
				return err
			}
			r, err := a.responder(cmd, outcomeNames(), f)
			if err != nil {
				return err
			}
			return r.applyAll(cmd, plans)
		},
	}
	fl := c.Flags()
	f.confirming(fl)
	f.sharing(fl)
	f.confining(fl)
	f.noting(fl)
	return c
}

func (r *responder) applyAll(cmd *cobra.Command, plans []respond.Plan) error {
	ctx := cmd.Context()
	if n := r.limit(); len(plans) > n {
		return tooManyTargets(len(plans), n)
	}
	var done []outcome
	var errs []error
	for _, p := range plans {
		if err := ctx.Err(); err != nil {
			errs = append(errs, err)
			break
		}
		if err := r.outside(p); err != nil {
			errs = append(errs, err)
			continue
		}
		o, err := r.apply(ctx, p)
		done = append(done, o)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return r.report(ctx, done, errs)
}

// readPlans reads an envelope of plans, one plan, or one a line.
func readPlans(in io.Reader, file string) ([]respond.Plan, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fault.Usagef("%v", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxPlans+1))
	if err != nil || len(b) > maxPlans {
		return nil, fault.Usagef("%s cannot be read as plans: %w", file, errors.Join(err, tooLong(len(b))))
	}
	var out []respond.Plan
	for d := json.NewDecoder(bytes.NewReader(unveil(b))); ; {
		var doc json.RawMessage
		if err := d.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, notPlans(file)
		}
		found, err := plansIn(doc)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	if len(out) == 0 {
		return nil, notPlans(file)
	}
	return out, nil
}

func tooLong(n int) error {
	if n > maxPlans {
		return errors.New("it is longer than 16 MiB")
	}
	return nil
}

func notPlans(file string) error {
	return fault.Usagef("%s holds no plan", file).WithHint("write one with: edrc plan … -o json > p.json")
}

func plansIn(doc json.RawMessage) ([]respond.Plan, error) {
	docs := []json.RawMessage{doc}
	var envelope struct {
		Schema string            `json:"schema"`
		Items  []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(doc, &envelope) == nil && envelope.Schema == "edrc.plans/v1" {
		docs = envelope.Items
	}
	var out []respond.Plan
	for _, d := range docs {
		p, err := respond.ReadPlan(d)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// unveil writes characters that json output shows as \u… as themselves again: a
// plan's digest is of its steps byte by byte. What JSON must escape stays so.
func unveil(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, n := escaped(b)
		switch {
		case n == 0 && b[0] == '\\' && len(b) > 1:
			out, b = append(out, b[:2]...), b[2:]
		case n == 0:
			out, b = append(out, b[0]), b[1:]
		case unicode.Is(unicode.C, r) && r > 0x7e && r != unicode.ReplacementChar:
			out, b = append(out, string(r)...), b[n:]
		default:
			out, b = append(out, b[:n]...), b[n:]
		}
	}
	return out
}

// escaped reads \uXXXX, or two of them that are one character; n is 0 when b does not
// begin with one.
func escaped(b []byte) (r rune, n int) {
	one := func(b []byte) (rune, bool) {
		if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
			return 0, false
		}
		v, err := strconv.ParseUint(string(b[2:6]), 16, 32)
		return rune(v), err == nil
	}
	high, ok := one(b)
	if !ok {
		return 0, 0
	}
	if low, ok := one(b[6:]); ok && utf16.IsSurrogate(high) {
		return utf16.DecodeRune(high, low), 12
	}
	return high, 6
}
