package triage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/ledger"
	"edrc/internal/source"
)

// commit takes in a page; the progress stands in the last transaction, so a crash
// reads the page again and changes nothing by it.
func (p *puller) commit(ctx context.Context, pg source.Page, cur *ledger.Cursor) error {
	if p.onPage != nil {
		if err := p.onPage(ctx, pg.Alerts); err != nil {
			return err
		}
	}
	news, err := p.news(ctx, pg.Alerts)
	if err != nil {
		return err
	}
	for i := range pg.Alerts {
		p.ids.add(pg.Alerts[i].ID)
	}
	read := p.ids.len()
	p.sum.add(func(s *SourceSummary) { s.Alerts = max(s.Alerts, read) })
	for first := true; first || len(news) > 0; first = false {
		part := news[:min(chunk, len(news))]
		news = news[len(part):]
		if err := p.commitChunk(ctx, part, pg, cur, len(news) == 0); err != nil {
			return err
		}
	}
	p.observe(Event{Source: p.src.Name(), What: "alerts", Done: read})
	return nil
}

// news drops the alerts that are known and unchanged, without a write.
func (p *puller) news(ctx context.Context, as []alert.Alert) ([]*alert.Alert, error) {
	var out []*alert.Alert
	err := p.Store.View(ctx, func(tx ledger.Tx) error {
		out = out[:0]
		for i := range as {
			as[i].Handle.Source = p.sid
			is, err := known(tx, p.src, &as[i])
			if err != nil {
				return err
			}
			if !is {
				out = append(out, &as[i])
			}
		}
		return nil
	})
	return out, err
}

func (p *puller) commitChunk(ctx context.Context, part []*alert.Alert, pg source.Page, cur *ledger.Cursor, last bool) error {
	var newly, changes, skipped int
	err := p.Store.Update(ctx, max(1, len(part)), func(tx ledger.Tx) error {
		newly, changes, skipped = 0, 0, 0
		if err := checkLease(tx, p.lease); err != nil {
			return err
		}
		for _, a := range part {
			saw, err := p.ingest(tx, p.src, a, p.saw)
			if err != nil {
				return err
			}
			switch saw {
			case fresh:
				newly++
			case changed:
				changes++
			}
			if saw != unchanged && notOurs(a) != "" {
				skipped++
			}
		}
		if !last {
			return nil
		}
		if err := p.setAside(tx, pg.Bad); err != nil {
			return err
		}
		if p.lease != nil {
			if err := p.renew(tx, p.lease); err != nil {
				return err
			}
		}
		if cur.Source == "" { // --since and sweeps leave no trace
			return nil
		}
		return tx.PutCursor(cur)
	})
	if err == nil {
		p.sum.add(func(s *SourceSummary) {
			s.New += newly
			s.Changed += changes
			s.Skipped += skipped
			if last {
				s.Quarantined += len(pg.Bad)
			}
		})
	}
	return err
}

// setAside quarantines what could not be read; the watermark moves on.
func (p *puller) setAside(tx ledger.Tx, bad []source.BadItem) error {
	for _, b := range bad {
		q := &ledger.Quarantined{ID: quarantineID(p.sid, "alert", b.ID+b.Reason), Source: p.sid, Name: p.src.Name(),
			What: "alert", Alert: b.ID, Reason: b.Reason, At: p.Now()}
		if err := putQuarantined(tx, q); err != nil {
			return err
		}
	}
	return nil
}

// putQuarantined counts the same trouble up rather than listing it twice.
func putQuarantined(tx ledger.Tx, q *ledger.Quarantined) error {
	q.Count = 1
	for old, err := range tx.Quarantine() {
		if err != nil {
			return err
		}
		if old.ID == q.ID {
			q.Count = old.Count + 1
			break
		}
	}
	return tx.PutQuarantined(q)
}

func quarantineID(sid alert.SourceID, what, subject string) string {
	sum := sha256.Sum256([]byte(string(sid) + "\x00" + what + "\x00" + subject))
	return "Q-" + strings.ToUpper(hex.EncodeToString(sum[:4]))
}
