package guardduty

import (
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/guardduty/types"

	"edrc/internal/alert"
	"edrc/internal/safe"
	"edrc/internal/source"
)

// listing is what ListFindings is asked: attributes that are AND-ed, and an order.
// Times are in milliseconds, severities whole numbers. The long names of the bounds are
// used: their deprecated twins have 32 bits in the SDK, too few for a time.
type listing struct {
	criterion map[string]types.Condition
	sort      string
	order     types.OrderBy
}

// newest lists by creation, which never changes: what enters the list in mid-walk can
// repeat a finding and never hide one.
func newest(criterion map[string]types.Condition) listing {
	return listing{criterion, "createdAt", types.OrderByDesc}
}

var instanceID = safe.Pattern(`^i-[0-9a-f]{8,17}$`)

// listings gives the lists that together have every finding a query matches; none when
// it can match none. There is no OR over attributes, so a hash takes a list for each
// attribute that may have it.
func listings(q alert.Query) []listing {
	base := map[string]types.Condition{}
	if !q.Since.IsZero() {
		// Nothing is updated before it is created. An end of the window cannot be asked
		// for: what was created before it may have been updated after it.
		base["updatedAt"] = types.Condition{GreaterThanOrEqual: aws.Int64(q.Since.UnixMilli())}
	}
	if len(q.Severities) > 0 {
		bounds, ok := severityBounds(q.Severities)
		if !ok {
			return nil
		}
		base["severity"] = bounds
	}
	if archived, known := archivedOnly(q.Statuses); known {
		base["service.archived"] = types.Condition{Equals: []string{archived}}
	}
	if instanceID().MatchString(q.Host) {
		base["resource.instanceDetails.instanceId"] = types.Condition{Equals: []string{q.Host}}
	}
	if q.Hash == "" {
		return []listing{newest(base)}
	}
	values := []string{string(q.Hash), strings.ToUpper(string(q.Hash))}
	out := []listing{newest(with(base, shortenedKey, "true"))} // whose hashes are in the scan alone
	for _, key := range hashKeys() {
		out = append(out, newest(with(base, key, values...)))
	}
	return out
}

// with is base and one attribute more.
func with(base map[string]types.Condition, key string, values ...string) map[string]types.Condition {
	out := maps.Clone(base)
	out[key] = types.Condition{Equals: values}
	return out
}

// withoutHash is the list to read when AWS refuses an attribute that is not sure to be
// one of lists: all of them.
func withoutHash(q alert.Query) []listing {
	q.Hash = ""
	return listings(q)
}

// severityBounds covers the severities with one range; what lies between is a superset.
func severityBounds(severities []alert.Severity) (types.Condition, bool) {
	low := map[alert.Severity]int64{alert.Unrated: -1, alert.Low: 0, alert.Medium: 4, alert.High: 7, alert.Critical: 9}
	end := map[alert.Severity]int64{alert.Unrated: 1, alert.Low: 4, alert.Medium: 7, alert.High: 9, alert.Critical: 1000}
	from, to, rated := int64(1000), int64(-1), false
	for _, s := range severities {
		if _, known := low[s]; known {
			from, to, rated = min(from, low[s]), max(to, end[s]), true
		}
	}
	c := types.Condition{}
	if from > 0 {
		c.GreaterThanOrEqual = aws.Int64(from)
	}
	if to < 1000 {
		c.LessThan = aws.Int64(to)
	}
	if from <= 0 && to == 1000 {
		c.GreaterThanOrEqual = aws.Int64(0)
	}
	return c, rated
}

// archivedOnly tells whether the statuses need archived findings, or the others; known
// is false when they need both.
func archivedOnly(statuses []alert.Status) (archived string, known bool) {
	var closed, open bool
	for _, s := range statuses {
		closed, open = closed || s.Closed(), open || !s.Closed()
	}
	switch {
	case closed && !open:
		return "true", true
	case open && !closed:
		return "false", true
	}
	return "", false
}

const shortenedKey = "service.ebsVolumeScanDetails.scanDetections.threatDetectedByName.shortened"

// hashKeys are the attributes that hold a file's hash. The reference lists them for
// filters; that lists take them is known of several only, so a refusal is expected.
func hashKeys() []string {
	const process = "executableSha256"
	return []string{
		"service.evidence.threatIntelligenceDetails.threatFileSha256",
		"service.ebsVolumeScanDetails.scanDetections.threatDetectedByName.threatNames.filePaths.hash",
		"service.malwareScanDetails.threats.hash",
		"service.malwareScanDetails.threats.itemPaths.hash",
		"service.malwareScanDetails.threats.itemDetails.hash",
		"resource.s3BucketDetails.s3ObjectDetails.hash",
		"service.additionalInfo.threatFileSha256",
		"service.runtimeDetails.context.moduleSha256",
		"service.runtimeDetails.process." + process,
		"service.runtimeDetails.context.modifyingProcess." + process,
		"service.runtimeDetails.context.targetProcess." + process,
		"service.detection.sequence.actors.process.sha256",
	}
}

// window is the list of a feed. Findings that were created in a window may have been
// updated since, so that its end bounds updates alone.
func window(w source.Window) listing {
	bounds := types.Condition{GreaterThanOrEqual: aws.Int64(w.From.UnixMilli())}
	if w.By == source.Updated {
		bounds.LessThanOrEqual = aws.Int64(ceil(w.To).UnixMilli())
	}
	return listing{map[string]types.Condition{"updatedAt": bounds}, "updatedAt", types.OrderByAsc}
}

// ceil rounds up to milliseconds: a window must not end before it was asked to.
func ceil(t time.Time) time.Time {
	if down := t.Truncate(time.Millisecond); down.Before(t) {
		return down.Add(time.Millisecond)
	}
	return t
}
