package guardduty

import (
	"encoding/json"
	"net/url"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/safe"
	"edrc/internal/source"
)

// Feedback, as the API has it, and as edrc says it.
const (
	useful    = "USEFUL"
	notUseful = "NOT_USEFUL"
)

// locator is where a finding was listed: what it takes to change it later. The detector
// that lists it may be the administrator's, and not the one that the finding names.
type locator struct {
	Account  string `json:"account"`
	Region   string `json:"region"`
	Detector string `json:"detector"`
}

// alert gives a finding as an alert. at is where it was listed, the zero value when it
// was read from a file; then it cannot be annotated.
func (f *finding) alert(source string, raw json.RawMessage, at locator, more []scanThreat) alert.Alert {
	id := alertID(string(f.Region), string(f.ID))
	a := alert.Alert{
		Handle: alert.Handle{ID: id}, Ref: alert.Ref{Source: source, ID: id}, Kind: Kind,
		Title: f.title(), Severity: severityOf(float64(f.Severity)), Status: alert.StatusNew, Analyst: feedbackOf(string(f.Service.UserFeedback)),
		Created: f.CreatedAt.Time, Updated: f.UpdatedAt.Time, Detected: f.Service.FirstSeen.Time,
		Host: f.host(), User: f.user(), Command: string(f.Service.Runtime.Context.CommandLine),
		Files: f.files(more), Attack: f.Service.Detection.Sequence.techniques(), URL: f.url(), Resources: f.resources(), Raw: raw,
	}
	if f.Service.Archived {
		a.Status = alert.StatusResolved
	}
	if arn := string(f.SequenceARN); arn != "" {
		a.Group = alertID(string(f.Region), arn[strings.LastIndexByte(arn, '/')+1:])
	} else if f.isSequence() {
		a.Group = id
	}
	if at != (locator{}) {
		a.Note = id
		a.Locator, _ = json.Marshal(at) // three strings
	}
	return a
}

func alertID(region, finding string) string { return region + "/" + finding }

// splitID takes an alert's id apart.
func splitID(id string) (region, finding string, ok bool) {
	region, finding, ok = strings.Cut(id, "/")
	return region, finding, ok && region != "" && finding != "" && !strings.ContainsAny(finding, "/ ")
}

// title is the finding's own, and says when it is a sample.
func (f *finding) title() string {
	title := string(f.Title)
	if title == "" {
		title = string(f.Type)
	}
	if f.sample() && !strings.HasPrefix(title, "[SAMPLE]") {
		title = "[SAMPLE] " + title
	}
	return title
}

// SeverityFrom is the least number of a severity.
type SeverityFrom struct {
	From     float64
	Severity alert.Severity
}

// Severities are the bands of GuardDuty's numbers, the lowest first. Each reaches up to
// the next; what is not above zero is unrated.
func Severities() []SeverityFrom {
	return []SeverityFrom{{1, alert.Low}, {4, alert.Medium}, {7, alert.High}, {9, alert.Critical}}
}

func severityOf(n float64) alert.Severity {
	out := alert.Unrated
	for i, band := range Severities() {
		if n >= band.From || i == 0 && n > 0 {
			out = band.Severity
		}
	}
	return out
}

func feedbackOf(s string) string {
	switch s {
	case useful:
		return "useful"
	case notUseful:
		return "not_useful"
	}
	return ""
}

// host is the workload that a finding is about. Which details there are decides, not
// resourceType: a container's finding has its instance, too. Only an instance has an id:
// it is what a listing by host asks the API for.
func (f *finding) host() alert.Host {
	r := f.Resource
	if id := string(r.Instance.InstanceID); id != "" {
		h := alert.Host{ID: id, Name: id}
		for _, t := range r.Instance.Tags {
			if t.Key == "Name" && t.Value != "" {
				h.Name = string(t.Value)
			}
		}
		if strings.Contains(strings.ToLower(string(r.Instance.Platform)), "windows") {
			h.Platform = "windows"
		}
		return h
	}
	if f.isSequence() {
		return alert.Host{Name: f.Service.Detection.Sequence.summary()}
	}
	name := r.Lambda.FunctionName
	for _, other := range []text{r.RDSInstance.ID, r.Kubernetes.Workload.Name, r.ECSCluster.Name, r.EKSCluster.Name, r.Container.Name} {
		if name == "" {
			name = other
		}
	}
	if name == "" && len(r.S3Buckets) > 0 {
		name = r.S3Buckets[0].Name
	}
	return alert.Host{Name: string(name)}
}

func (f *finding) user() string {
	for _, name := range []text{f.Resource.AccessKey.UserName, f.Resource.AccessKey.AccessKeyID, f.Service.Runtime.Process.User,
		f.Resource.Kubernetes.User.Username} {
		if name != "" {
			return string(name)
		}
	}
	return ""
}

var plainRegion = safe.Pattern(`^[a-z0-9-]+$`)

// url is the console's page, in the form of links in AWS's own notification examples; ""
// for a region that cannot be one, in a file that anybody may have written.
func (f *finding) url() string {
	region := string(f.Region)
	if !plainRegion().MatchString(region) {
		return ""
	}
	host := map[string]string{"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}[string(f.Partition)]
	if host == "" {
		host = "console.aws.amazon.com"
	}
	return "https://" + region + "." + host + "/guardduty/home?region=" + region + "#/findings?search=id%3D" + url.QueryEscape(string(f.ID))
}

func badItem(raw json.RawMessage, err error) *source.BadItem {
	var head struct{ ID, Region text }
	_ = json.Unmarshal(raw, &head)
	id := ""
	if head.ID != "" {
		id = alertID(string(head.Region), string(head.ID))
	}
	return source.Unreadable(id, err.Error(), raw)
}
