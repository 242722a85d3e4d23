package defender

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"edrc/internal/alert"
)

func TestWordsAreMappedInAnyCase(t *testing.T) {
	for word, want := range map[string]alert.Severity{
		"high": alert.High, "High": alert.High, "MEDIUM": alert.Medium, "low": alert.Low, "informational": alert.Info, "unknown": alert.Unrated,
		"UnSpecified": alert.Unrated, "": alert.Unrated, "catastrophic": alert.Medium, "unknownFutureValue": alert.Medium,
	} {
		if got := severityOf(word); got != want {
			t.Errorf("severity %q is %s, want %s", word, got, want)
		}
	}
	for word, want := range map[string]alert.Status{
		"new": alert.StatusNew, "InProgress": alert.StatusInProgress, "resolved": alert.StatusResolved, "unknown": alert.StatusNew, "closing": alert.StatusNew, "": alert.StatusNew,
	} {
		if got := statusOf(AlertStatuses(), word); got != want {
			t.Errorf("status %q is %s, want %s", word, got, want)
		}
	}
	for word, want := range map[string]alert.Status{
		"Active": alert.StatusNew, "awaitingAction": alert.StatusInProgress, "redirected": alert.StatusResolved, "resolved": alert.StatusResolved,
	} {
		if got := statusOf(IncidentStatuses(), word); got != want {
			t.Errorf("status %q is %s, want %s", word, got, want)
		}
	}
	for word, want := range map[string]string{
		"Windows10": "windows", "WindowsServer2022": "windows", "macOS": "macos", "Ubuntu": "linux", "RedHatEnterpriseLinux": "linux", "Linux": "linux", "": "", "iOS": "ios",
	} {
		if got := platformOf(word); got != want {
			t.Errorf("platform %q is %q, want %q", word, got, want)
		}
	}
}

func TestWhatIsNotKnownIsNeverFilteredOut(t *testing.T) {
	severities := unwanted(severityWords(), []alert.Severity{alert.High}, severityOf)
	if s := strings.Join(excluding("severity", severities), " and "); s != "severity ne 'unknown' and severity ne 'informational' and severity ne 'low' and severity ne 'medium'" {
		t.Errorf("%s", s)
	}
	if got := unwanted(severityWords(), nil, severityOf); got != nil {
		t.Errorf("no filter excludes %v", got)
	}
}

func TestPathsAreADirectoryAndAName(t *testing.T) {
	for want, in := range map[string][2]string{
		`C:\Program Files\temp\MsSense.exe`: {`C:\Program Files\temp`, "MsSense.exe"},
		`C:\a.exe`:                          {`C:\`, "a.exe"},
		`/var/tmp/a`:                        {"/var/tmp", "a"},
		`/a`:                                {"/", "a"},
		`\Device\X\a b.exe`:                 {`\Device\X`, "a b.exe"},
		`/opt/x/C:\y`:                       {"/opt/x", `C:\y`},
	} {
		if got := joinPath(in[0], in[1]); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	if joinPath("", "a") != "" || joinPath("/x", "") != "" {
		t.Error("half a path is a path")
	}
}

func TestEvidenceTellsTheRolesOfFiles(t *testing.T) {
	a, b, c, d := strings.Repeat("a1", 32), strings.Repeat("b2", 32), strings.Repeat("c3", 32), strings.Repeat("d4", 20)
	raw := `{"id":"x","evidence":[
	 {"@odata.type":"#microsoft.graph.security.processEvidence","processCommandLine":"first","verdict":"noThreatsFound","imageFile":{"fileName":"calm.exe","sha256":"` + c + `"}},
	 {"@odata.type":"#microsoft.graph.security.processEvidence","processCommandLine":"second","mdeDeviceId":"m2","imageFile":{"fileName":"image.exe","filePath":"C:\\w","sha256":"` + b + `"},
	  "parentProcessImageFile":{"fileName":"explorer.exe","sha256":"` + strings.Repeat("ee", 32) + `"},"userAccount":{"accountName":"bob","domainName":"LAB"}},
	 {"@odata.type":"#microsoft.graph.security.fileEvidence","roles":["contextual"],"fileDetails":{"fileName":"ctx.dll","sha1":"` + d + `"}},
	 {"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"bad.exe","sha256":"` + a + `"}},
	 {"@odata.type":"#microsoft.graph.security.fileEvidence","mdeDeviceId":"m1","fileDetails":{"fileName":"bad.exe","filePath":"C:\\x","sha256":"` + a + `","md5":"` + strings.Repeat("f5", 16) + `","sha1":"` + strings.Repeat("0", 40) + `"}},
	 {"@odata.type":"#microsoft.graph.security.deviceEvidence","mdeDeviceId":"m0","deviceDnsName":"other"},
	 {"@odata.type":"#microsoft.graph.security.deviceEvidence","mdeDeviceId":"m1","deviceDnsName":"main","detailedRoles":["Main device"],"healthStatus":"inactive","osPlatform":"Windows11","version":"23H2"},
	 {"@odata.type":"#microsoft.graph.security.aKindOfTomorrowEvidence","fileDetails":7}]}`
	client := &Client{name: "mde", portal: "https://security.microsoft.com"}
	got, bad := client.decode(json.RawMessage(raw))
	if bad != nil {
		t.Fatal(bad)
	}
	var files []string
	for _, f := range got.Files {
		files = append(files, string(f.Role)+" "+f.Name+" "+f.Path)
	}
	if want := []string{`threat bad.exe C:\x\bad.exe`, `image image.exe C:\w\image.exe`, "module calm.exe ", "module ctx.dll "}; !slices.Equal(files, want) {
		t.Errorf("files %q, want %q", files, want)
	}
	if h := got.Files[0].Hashes; h.MD5 == "" || h.SHA1 != "" {
		t.Errorf("hashes %+v", h)
	}
	if got.Host.ID != "m1" || got.Host.Name != "main" || got.Host.OS != "Windows11 23H2" || got.Host.Reachable == nil || *got.Host.Reachable {
		t.Errorf("host %+v", got.Host)
	}
	if got.User != `LAB\bob` || got.Command != "second" {
		t.Errorf("user %q, command %q", got.User, got.Command)
	}
	if machine, path := placeOf(json.RawMessage(raw), got.Files[1]); machine != "m2" || path != `C:\w\image.exe` {
		t.Errorf("the image is at %s %s", machine, path)
	}
}

func TestAPageThatIsNotHTTPSIsNotShown(t *testing.T) {
	c := &Client{portal: "https://security.microsoft.com"}
	for _, url := range []string{"", "javascript:alert(1)", "http://security.microsoft.com/x", "https://u:p@evil.example/", "::"} {
		if got := c.pageOf(wire{ID: "da1_-2", AlertWebURL: text(url)}); got != "https://security.microsoft.com/alerts/da1_-2" {
			t.Errorf("%q: %s", url, got)
		}
	}
}
