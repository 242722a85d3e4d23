package store

import (
	"bytes"

	"edrc/internal/ledger"
)

// DeleteAlert forgets an alert, wherever its ID was first stored.
func (t *tx) DeleteAlert(k ledger.AlertKey) error {
	id := alertID(k.Source, k.ID)
	created := t.get(kAlertIDs, id)
	if created == nil {
		return nil
	}
	at := key(nil).str(string(k.Source)).bytes(created).raw(k.ID)
	if err := t.del(kAlerts, at); err != nil {
		return err
	}
	return t.del(kAlertIDs, id)
}

// DeleteEffect forgets a note.
func (t *tx) DeleteEffect(k ledger.EffectKey) error { return t.del(kEffects, effectKey(k)) }

// DeleteJob forgets a file job, its places in the queue, and who wanted it.
func (t *tx) DeleteJob(k ledger.JobKey) error {
	old, err := t.Job(k)
	if err != nil {
		return err
	}
	for _, p := range formerPlaces(old) {
		if err := t.del(p.kind, p.at); err != nil {
			return err
		}
	}
	var wants []key
	for at := range t.scan(kWants, wantPrefix(k), nil) {
		wants = append(wants, bytes.Clone(at))
	}
	for _, at := range wants {
		if err := t.del(kWants, at); err != nil {
			return err
		}
	}
	if err := t.DeleteFanout(k); err != nil {
		return err
	}
	return t.del(kJobs, jobKey(k.Engine, k.Hash))
}

// Unwant records that an alert no longer waits for a job.
func (t *tx) Unwant(k ledger.JobKey, a ledger.AlertKey) error {
	return t.del(kWants, wantPrefix(k).alert(a))
}
