package ledger

import (
	"iter"
	"time"

	"edrc/internal/alert"
)

// Tx is one transaction over the records: all reads see one moment, all writes
// happen or none does. It is valid inside the function it is given to only. It
// stands here, and not in its users, because scan, triage and every store must
// name the same type. A read that finds nothing gives nil and no error. Records
// returned are the caller's to change; nothing is stored until Put.
//
// Iterators visit in the order stated and must not be interleaved with writes to
// the same kind of record: collect first, then write.
type Tx interface {
	// Alert finds an alert by its immutable ID.
	Alert(source alert.SourceID, id string) (*Alert, error)
	AlertAt(AlertKey) (*Alert, error)
	PutAlert(*Alert) error
	// Alerts visits a source's alerts created in [from, to], oldest first; a zero
	// bound is open. An empty source visits all, source by source.
	Alerts(source alert.SourceID, from, to time.Time) iter.Seq2[*Alert, error]

	Job(JobKey) (*Job, error)
	// PutJob stores the job and keeps its place in the queue.
	PutJob(*Job) error
	// DueJobs gives at most n jobs that are not terminal, are due at now and that
	// nobody holds, by Urgency, highest first, then lowest rank, then oldest.
	DueJobs(engine string, now time.Time, n int) ([]*Job, error)
	// NextDue gives when the next job that is not due at now becomes so; zero when none is.
	NextDue(engine string, now time.Time) (time.Time, error)
	// ActiveBelow reports whether a job of a lower rank is Active.
	ActiveBelow(engine string, rank int) (bool, error)
	// Jobs visits every job of the engine ("" for all), in hash order.
	Jobs(engine string) iter.Seq2[*Job, error]

	// Want records that an alert waits for a job. It is idempotent.
	Want(JobKey, AlertKey) error
	// Wanting gives at most n alerts that wanted the job, after the given one (zero:
	// from the first), in key order.
	Wanting(k JobKey, after AlertKey, n int) ([]AlertKey, error)
	// PutFanout records how far the alerts of a judged job have been told: after is
	// the last one. Fanouts lists what is unfinished, oldest key first.
	PutFanout(k JobKey, after AlertKey) error
	DeleteFanout(JobKey) error
	Fanouts(engine string, n int) ([]Fanout, error)

	// Verdict finds a verdict under any hash known to be the file's (aliases).
	Verdict(engine string, h alert.Hash) (*VerdictRecord, error)
	// PutVerdict stores the verdict under its best hash, and makes every other hash
	// in it, and those in also, an alias: facts from bytes or from the engine only.
	PutVerdict(v *VerdictRecord, also ...alert.Hash) error
	DeleteVerdict(engine string, h alert.Hash) error
	Verdicts(engine string) iter.Seq2[*VerdictRecord, error]

	Effect(EffectKey) (*Effect, error)
	PutEffect(*Effect) error
	Effects(source alert.SourceID) iter.Seq2[*Effect, error]

	// PutOutgoing queues a note; DeleteOutgoing takes it off. Outgoing gives at most
	// n of a source after the given one (nil: from the first), by marker, then alert.
	PutOutgoing(*Outgoing) error
	DeleteOutgoing(*Outgoing) error
	Outgoing(source alert.SourceID, after *Outgoing, n int) ([]*Outgoing, error)

	Cursor(CursorKey) (*Cursor, error)
	PutCursor(*Cursor) error
	Cursors(source alert.SourceID) iter.Seq2[*Cursor, error]

	Lease(name string) (*Lease, error)
	PutLease(*Lease) error

	Quota(engine string) (*Quota, error)
	PutQuota(*Quota) error

	PutQuarantined(*Quarantined) error
	DeleteQuarantined(id string) error
	Quarantine() iter.Seq2[*Quarantined, error]

	// AlertsAfter, JobsAfter, VerdictsAfter and EffectsAfter visit all records behind a
	// key (zero: from the first), in key order: for who reads them page by page, and
	// lets others commit in between.
	AlertsAfter(AlertKey) iter.Seq2[*Alert, error]
	JobsAfter(JobKey) iter.Seq2[*Job, error]
	VerdictsAfter(JobKey) iter.Seq2[*VerdictRecord, error]
	EffectsAfter(EffectKey) iter.Seq2[*Effect, error]

	// DeleteAlert, DeleteEffect and DeleteJob forget a record, DeleteJob also who
	// wanted it; one that is not there is no error. Unwant undoes Want.
	DeleteAlert(AlertKey) error
	DeleteEffect(EffectKey) error
	DeleteJob(JobKey) error
	Unwant(JobKey, AlertKey) error

	// Meta and PutMeta keep small named strings: the time of the last sweep, the
	// names by which sources were last seen.
	Meta(key string) (string, error)
	PutMeta(key, value string) error
}

// Fanout is the telling of a verdict to the alerts that wait for it, unfinished.
type Fanout struct {
	Job   JobKey
	After AlertKey
}
