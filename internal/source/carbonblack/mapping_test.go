package carbonblack

import (
	"slices"
	"testing"

	"edrc/internal/alert"
)

func TestTheTablesAreWhatAlertsAreMappedBy(t *testing.T) {
	severities := []string{"1-3 low", "4-6 medium", "7-10 high"}
	for i, m := range Severities() {
		if m.Vendor+" "+m.Ours != severities[i] {
			t.Errorf("%+v, want %s", m, severities[i])
		}
	}
	for s, want := range map[string]alert.Severity{
		"": alert.Unrated, "0": alert.Unrated, "-1": alert.Unrated, "high": alert.Unrated, "1": alert.Low, "3": alert.Low, "3.9": alert.Low, "4": alert.Medium,
		"6": alert.Medium, "7": alert.High, "10": alert.High, "99": alert.High,
	} {
		if got := severityOf(s); got != want {
			t.Errorf("severity %q is %s, want %s", s, got, want)
		}
	}
	for _, m := range Statuses() {
		if got := statusOf(m.Vendor); string(got) != m.Ours {
			t.Errorf("%s is %s, want %s", m.Vendor, got, m.Ours)
		}
		if word, ok := statusWord(alert.Status(m.Ours)); !ok || word != m.Vendor {
			t.Errorf("%s is %s, want %s", m.Ours, word, m.Vendor)
		}
	}
	if got := statusOf("DISMISSED_SOMEDAY"); got != alert.StatusNew {
		t.Errorf("an unknown status is %s", got)
	}
	for _, m := range Verdicts() {
		want := m.Ours
		if want == undecided {
			want = ""
		}
		if got := verdictOf(m.Vendor); got != want {
			t.Errorf("%s is %q, want %q", m.Vendor, got, want)
		}
	}
}

func TestTechniquesAreReadFromTheAlertElseFromItsTTPs(t *testing.T) {
	for name, tc := range map[string]struct {
		w    wireAlert
		want []alert.Technique
	}{
		"own":        {wireAlert{Technique: "T1048.002", Tactic: "TA0010", TTPs: list[text]{"MITRE_T1059_SHELL"}}, []alert.Technique{{ID: "T1048.002", Tactic: "TA0010"}}},
		"in TTPs":    {wireAlert{TTPs: list[text]{"MALWARE_APP", "MITRE_T1059_001_POWERSHELL", "MITRE_T1046_NETWORK_SERVICE_SCANNING", "MITRE_T1059_001_POWERSHELL"}}, []alert.Technique{{ID: "T1059.001", Name: "POWERSHELL"}, {ID: "T1046", Name: "NETWORK SERVICE SCANNING"}}},
		"bare":       {wireAlert{TTPs: list[text]{"MITRE_T1046", "MITRE_", "MITRE_TX", "MITRE_T12345_X", "mitre_t1003_os_cred"}}, []alert.Technique{{ID: "T1046"}, {ID: "T1003", Name: "OS CRED"}}},
		"none":       {wireAlert{Technique: "nonsense"}, nil},
		"two digits": {wireAlert{TTPs: list[text]{"MITRE_T1059_42_X"}}, []alert.Technique{{ID: "T1059", Name: "42 X"}}},
	} {
		if got := tc.w.attack(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestAFileIsTheThreatWhenTheAlertIsAboutIt(t *testing.T) {
	const h1, h2, m = text(aHash), text("cb67bdbbbd4ae997204d76eae913dac7117fe3f0ef8a42a3255f64266496898b"), text("c9a2a42d383e64b45d57bbea77cfbc8c")
	for name, tc := range map[string]struct {
		w    wireAlert
		want []alert.Role
	}{
		"an abused interpreter":    {wireAlert{ProcessSHA256: h1, ProcessRep: "TRUSTED_WHITE_LIST"}, []alert.Role{alert.RoleImage}},
		"known malware":            {wireAlert{ProcessSHA256: h1, ProcessEffRep: "KNOWN_MALWARE"}, []alert.Role{alert.RoleThreat}},
		"blocked":                  {wireAlert{BlockedSHA256: h1, ProcessSHA256: h2}, []alert.Role{alert.RoleThreat, alert.RoleImage}},
		"blocked is the process":   {wireAlert{BlockedSHA256: h1, ProcessSHA256: h1}, []alert.Role{alert.RoleThreat}},
		"an ordinary parent":       {wireAlert{ProcessSHA256: h1, ParentSHA256: h2, ParentRep: "LOCAL_WHITE"}, []alert.Role{alert.RoleImage}},
		"a bad parent":             {wireAlert{ProcessSHA256: h1, ParentSHA256: h2, ParentRep: "COMPANY_BLACK_LIST"}, []alert.Role{alert.RoleImage, alert.RoleThreat}},
		"a child":                  {wireAlert{ProcessSHA256: h1, ChildSHA256: h2, ChildRep: "PUP"}, []alert.Role{alert.RoleImage, alert.RoleThreat}},
		"a watchlist of hashes":    {wireAlert{ProcessSHA256: h1, IOCField: "process_hash", IOCHit: "process_hash:" + h1}, []alert.Role{alert.RoleThreat}},
		"of MD5":                   {wireAlert{ProcessSHA256: h1, ProcessMD5: m, IOCField: "md5", IOCHit: m}, []alert.Role{alert.RoleThreat}},
		"a watchlist of names":     {wireAlert{ProcessSHA256: h1, IOCField: "process_name", IOCHit: h1}, []alert.Role{alert.RoleImage}},
		"a path without a hash":    {wireAlert{ProcessName: `c:\x.exe`}, []alert.Role{alert.RoleImage}},
		"only the hash of nothing": {wireAlert{ProcessSHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, nil},
	} {
		var got []alert.Role
		for _, f := range tc.w.files() {
			got = append(got, f.Role)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestLinksAreCompletedAndNeverLeaveHTTPS(t *testing.T) {
	c, _ := scripted(t, nil)
	for from, want := range map[text]string{
		"defense.conferdeploy.net/alerts?s[c][query_string]=id:x&orgKey=O": "https://defense.conferdeploy.net/alerts?s[c][query_string]=id:x&orgKey=O",
		"https://defense.conferdeploy.net/alerts?q=     id:x":              "https://defense.conferdeploy.net/alerts?q=id:x",
		"":                                "https://defense.conferdeploy.net/alerts?orgKey=7DESJ9GN&s%5Bc%5D%5Bquery_string%5D=id%3Aan-id",
		"javascript:alert(1)//://":        "https://defense.conferdeploy.net/alerts?orgKey=7DESJ9GN&s%5Bc%5D%5Bquery_string%5D=id%3Aan-id",
		"http://defense.conferdeploy.net": "https://defense.conferdeploy.net/alerts?orgKey=7DESJ9GN&s%5Bc%5D%5Bquery_string%5D=id%3Aan-id",
		"https://user@elsewhere.example":  "https://defense.conferdeploy.net/alerts?orgKey=7DESJ9GN&s%5Bc%5D%5Bquery_string%5D=id%3Aan-id",
	} {
		if got := c.link(wireAlert{ID: "an-id", URL: from}); got != want {
			t.Errorf("%q became %q, want %q", from, got, want)
		}
	}
}
