package defender

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source/lenient"
)

// action is the part of a MachineAction that edrc reads.
type action struct {
	ID        text                 `json:"id"`
	Type      text                 `json:"type"` // Isolate, Unisolate, LiveResponse, …
	Status    text                 `json:"status"`
	Comment   text                 `json:"requestorComment"`
	Requestor text                 `json:"requestor"`
	MachineID text                 `json:"machineId"`
	Created   stamp                `json:"creationDateTimeUtc"`
	Updated   stamp                `json:"lastUpdateDateTimeUtc"`
	ListTime  stamp                `json:"lastUpdateTimeUtc"` // as lists call it
	Commands  list[commandOutcome] `json:"commands"`
}

// commandOutcome is one command of a live response.
type commandOutcome struct {
	Index  count      `json:"index"`
	Status text       `json:"commandStatus"` // Created, Completed, Failed
	Errors list[text] `json:"errors"`
}

// under reports that the action has not ended.
func (a action) under() bool {
	return slices.ContainsFunc([]string{"Pending", "InProgress"}, a.is)
}

func (a action) is(status string) bool { return strings.EqualFold(string(a.Status), status) }

func (a action) of(kind string) bool { return strings.EqualFold(string(a.Type), kind) }

func (a action) changed() time.Time { return lenient.First(a.Updated, a.ListTime, a.Created) }

// action reads one action.
func (c *Client) action(ctx context.Context, op, id string) (action, time.Time, error) {
	if !isID(id) {
		return action{}, time.Time{}, c.mde.fault(fault.NotFound, op, "this is not an action of Defender for Endpoint")
	}
	resp, err := c.mde.do(ctx, call{httpx.Request{Op: op, Path: "/machineactions/" + url.PathEscape(id)}, permMachines})
	if err != nil {
		return action{}, time.Time{}, err
	}
	a, err := c.readAction(op, resp)
	return a, resp.Date, err
}

func (c *Client) readAction(op string, resp *httpx.Response) (action, error) {
	var a action
	if err := resp.Decode(&a); err != nil {
		return action{}, err
	}
	if a.ID == "" || a.Status == "" {
		return action{}, c.mde.fault(fault.Unavailable, op, "the reply is not an action")
	}
	return a, nil
}

// actions reads all actions of a machine, the newest first.
func (c *Client) actions(ctx context.Context, op, machine string) ([]action, error) {
	if !isID(machine) {
		return nil, c.mde.fault(fault.NotFound, op, "this is not a machine of Defender for Endpoint")
	}
	list := call{httpx.Request{Op: op, Path: "/machineactions", Query: url.Values{"$filter": {"machineId eq '" + machine + "'"}}}, permMachines}
	var out []action
	var unreadable bool
	err := c.mde.pages(ctx, list, func(p page) bool {
		for _, raw := range p.items {
			var a action
			if json.Unmarshal(raw, &a) != nil {
				unreadable = true
				return false
			}
			// A filter that is not obeyed must not show another machine's state.
			if strings.EqualFold(string(a.MachineID), machine) {
				out = append(out, a)
			}
		}
		return true
	})
	if err == nil && unreadable {
		err = c.mde.fault(fault.Unavailable, op, "an action cannot be read")
	}
	slices.SortStableFunc(out, func(a, b action) int { return b.Created.Compare(a.Created.Time) })
	return out, err
}
