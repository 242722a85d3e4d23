package cli

import (
	"context"
	"slices"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/respond"
	"edrc/internal/respond/aws"
	"edrc/internal/source"
	"edrc/internal/source/guardduty"
)

// isRef reports whether a word names an alert: neither ids nor names of roles and
// hosts have a colon, and an ARN says what it is.
func isRef(word string) bool {
	return strings.Contains(word, ":") && !strings.HasPrefix(word, "arn:")
}

// targets resolves what a person typed: ids, names, ARNs, and refs of alerts, which
// may name several.
func (r *responder) targets(ctx context.Context, v respond.Verb, words []string) ([]respond.Request, error) {
	var out []respond.Request
	for _, word := range words {
		found, err := r.resolve(ctx, v, word)
		if err != nil {
			return nil, err
		}
		for _, w := range found {
			w.Verb, w.Options, w.Reason, w.Case = v, r.f.options, r.f.reason, r.f.kase
			if !slices.ContainsFunc(out, func(o respond.Request) bool { return o.Target == w.Target }) {
				out = append(out, w)
			}
		}
	}
	return out, nil
}

func (r *responder) resolve(ctx context.Context, v respond.Verb, word string) ([]respond.Request, error) {
	switch {
	case isRef(word):
		return r.ofAlert(ctx, v, word)
	case v == respond.IsolateHost && strings.HasSuffix(word, "*"):
		return nil, r.whole(ctx, word)
	case v == respond.IsolateHost:
		return []respond.Request{{Target: respond.Target{Kind: respond.HostKind, ID: word, Source: r.f.source}}}, nil
	}
	t, err := aws.ParseTarget(v, word)
	t.Source = r.f.source
	return []respond.Request{{Target: t}}, err
}

// whole is the error for the beginning of a name: it may fit another host tomorrow.
func (r *responder) whole(ctx context.Context, word string) error {
	p, err := r.engine.Plan(ctx, respond.Request{Verb: respond.IsolateHost, Target: respond.Target{Kind: respond.HostKind, ID: word, Source: r.f.source}})
	if err != nil {
		return err // what there is, when it is several
	}
	return fault.Usagef("%q is %s now: name it whole", word, p.Target.Label())
}

// ofAlert gives what an alert names.
func (r *responder) ofAlert(ctx context.Context, v respond.Verb, word string) ([]respond.Request, error) {
	ref, err := r.svc.Expand(ctx, word)
	if err != nil {
		return nil, err
	}
	if ref, err = r.svc.AsAlert(ref); err != nil {
		return nil, err
	}
	src, err := r.svc.Source(ref.Source)
	if err != nil {
		return nil, err
	}
	finding := src.Kind() == guardduty.Kind
	switch {
	case v != respond.IsolateHost && !finding:
		if _, ok := src.(source.Alternative); ok {
			if d, err := r.svc.Get(ctx, ref, false); err == nil {
				return nil, source.Cannot(src, string(v), d.Alert)
			}
		}
		return nil, &fault.Error{Kind: fault.Unsupported, Source: ref.Source, Msg: string(v) + " takes findings of GuardDuty, and this is an alert of " + src.Kind(),
			Hint: "name the target itself, or isolate the host: edrc isolate host " + ref.String()}
	case v == respond.IsolateHost && finding:
		return nil, &fault.Error{Kind: fault.Unsupported, Source: ref.Source, Msg: "GuardDuty cannot isolate hosts",
			Hint: "isolate the instance's network interfaces, or its role: edrc isolate instance " + ref.String()}
	}
	d, err := r.svc.Get(ctx, ref, false)
	if err != nil {
		// source:ID may be how a message named a host.
		if v == respond.IsolateHost && fault.Is(err, fault.NotFound) {
			t := respond.Target{Kind: respond.HostKind, ID: ref.ID, Source: ref.Source}
			if _, perr := r.engine.Plan(ctx, respond.Request{Verb: v, Target: t}); perr == nil {
				return []respond.Request{{Target: t}}, nil
			}
		}
		return nil, err
	}
	targets := []respond.Target{hostTarget(d.Alert)}
	if finding {
		if targets, err = aws.Targets(v, d.Alert); err != nil {
			return nil, err
		}
	}
	var out []respond.Request
	for _, t := range targets {
		if t.ID == "" {
			return nil, fault.New(fault.NotFound, "%s names no host", ref).WithHint("name the host itself: edrc isolate host NAME")
		}
		t.Source = ref.Source
		out = append(out, respond.Request{Target: t, Alert: ref.String()})
	}
	return out, nil
}

func hostTarget(a alert.Alert) respond.Target {
	t := respond.Target{Kind: respond.HostKind, ID: a.Host.ID, Name: a.Host.Name}
	if t.ID == "" {
		t.ID = t.Name
	}
	return t
}
