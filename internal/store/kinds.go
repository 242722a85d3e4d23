package store

import "go.etcd.io/bbolt"

// kind is one bucket. The primary ones hold what cannot be derived; the rest are
// indexes that are rebuilt from them when a damaged store is salvaged.
type kind int

// The buckets, in the order in which they are salvaged: verdicts first, because
// they are what was paid for.
const (
	kVerdicts kind = iota
	kAliases
	kAlerts
	kJobs
	kEffects
	kWants
	kFanouts
	kOutgoing
	kQuotas
	kQuarantine
	kValues
	kLeases
	kCursors
	kAlertIDs // index: (source, id) to the time in the alert's key
	kQueue    // index: jobs to do, see queue.go
	kActive   // index: jobs the engine may be paid for, by rank
	kMeta     // the schema
	kinds
)

const indexesFrom = kAlertIDs

// name gives the bucket's name in the file.
func (k kind) name() []byte {
	return []byte([kinds]string{
		"verdicts", "aliases", "alerts", "jobs", "effects", "wants", "fanouts", "outgoing", "quotas",
		"quarantine", "values", "leases", "cursors", "alert_ids", "queue", "active", "meta",
	}[k])
}

// buckets are the open buckets of one transaction; nil where the file has none.
type buckets [kinds]*bbolt.Bucket

func openBuckets(btx *bbolt.Tx) (bs buckets) {
	for k := range kinds {
		bs[k] = btx.Bucket(k.name())
	}
	return bs
}

func createBuckets(btx *bbolt.Tx) error {
	for k := range kinds {
		if _, err := btx.CreateBucketIfNotExists(k.name()); err != nil {
			return err
		}
	}
	return nil
}
