package cli

import (
	"context"
	"fmt"

	"edrc/internal/ledger"
	"edrc/internal/safe"
)

// say writes a remark to stderr; vendor text in it is made safe.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintln(a.IO.Err, safe.Text(fmt.Sprintf(format, args...)))
}

// interruptible gives a context that ends at the first Ctrl-C: for commands that
// have nothing to finish.
func (a *app) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if a.Interrupt == nil {
		return ctx, cancel
	}
	go func() {
		select {
		case <-a.Interrupt:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// quotaText says what is left, as far as it is known.
func quotaText(q *ledger.Quota) string {
	left, limited := q.Left(0)
	switch {
	case q.Known && q.Limit < 0:
		return ", unlimited"
	case !limited:
		return ""
	}
	period := map[string]string{"monthly": " this month", "daily": " today", "weekly": " this week"}[q.Type]
	return fmt.Sprintf(", %d of %d left%s", left, q.Limit, period)
}
