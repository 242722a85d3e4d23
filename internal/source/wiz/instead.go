package wiz

import (
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/safe"
	"edrc/internal/source"
)

var instanceID = safe.Pattern(`^i-[0-9a-f]{8,17}$`)

// Instead implements source.Alternative: to isolate a host there are the actions of the
// cloud that has it, to fetch a file the look-up of its hash, and to note a detection
// that cannot be noted other alerts.
func (c *Client) Instead(what string, about alert.Alert) error {
	e := &fault.Error{Kind: fault.Unsupported, Source: c.name, Msg: Kind + " cannot " + what, Hint: "see what each product can do: edrc sources"}
	switch {
	case strings.HasPrefix(what, "isolate"):
		e.Hint = contain(about)
	case strings.HasPrefix(what, "take a note"):
		e.Hint = "a detection that belongs to no threat (MATCH_ONLY) has no notes: write them on another alert of the same host or file"
	case strings.HasPrefix(what, "fetch"):
		e.Hint = "Wiz hands over no files: the hash is looked up and analysed without it, and another source on the same host may have the file"
	}
	return e
}

// contain names the actions on the instance that an alert is about; the alert's host is
// called by its id.
func contain(about alert.Alert) string {
	r, known := ResourceOf(about.Handle)
	id := match(instanceID(), about.Host.ID)
	if known && strings.EqualFold(r.Platform, "AWS") && id == "" {
		id = match(instanceID(), r.ID)
	}
	if id == "" {
		return "Wiz blocks by response policies, which are set in its console; otherwise act on the resource in its cloud"
	}
	where := ""
	if account := match(accountForm(), r.Account); account != "" {
		where += ", account " + account
	}
	if region := match(regionForm(), r.Region); region != "" {
		where += ", region " + region
	}
	return "act on the instance in AWS" + where + ": edrc isolate instance " + id + ", or on its role: edrc isolate role " + id
}

var accountForm = safe.Pattern(`^\d{12}$`)

// unannotated is the error for a detection that belongs to no threat.
func (c *Client) unannotated(op, what string) error {
	e := source.Unsupported(c, what+" a detection that belongs to no threat (MATCH_ONLY): it has neither notes nor a status")
	return fault.At(e, c.name, op)
}
