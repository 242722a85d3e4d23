package guardduty

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/source"
)

// ownCopy is the author of our copies: it says that they are not what GuardDuty has.
const ownCopy = "edrc (own copy)"

// batch is findings of one site that get the same feedback and comment in one request.
type batch struct {
	at                *site
	feedback, comment string
	ids               []string
	results           []int
}

// AddNote implements source.Noter: the comment of a finding's feedback. The API wants
// feedback with it and replaces both: what somebody found the finding stays, and USEFUL
// stands where nobody did; our earlier comments, of which [Env] has copies, are written
// again before the new one. Findings are read first, for that.
//
// Sending the same again changes nothing, so a request may be repeated below; when its
// answer stays out, the outcome is unknown.
func (c *Client) AddNote(ctx context.Context, text string, to ...alert.Handle) ([]source.NoteResult, error) {
	switch n := utf8.RuneCountInString(text); {
	case len(to) == 0:
		return nil, fault.New(fault.Invalid, "a note needs an alert")
	case strings.TrimSpace(text) == "":
		return nil, fault.New(fault.Invalid, "the note is empty")
	case n > noteMax:
		return nil, fault.New(fault.Invalid, "the note has %d characters, and may have %d", n, noteMax)
	}
	results := make([]source.NoteResult, len(to))
	for i, h := range to {
		results[i] = source.NoteResult{Handle: h, Outcome: source.NoteNotSent}
	}
	if ctx.Err() != nil {
		c.fail(results, source.NoteNotSent, c.conn.Explain(ctx.Err(), "", ""))
		return results, nil
	}
	found, bad, err := c.find(ctx, to)
	if err = joinBad(err, bad); err != nil {
		outcome := source.NoteNotSent
		if fault.Is(err, fault.Interrupted) {
			outcome = source.NoteUnknown // to repeat it is harmless, and to leave it is not
		}
		c.fail(results, outcome, err)
		return results, nil
	}
	for _, b := range c.batches(ctx, text, results, found) {
		c.send(ctx, b, results)
	}
	return results, nil
}

// fail gives every result one outcome.
func (c *Client) fail(results []source.NoteResult, outcome source.NoteOutcome, err error) {
	for i := range results {
		results[i].Outcome, results[i].Err = outcome, fault.At(err, c.name, "add note")
	}
}

// batches says what is to be sent where. Findings that are gone are refused.
func (c *Client) batches(ctx context.Context, text string, results []source.NoteResult, found map[string]located) []*batch {
	var out []*batch
	for i := range results {
		r := &results[i]
		l, ok := found[r.Handle.ID]
		if !ok {
			r.Outcome = source.NoteRefused
			r.Err = &fault.Error{Kind: fault.NotFound, Source: c.name, Op: "add note", Msg: "GuardDuty does not know this finding, or keeps it no longer"}
			continue
		}
		comment, err := c.comment(ctx, r.Handle.ID, text)
		if err != nil {
			r.Err = fault.At(err, c.name, "add note")
			continue
		}
		feedback := string(l.finding.Service.UserFeedback)
		if feedback != notUseful {
			feedback = useful
		}
		same := func(b *batch) bool {
			return b.at == l.at && b.feedback == feedback && b.comment == comment && len(b.ids) < maxIDs
		}
		at := slices.IndexFunc(out, same)
		if at < 0 {
			at, out = len(out), append(out, &batch{at: l.at, feedback: feedback, comment: comment})
		}
		out[at].ids, out[at].results = append(out[at].ids, string(l.finding.ID)), append(out[at].results, i)
	}
	return out
}

// comment is our earlier comments with the new one at the end, as many as there is room
// for, and keeps a copy of the new one first: a comment whose answer is lost stands there.
func (c *Client) comment(ctx context.Context, finding, text string) (string, error) {
	earlier, err := c.NoteCopies(ctx, finding)
	if err != nil {
		return "", fmt.Errorf("our copies of earlier comments cannot be read: %w", err)
	}
	kept := slices.ContainsFunc(earlier, func(n alert.Note) bool { return n.Text == text })
	if c.env.KeepNote != nil && !kept {
		if err := c.env.KeepNote(ctx, finding, alert.Note{Text: text, Author: ownCopy, Created: c.now().UTC()}); err != nil {
			return "", fmt.Errorf("a copy of the comment cannot be kept, and GuardDuty would not give it back: %w", err)
		}
	}
	return merge(earlier, text), nil
}

const between = "\n\n----\n\n"

// merge puts the new text last, where its marker is looked for.
func merge(earlier []alert.Note, text string) string {
	left := noteMax - utf8.RuneCountInString(text)
	for _, n := range slices.Backward(earlier) {
		if n.Text == text {
			continue
		}
		if left -= utf8.RuneCountInString(n.Text + between); left < 0 {
			break
		}
		text = n.Text + between + text
	}
	return text
}

// NoteCopies implements source.NoteCopier: our copies of the comments on a finding.
func (c *Client) NoteCopies(ctx context.Context, finding string) ([]alert.Note, error) {
	if c.env.Notes == nil {
		return nil, nil
	}
	return c.env.Notes(ctx, finding)
}

// send writes one batch and says what became of each of its notes.
func (c *Client) send(ctx context.Context, b *batch, results []source.NoteResult) {
	err := b.at.feedback(ctx, b.ids, b.feedback, b.comment)
	outcome := source.NoteUnknown
	switch fault.KindOf(err) {
	case fault.Auth, fault.RateLimited, fault.Usage:
		outcome = source.NoteNotSent
	case fault.Denied, fault.Invalid, fault.NotFound, fault.Unsupported:
		outcome = source.NoteRefused
	}
	if err == nil {
		outcome = source.NoteDone
	}
	for _, i := range b.results {
		results[i].Outcome, results[i].Err = outcome, fault.At(err, c.name, "add note")
	}
}
