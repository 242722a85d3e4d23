package respond

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/safe"
	"edrc/internal/source"
)

// hostStep is the kind of the one step of a host's isolation.
const hostStep = "host.isolation/v1"

type hostData struct {
	Source string     `json:"source"` // by its name in the configuration
	Host   alert.Host `json:"host"`   // id and name
	Mode   string     `json:"mode,omitempty"`
}

// hostResult is what the product gave for the last request.
type hostResult struct {
	Operation string `json:"operation,omitempty"`
}

// Hosts is the driver for hosts, over the products that watch them.
type Hosts struct{ Sources []source.Source }

var _ Driver = Hosts{}

// isolator is a source that can do all that isolation needs.
type isolator struct {
	source.Source
	source.Isolator
	source.HostFinder
}

func asIsolator(s source.Source) (isolator, bool) {
	i, can := s.(source.Isolator)
	f, finds := s.(source.HostFinder)
	return isolator{s, i, f}, can && finds
}

// named gives the sources that a target may be in: the one it names, else all that
// can isolate.
func (d Hosts) named(t Target) ([]isolator, error) {
	name := t.Source
	var out []isolator
	for _, s := range d.Sources {
		if name != "" && s.Name() != name {
			continue
		}
		i, ok := asIsolator(s)
		switch {
		case ok:
			out = append(out, i)
		case name != "":
			return nil, source.Cannot(s, "isolate hosts", alert.Alert{Host: alert.Host{ID: t.ID, Name: t.Name}})
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case name != "":
		return nil, fault.New(fault.NotFound, "no source is called %q", name).WithHint("see the configured ones: edrc sources")
	}
	return nil, fault.New(fault.Unsupported, "no configured source can isolate hosts").WithHint("see what each can do: edrc sources")
}

// find gives the one host that the target means.
func (d Hosts) find(ctx context.Context, t Target) (isolator, alert.Host, error) {
	sources, err := d.named(t)
	if err != nil {
		return isolator{}, alert.Host{}, err
	}
	type found struct {
		s isolator
		h alert.Host
	}
	var all []found
	for _, s := range sources {
		for h, err := range s.FindHosts(ctx, t.ID) {
			if err != nil {
				return isolator{}, alert.Host{}, fault.At(err, s.Name(), "find the host")
			}
			if h.ID == t.ID {
				return s, h, nil
			}
			all = append(all, found{s, h})
		}
	}
	switch len(all) {
	case 0:
		return isolator{}, alert.Host{}, unknownHost(ctx, sources, t.ID)
	case 1:
		return all[0].s, all[0].h, nil
	}
	var names []string
	for _, f := range all {
		names = append(names, f.s.Name()+":"+f.h.ID+" ("+f.h.Name+")")
	}
	return isolator{}, alert.Host{}, fault.Usagef("%q is %d hosts: %s", t.ID, len(all), strings.Join(names, ", ")).WithHint("name one by its id")
}

// mostNear is how many hosts a message lists that begin as an unknown name does.
const mostNear = 6

// unknownHost says that no host is called so, and which begin alike.
func unknownHost(ctx context.Context, sources []isolator, name string) error {
	err := fault.New(fault.NotFound, "no host is called %q", safe.Line(name))
	var near []string
	start := []rune(strings.TrimSuffix(name, "*"))
	for n := len(start) - 1; n >= 2 && len(near) == 0; n /= 2 {
		for _, s := range sources {
			for h, err := range s.FindHosts(ctx, string(start[:n])+"*") {
				if err != nil || len(near) == mostNear {
					break
				}
				near = append(near, safe.Line(h.Name))
			}
		}
	}
	if len(near) == 0 {
		return err.WithHint("it is the computer's whole name, or the product's id of it")
	}
	return err.WithHint("it is the computer's whole name, or the product's id of it. There is %s", strings.Join(near, ", "))
}

// Plan implements [Driver].
func (d Hosts) Plan(ctx context.Context, r Request) (Plan, error) {
	s, h, err := d.find(ctx, r.Target)
	if err != nil {
		return Plan{}, err
	}
	now, err := s.Isolation(ctx, h, source.Operation{})
	if err != nil {
		return Plan{}, fault.At(err, s.Name(), "read the host's isolation")
	}
	p := Plan{Target: Target{Kind: HostKind, ID: h.ID, Name: h.Name, Source: s.Name()}, Severe: true,
		Undo:  "the product lets the host back on the network: edrc undo " + r.Action + ", or edrc release host",
		Prior: []Fact{{"isolation", string(now.State)}}, Blast: []Fact{{"host", strings.TrimSpace(h.Name + " " + h.OS)}}}
	if !now.Reachable && (h.Reachable == nil || !*h.Reachable) {
		p.Warnings = append(p.Warnings, "the host does not seem to be connected now: it is isolated when it next connects")
	}
	switch now.State {
	case source.IsolationIsolated, source.IsolationIsolating:
		p.Already = "already " + string(now.State) + byWhom(now)
		return p, nil
	case source.IsolationReleasing:
		return Plan{}, fault.New(fault.Conflict, "%s is being released now%s", h.Name, byWhom(now)).WithHint("wait until that is over, then ask again")
	case source.IsolationUnknown:
		p.Warnings = append(p.Warnings, "the product does not say whether the host is isolated now")
	}
	p.Warnings = append(p.Warnings, "whoever works on the host loses the network; the product itself keeps its connection")
	data, err := json.Marshal(hostData{s.Name(), alert.Host{ID: h.ID, Name: h.Name}, r.Options.Mode})
	p.Steps = []Step{{Kind: hostStep, Title: "isolate host " + h.Name, Data: data}}
	return p, err
}

func byWhom(i source.Isolation) string {
	out := ""
	if i.By != "" {
		out += ", by " + i.By
	}
	if !i.Since.IsZero() {
		out += ", since " + i.Since.UTC().Format(time.RFC3339)
	}
	return out
}

// open reads a step.
func (d Hosts) open(s Step) (isolator, hostData, source.Operation, error) {
	var data hostData
	var op source.Operation
	if s.Kind != hostStep {
		return isolator{}, data, op, fault.New(fault.Unsupported, "this edrc does not know steps of kind %q", s.Kind).WithHint("use the edrc that planned it, or a newer one")
	}
	if err := json.Unmarshal(s.Data, &data); err != nil {
		return isolator{}, data, op, fault.New(fault.Corrupt, "the step cannot be read: %w", err)
	}
	if s.Result != nil {
		var r hostResult
		if err := json.Unmarshal(s.Result, &r); err != nil {
			return isolator{}, data, op, fault.New(fault.Corrupt, "the step's result cannot be read: %w", err)
		}
		op.ID = r.Operation
	}
	all, err := d.named(Target{Source: data.Source, ID: data.Host.ID, Name: data.Host.Name})
	if err != nil {
		return isolator{}, data, op, err
	}
	return all[0], data, op, nil
}

// Do implements [Driver].
func (d Hosts) Do(ctx context.Context, s Step, dir Direction) (Outcome, error) {
	src, data, _, err := d.open(s)
	if err != nil {
		return Outcome{}, err
	}
	var op source.Operation
	if dir == Revert {
		op, err = src.Release(ctx, data.Host)
	} else {
		op, err = src.Isolate(ctx, data.Host, source.Containment{Mode: data.Mode})
	}
	if err != nil {
		return Outcome{}, fault.At(err, src.Name(), string(dir)+" the isolation")
	}
	result, err := json.Marshal(hostResult{op.ID})
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{State: Pending, Result: result}, nil // Read says when it is done
}

// Read implements [Driver].
func (d Hosts) Read(ctx context.Context, s Step) (Reading, error) {
	src, data, op, err := d.open(s)
	if err != nil {
		return Reading{}, err
	}
	i, err := src.Isolation(ctx, data.Host, op)
	if err != nil {
		return Reading{State: Unknown}, fault.At(err, src.Name(), "read the host's isolation")
	}
	out := Reading{Detail: fmt.Sprintf("the host is %s%s", hostWord(i.State), byWhom(i)), Since: i.Since, By: i.By}
	switch i.State {
	case source.IsolationNone:
		out.State = Prior
	case source.IsolationReleasing:
		out.State, out.Pending = Prior, true
	case source.IsolationIsolated:
		out.State = Applied
	case source.IsolationIsolating:
		out.State, out.Pending = Applied, true
	default:
		out.State = Unknown
	}
	if out.Pending && !i.Reachable {
		out.Offline = true
		out.Detail += "; it is not connected"
	}
	return out, nil
}

func hostWord(s source.IsolationState) string {
	if s == source.IsolationNone {
		return "not isolated"
	}
	return string(s)
}
