package wiz

import (
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

var instanceID = lazily(`^i-[0-9a-f]{8,17}$`)

// Instead says that Wiz cannot do something to an alert, and what can be done in its
// place: to "isolate a host" the action of the cloud that has it, to "fetch a file" the
// look-up of its hash. The error is fault.Unsupported.
func (c *Client) Instead(what string, h alert.Handle) error {
	e := &fault.Error{Kind: fault.Unsupported, Source: c.name, Msg: Kind + " cannot " + what, Hint: "see what each product can do: edrc sources"}
	r, ok := ResourceOf(h)
	switch {
	case strings.HasPrefix(what, "isolate") && ok && strings.EqualFold(r.Platform, "AWS") && instanceID().MatchString(r.ID):
		e.Hint = "act on it in AWS: instance " + r.ID
		if match(accountForm(), r.Account) != "" {
			e.Hint += ", account " + r.Account
		}
		if match(regionForm(), r.Region) != "" {
			e.Hint += ", region " + r.Region
		}
		e.Hint += "; `edrc isolate --help` names the command"
	case strings.HasPrefix(what, "isolate"):
		e.Hint = "Wiz blocks by response policies, which are set in its console; otherwise act on the resource in its cloud"
	case strings.HasPrefix(what, "fetch"):
		e.Hint = "Wiz hands over no files: the hash is looked up and analysed without it, and another source on the same host may have the file"
	}
	return e
}

var accountForm = lazily(`^\d{12}$`)

// unannotated is the error for a detection that belongs to no threat.
func (c *Client) unannotated(op, what string) error {
	e := source.Unsupported(c, what+" a detection that belongs to no threat (MATCH_ONLY): it has neither notes nor a status")
	return fault.At(e, c.name, op)
}
