package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/ledger"
)

func verdictPages(t *testing.T, b Backend) {
	want := []ledger.JobKey{{Engine: "d", Hash: strong}, {Engine: "e", Hash: md5}, {Engine: "e", Hash: strong}, {Engine: "e", Hash: strong2}}
	update(t, b, func(tx ledger.Tx) error {
		for _, k := range want {
			v := &ledger.VerdictRecord{Engine: k.Engine, Verdict: alert.Verdict{Class: alert.Trusted, Hashes: alert.NewHashes(string(k.Hash))}}
			if err := tx.PutVerdict(v); err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortFunc(want, func(a, b ledger.JobKey) int {
		return slices.Compare([]string{a.Engine, string(a.Hash)}, []string{b.Engine, string(b.Hash)})
	})
	var got []ledger.JobKey
	view(t, b, func(tx ledger.Tx) error {
		for {
			page, last := 0, ledger.JobKey{}
			if len(got) > 0 {
				last = got[len(got)-1]
			}
			for v, err := range tx.VerdictsAfter(last) {
				if err != nil {
					return err
				}
				got = append(got, v.Key())
				if page++; page == 3 {
					break
				}
			}
			if page < 3 {
				return nil
			}
		}
	})
	if !slices.Equal(got, want) {
		t.Errorf("paged %v, want %v", got, want)
	}
}

func forgotten(t *testing.T, b Backend) {
	a, other := newAlert("s", "1", at(1)), newAlert("s", "2", at(1))
	j, kept := newJob("e", strong, alert.High, at(0)), newJob("e", strong2, alert.Low, at(1))
	e := &ledger.Effect{EffectKey: ledger.EffectKey{Source: "s", Container: "1", Marker: "m"}, State: ledger.EffectDone}
	update(t, b, func(tx ledger.Tx) error {
		return errors.Join(tx.PutAlert(a), tx.PutAlert(other), tx.PutJob(j), tx.PutJob(kept), tx.PutEffect(e),
			tx.Want(j.Key, a.Key()), tx.Want(j.Key, other.Key()), tx.Want(kept.Key, a.Key()), tx.Want(kept.Key, other.Key()),
			tx.PutFanout(j.Key, a.Key()))
	})
	wrong := a.Key()
	wrong.Created = at(9) // the ID is the identity, not the time
	update(t, b, func(tx ledger.Tx) error {
		return errors.Join(tx.DeleteAlert(wrong), tx.DeleteEffect(e.EffectKey), tx.DeleteJob(j.Key), tx.Unwant(kept.Key, a.Key()),
			tx.DeleteAlert(ledger.AlertKey{Source: "s", ID: "never"}), tx.DeleteJob(ledger.JobKey{Engine: "e", Hash: md5}),
			tx.DeleteEffect(ledger.EffectKey{Source: "x"}), tx.Unwant(j.Key, a.Key()))
	})
	view(t, b, func(tx ledger.Tx) error {
		byID, err1 := tx.Alert("s", "1")
		left, err2 := ids(tx, "s", time.Time{}, time.Time{})
		job, err3 := tx.Job(j.Key)
		due, err4 := tx.DueJobs("e", at(5), 5)
		w1, err5 := tx.Wanting(j.Key, ledger.AlertKey{}, 5)
		w2, err6 := tx.Wanting(kept.Key, ledger.AlertKey{}, 5)
		fans, err7 := tx.Fanouts("e", 5)
		effect, err8 := tx.Effect(e.EffectKey)
		if byID != nil || !slices.Equal(left, []string{"2"}) || job != nil || effect != nil || len(fans) != 0 {
			t.Errorf("still there: %v %v %v %v %v", byID, left, job, effect, fans)
		}
		if len(due) != 1 || due[0].Key != kept.Key || len(w1) != 0 || len(w2) != 1 || w2[0].ID != "2" {
			t.Errorf("due %v, wanting %v and %v", due, w1, w2)
		}
		return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8)
	})
	update(t, b, func(tx ledger.Tx) error { return tx.PutAlert(newAlert("s", "1", at(7))) })
	view(t, b, func(tx ledger.Tx) error {
		again, err := tx.Alert("s", "1")
		if err == nil && (again == nil || !again.Created.Equal(at(7))) {
			t.Errorf("an alert that comes back is taken for the old one: %+v", again)
		}
		return err
	})
}

// paged reads records two at a time, each page behind the last key.
func paged[R any, K comparable](t *testing.T, b Backend, after func(ledger.Tx, K) func(func(*R, error) bool), key func(*R) K) (keys []K) {
	t.Helper()
	for last, n := *new(K), 2; n == 2; {
		n = 0
		view(t, b, func(tx ledger.Tx) error {
			for r, err := range after(tx, last) {
				if err != nil {
					return err
				}
				keys = append(keys, key(r))
				if n++; n == 2 {
					break
				}
			}
			return nil
		})
		if len(keys) > 0 {
			last = keys[len(keys)-1]
		}
	}
	return keys
}

func recordPages(t *testing.T, b Backend) {
	var alerts []ledger.AlertKey
	var jobs []ledger.JobKey
	var effects []ledger.EffectKey
	update(t, b, func(tx ledger.Tx) error {
		for _, s := range []string{"a", "a\x00", "b"} {
			for i, id := range []string{"1", "1\x00", "2"} {
				a := newAlert(s, id, at(i))
				j := newJob(s, hash(40, id[:1]+string(rune('3'+i))), alert.Low, at(i))
				e := &ledger.Effect{EffectKey: ledger.EffectKey{Source: alert.SourceID(s), Container: id, Marker: "m"}, State: ledger.EffectDone}
				alerts, jobs, effects = append(alerts, a.Key()), append(jobs, j.Key), append(effects, e.EffectKey)
				if err := errors.Join(tx.PutAlert(a), tx.PutJob(j), tx.PutEffect(e)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	gotA := paged(t, b, func(tx ledger.Tx, k ledger.AlertKey) func(func(*ledger.Alert, error) bool) { return tx.AlertsAfter(k) }, (*ledger.Alert).Key)
	gotJ := paged(t, b, func(tx ledger.Tx, k ledger.JobKey) func(func(*ledger.Job, error) bool) { return tx.JobsAfter(k) }, func(j *ledger.Job) ledger.JobKey { return j.Key })
	gotE := paged(t, b, func(tx ledger.Tx, k ledger.EffectKey) func(func(*ledger.Effect, error) bool) {
		return tx.EffectsAfter(k)
	}, func(e *ledger.Effect) ledger.EffectKey { return e.EffectKey })
	if !slices.Equal(gotA, alerts) || !slices.Equal(gotJ, jobs) || !slices.Equal(gotE, effects) {
		t.Errorf("paged\n%v\n%v\n%v, want\n%v\n%v\n%v", gotA, gotJ, gotE, alerts, jobs, effects)
	}
}
