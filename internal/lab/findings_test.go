package lab

import (
	"slices"
	"testing"

	"edrc/internal/lab/world"
)

func TestVendorsTellOthersOfTheirOpenAlerts(t *testing.T) {
	l := startAll(t, Options{Seed: 4, Alerts: 100, Files: 24})
	told := l.consoles[0].findings()
	for _, name := range []string{"falcon-lab", "aws-lab"} {
		told = append(told, l.guest(t, name).Vendor.(world.Teller).Findings()...)
	}
	var products, ids []string
	for _, f := range told {
		if f.ID == "" || f.Title == "" || f.Host == "" || f.Created.IsZero() || !slices.Contains([]string{"critical", "high", "medium", "low", "info"}, f.Severity) {
			t.Errorf("%+v", f)
		}
		if f.Product == "aws" && (f.Account == "" || f.Region == "" || f.Instance == "") {
			t.Errorf("where is it? %+v", f)
		}
		products, ids = append(products, f.Product), append(ids, f.ID)
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != len(told) {
		t.Error("an alert is told twice")
	}
	for _, p := range []string{"s1", "falcon", "aws"} {
		if !slices.Contains(products, p) {
			t.Errorf("%s tells nothing", p)
		}
	}
}

func TestVendorsKeepTheirOrderThoughOneIsMadeLast(t *testing.T) {
	l := startAll(t, Options{Seed: 4, Alerts: 5, Files: 8})
	var names []string
	for _, k := range vendorKinds() {
		names = append(names, k.source)
	}
	var got []string
	for _, g := range l.guests {
		got = append(got, g.name)
	}
	if !slices.Equal(got, names) {
		t.Errorf("%q, want %q", got, names)
	}
}
