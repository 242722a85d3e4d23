package crowdstrike

import "strings"

// alertJSON is an alert of the endpoint product as the API shows it.
type alertJSON struct {
	CompositeID  string          `json:"composite_id"`
	ID           string          `json:"id"`
	AggregateID  string          `json:"aggregate_id"`
	CID          string          `json:"cid"`
	AgentID      string          `json:"agent_id"`
	Product      string          `json:"product"`
	Type         string          `json:"type"`
	Platform     string          `json:"platform"`
	PatternID    int             `json:"pattern_id"`
	Name         string          `json:"name"`
	DisplayName  string          `json:"display_name"`
	Description  string          `json:"description"`
	Severity     int             `json:"severity"`
	SeverityName string          `json:"severity_name"`
	Confidence   int             `json:"confidence"`
	Status       string          `json:"status"`
	Resolution   string          `json:"resolution,omitempty"`
	ShowInUI     bool            `json:"show_in_ui"`
	Tags         []string        `json:"tags"`
	DataDomains  []string        `json:"data_domains"`
	Created      string          `json:"created_timestamp"`
	Updated      string          `json:"updated_timestamp"`
	Timestamp    string          `json:"timestamp"`
	AssignedName string          `json:"assigned_to_name,omitempty"`
	AssignedUID  string          `json:"assigned_to_uid,omitempty"`
	AssignedUUID string          `json:"assigned_to_uuid,omitempty"`
	Cases        []string        `json:"linked_case_ids,omitempty"`
	Comments     []commentJSON   `json:"comments,omitempty"`
	Tactic       string          `json:"tactic"`
	TacticID     string          `json:"tactic_id"`
	Technique    string          `json:"technique"`
	TechniqueID  string          `json:"technique_id"`
	Attack       []attackJSON    `json:"mitre_attack"`
	Filename     string          `json:"filename,omitempty"`
	Filepath     string          `json:"filepath,omitempty"`
	Cmdline      string          `json:"cmdline,omitempty"`
	SHA256       string          `json:"sha256,omitempty"`
	SHA1         string          `json:"sha1,omitempty"`
	MD5          string          `json:"md5,omitempty"`
	LocalPID     string          `json:"local_process_id"`
	Cloud        string          `json:"cloud_indicator"`
	ProcessStart string          `json:"process_start_time"`
	UserName     string          `json:"user_name"`
	UserID       string          `json:"user_id"`
	LogonDomain  string          `json:"logon_domain"`
	IOCContext   []any           `json:"ioc_context"`
	Quarantined  []quarantineRef `json:"quarantined_files,omitempty"`
	Disposition  int             `json:"pattern_disposition"`
	Device       deviceJSON      `json:"device"`
	Link         string          `json:"falcon_host_link"`
}

type commentJSON struct {
	User      string `json:"falcon_user_id"`
	Timestamp string `json:"timestamp"`
	Value     string `json:"value"`
}

type attackJSON struct {
	PatternID   int    `json:"pattern_id"`
	Tactic      string `json:"tactic"`
	TacticID    string `json:"tactic_id"`
	Technique   string `json:"technique"`
	TechniqueID string `json:"technique_id"`
}

type quarantineRef struct {
	ID       string `json:"id"`
	SHA256   string `json:"sha256"`
	Filename string `json:"filename"`
	State    string `json:"state"`
}

func (v *Vendor) render(a *falconAlert) alertJSON {
	_, bare, _ := strings.Cut(a.id, ":")
	name, shown := a.named()
	out := alertJSON{
		CompositeID: a.id, ID: bare, AggregateID: "aggind:" + a.host.id + ":163208931778", CID: v.cid, AgentID: a.host.id,
		Product: "epp", Type: "ldt", Platform: a.host.platform, PatternID: 5761,
		Name: name, DisplayName: shown, Description: "Made by the lab.",
		Severity: a.severity, SeverityName: severityName(a.severity), Confidence: 80, Status: a.status, Resolution: a.resolution(),
		ShowInUI: true, Tags: a.tags, DataDomains: []string{"Endpoint"},
		Created: stamp(a.created), Updated: stamp(a.updated), Timestamp: stamp(a.created.Add(-1e9)),
		AssignedName: a.user, AssignedUID: a.email, AssignedUUID: a.uuid, Cases: a.cases,
		Tactic: "Execution", TacticID: "TA0002", Technique: "Command and Scripting Interpreter", TechniqueID: "T1059",
		Attack:   []attackJSON{{5761, "Execution", "TA0002", "Command and Scripting Interpreter", "T1059"}},
		LocalPID: "17076", Cloud: "false", ProcessStart: "1699034413", UserName: a.host.user, UserID: "S-1-5-21-1-2-3-1001", LogonDomain: "LAB",
		IOCContext: []any{}, Disposition: 2176, Device: v.device(a.host),
		Link: "https://falcon.crowdstrike.com/unified-detections/" + a.id,
	}
	if a.model {
		out.Tactic, out.TacticID, out.Technique, out.TechniqueID, out.Attack = "Machine Learning", "CSTA0004", "Sensor-based ML", "CST0007", nil
	}
	for _, c := range v.visible(a) {
		out.Comments = append(out.Comments, commentJSON{c.author, stamp(c.at), c.text})
	}
	f, ok := v.about(a)
	if !ok {
		return out
	}
	out.Filename, out.Filepath, out.Cmdline = f.Name, v.path(a), `"`+v.path(a)+`" /quiet`
	if a.hashless {
		return out
	}
	out.SHA256, out.SHA1, out.MD5 = f.SHA256, strings.Repeat("0", 40), f.MD5
	if a.quarantined {
		out.Quarantined = []quarantineRef{{a.host.id + "_" + f.SHA256, f.SHA256, out.Filepath, "quarantined"}}
	}
	return out
}
