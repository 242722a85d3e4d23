package source

import (
	"context"
	"time"

	"edrc/internal/alert"
)

// Containment says how a host is to be isolated.
type Containment struct {
	// Mode is the product's own word; "" is what the product calls isolation.
	Mode string
}

// Operation is a change that a product has accepted.
type Operation struct {
	ID string // "" when the product gives none
}

// IsolationState is where a host stands on its way into isolation or out of it.
type IsolationState string

// The states.
const (
	IsolationNone      IsolationState = "none"
	IsolationIsolating IsolationState = "isolating"
	IsolationIsolated  IsolationState = "isolated"
	IsolationReleasing IsolationState = "releasing"
	IsolationUnknown   IsolationState = "unknown"
)

// Isolation is what a product tells of a host now. Since and By are zero where it
// does not tell them.
type Isolation struct {
	State     IsolationState
	Reachable bool
	Since     time.Time
	By        string
}

// Isolator cuts a host off the network, and lets it back. Accepted is not done: only
// Isolation tells what the host's state is.
type Isolator interface {
	Isolate(ctx context.Context, h alert.Host, c Containment) (Operation, error)
	Release(ctx context.Context, h alert.Host) (Operation, error)
	Isolation(ctx context.Context, h alert.Host, op Operation) (Isolation, error)
}
