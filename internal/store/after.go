package store

import (
	"iter"

	"edrc/internal/ledger"
)

// behind gives where the visit of what follows a key begins; a zero key is nothing's.
func behind[K comparable](k K, at func(K) key) key {
	var zero K
	if k == zero {
		return nil
	}
	return at(k).after()
}

func behindJob(k ledger.JobKey) key {
	return behind(k, func(k ledger.JobKey) key { return jobKey(k.Engine, k.Hash) })
}

// AlertsAfter visits every source's alerts behind a key, by source, time and id.
func (t *tx) AlertsAfter(k ledger.AlertKey) iter.Seq2[*ledger.Alert, error] {
	return each(t, kAlerts, nil, behind(k, key(nil).alert), fixAlert)
}

// JobsAfter visits every engine's jobs behind a key, by engine, then hash.
func (t *tx) JobsAfter(k ledger.JobKey) iter.Seq2[*ledger.Job, error] {
	return each(t, kJobs, nil, behindJob(k), fixJob)
}

// VerdictsAfter visits every engine's verdicts behind a key, by engine, then hash.
func (t *tx) VerdictsAfter(k ledger.JobKey) iter.Seq2[*ledger.VerdictRecord, error] {
	return each[ledger.VerdictRecord](t, kVerdicts, nil, behindJob(k), nil)
}

// EffectsAfter visits every source's notes behind a key, by container, then marker.
func (t *tx) EffectsAfter(k ledger.EffectKey) iter.Seq2[*ledger.Effect, error] {
	return each(t, kEffects, nil, behind(k, effectKey), fixEffect)
}
