package cortex

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"edrc/internal/fault"
	"edrc/internal/safe"
	"edrc/internal/source/lenient"
)

// actionState is where an action on one endpoint stands.
type actionState string

const (
	actionPending actionState = "pending"
	actionDone    actionState = "done"
	actionFailed  actionState = "failed"
	actionOver    actionState = "over" // it was cancelled, or its time is up: it may be started again
)

// actionStateOf maps the words of get_action_status. One that is not known is pending: it
// will be asked for again.
func actionStateOf(word string) actionState {
	switch strings.ToUpper(word) {
	case "COMPLETED_SUCCESSFULLY", "COMPLETED_PARTIAL":
		return actionDone
	case "FAILED":
		return actionFailed
	case "CANCELLED", "CANCELED", "ABORTED", "EXPIRED", "TIMEOUT":
		return actionOver
	}
	return actionPending
}

// started is the reply to an action on endpoints.
type started struct {
	Action text   `json:"action_id"`
	Count  *count `json:"endpoints_count"`
}

// start sends an action on one endpoint, and gives its id.
func (c *Client) start(ctx context.Context, q call) (string, error) {
	var said json.RawMessage
	if _, err := c.api.send(ctx, q, &said); err != nil {
		return "", err
	}
	var s started
	_ = json.Unmarshal(said, &s) // `true` alone is the answer of old tenants
	switch {
	case string(said) == "true":
		return "", nil
	case s.Count != nil && *s.Count == 0:
		return "", c.api.fault(fault.NotFound, q.Op, "the tenant started nothing: it found no such endpoint, or none that can do this")
	case !isNumber(string(s.Action)):
		return "", c.api.unclear(q, "the reply does not name the action")
	}
	return string(s.Action), nil
}

// action is where an action stands on one endpoint: in the vendor's words, too, and why.
type action struct {
	state actionState
	words string
	date  time.Time // of the reply
}

// action asks for it. An action that was started a moment ago knows of no endpoint yet,
// which is pending.
func (c *Client) action(ctx context.Context, op, id, endpoint string) (action, error) {
	var reply struct {
		Data    json.RawMessage `json:"data"`
		Reasons json.RawMessage `json:"errorReasons"` // UNCERTAIN
	}
	q := post(op, "actions/get_action_status", permEndpoints, map[string]any{"group_action_id": json.Number(id)})
	date, err := c.api.send(ctx, q, &reply)
	if err != nil {
		return action{}, err
	}
	word := lenient.Field(reply.Data, endpoint)
	words := append([]string{word}, reasons(lenient.Member(reply.Reasons, endpoint))...)
	return action{actionStateOf(word), safe.Line(strings.Join(words, "; ")), date}, nil
}

// reasons are the texts in what is told of a failure, whatever its shape.
func reasons(raw json.RawMessage) []string {
	if out := sayings(raw); len(out) > 0 {
		return out
	}
	for _, name := range []string{"errorText", "errorDescription", "error", "message"} {
		if s := lenient.Field(raw, name); s != "" {
			return []string{s}
		}
	}
	return nil
}
