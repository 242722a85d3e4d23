package guardduty

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
)

// hashOf is a SHA-256 in form, made of one digit.
func hashOf(digit string) string { return strings.Repeat(digit, 64) }

// decoded reads a finding whose service and resource are given.
func decoded(t testing.TB, service, resource string) *finding {
	t.Helper()
	raw := fmt.Sprintf(`{"id":"a0c1","type":"Execution:EC2/MaliciousFile","region":"us-east-1","accountId":"111122223333","severity":8,
		"createdAt":"2026-11-20T00:00:00.000Z","service":%s,"resource":%s}`, service, resource)
	f, err := decodeFinding(json.RawMessage(raw))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFilesStandInTheOrderOfTrustWithTheirRoles(t *testing.T) {
	f := decoded(t, `{
		"evidence":{"threatIntelligenceDetails":[{"threatFileSha256":"`+strings.ToUpper(hashOf("a"))+`"}]},
		"ebsVolumeScanDetails":{"scanDetections":{"threatDetectedByName":{"threatNames":[{"filePaths":[
			{"hash":"`+hashOf("b")+`","filePath":"var/b","fileName":"b.exe"},{"hash":"not hex","filePath":"var/c","fileName":"c"},
			{"hash":"`+hashOf("0")+`","filePath":"var/zero","fileName":"zero"}]}]}}},
		"malwareScanDetails":{"threats":[{"hash":"`+hashOf("d")+`","itemPaths":[{"nestedItemPath":"x.zip/y","hash":"`+strings.Repeat("e", 40)+`"}],
			"itemDetails":[{"itemPath":"in/z","hash":"`+hashOf("1")+`"}]}]},
		"additionalInfo":{"type":"default","value":"{\"threatFileSha256\":\"`+hashOf("f")+`\"}"},
		"runtimeDetails":{"process":{"executablePath":"/usr/bin/bash","executableSha256":"`+hashOf("3")+`"},
			"context":{"threatFilePath":"/tmp/a","moduleSha256":"`+strings.Repeat("2", 32)+`","moduleFilePath":"/lib/m.ko","moduleName":"m",
				"modifyingProcess":{"executableSha256":"`+hashOf("4")+`","executablePath":"/m"},
				"targetProcess":{"executableSha256":"`+hashOf("3")+`","executablePath":"/again"}}},
		"detection":{"sequence":{"actors":[{"process":{"path":"/p","sha256":"`+hashOf("5")+`"}}]}}
	}`, `{"s3BucketDetails":[{"name":"up","s3ObjectDetails":[{"key":"k/o.bin","hash":"`+hashOf("6")+`"},{"key":"unscanned"}]}]}`)
	got := f.files([]scanThreat{{Hash: text(hashOf("7"))}})
	want := []alert.File{
		{Hashes: alert.NewHashes(hashOf("a")), Path: "/tmp/a", Name: "a", Role: alert.RoleThreat},
		{Hashes: alert.NewHashes(hashOf("b")), Path: "var/b", Name: "b.exe", Role: alert.RoleThreat},
		{Path: "var/c", Name: "c", Role: alert.RoleThreat},
		{Path: "var/zero", Name: "zero", Role: alert.RoleThreat},
		{Hashes: alert.NewHashes(strings.Repeat("e", 40)), Path: "x.zip/y", Name: "y", Role: alert.RoleThreat},
		{Hashes: alert.NewHashes(hashOf("1")), Path: "in/z", Name: "z", Role: alert.RoleThreat},
		{Hashes: alert.NewHashes(hashOf("d")), Role: alert.RoleThreat},
		{Hashes: alert.NewHashes(hashOf("6")), Path: "k/o.bin", Name: "o.bin", Role: alert.RoleThreat},
		{Hashes: alert.NewHashes(hashOf("f")), Path: "/tmp/a", Name: "a", Role: alert.RoleThreat},
		{Hashes: alert.NewHashes(hashOf("7")), Role: alert.RoleThreat},
		{Hashes: alert.NewHashes(strings.Repeat("2", 32)), Path: "/lib/m.ko", Name: "m", Role: alert.RoleModule},
		{Hashes: alert.NewHashes(hashOf("3")), Path: "/usr/bin/bash", Name: "bash", Role: alert.RoleImage},
		{Hashes: alert.NewHashes(hashOf("4")), Path: "/m", Name: "m", Role: alert.RoleImage},
		{Hashes: alert.NewHashes(hashOf("5")), Path: "/p", Name: "p", Role: alert.RoleImage},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAFindingWithoutAFileHasNone(t *testing.T) {
	f := decoded(t, `{"action":{"actionType":"DNS_REQUEST"},"runtimeDetails":{"process":{"executablePath":"/bin/sh","executableSha256":"junk"}}}`,
		`{"instanceDetails":{"instanceId":"i-0123456789abcdef0"}}`)
	if got := f.files(nil); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestAFileIsNamedOnceUnderItsWorstRole(t *testing.T) {
	f := decoded(t, `{"evidence":{"threatIntelligenceDetails":[{"threatFileSha256":"`+hashOf("a")+`"}]},
		"runtimeDetails":{"process":{"executablePath":"/tmp/x","executableSha256":"`+hashOf("a")+`"}}}`, `{}`)
	want := []alert.File{{Hashes: alert.NewHashes(hashOf("a")), Path: "/tmp/x", Name: "x", Role: alert.RoleThreat}}
	if got := f.files(nil); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestAShortenedListOfFilesIsCompletedByTheScan(t *testing.T) {
	v := newVendor(t, world.Options{}, aws.Options{Regions: []string{"us-east-1"}})
	ids := v.lab.Add(aws.Request{Count: 1, Kinds: aws.Kinds(aws.KindShort), Age: time.Hour})
	c := v.client(t, time.Second)
	whole := listAll(t, c, alert.Query{})[0]
	got, err := c.Get(t.Context(), alert.Handle{ID: ids[0]})
	if err != nil || len(got) != 1 || len(whole.Files) != 2 || got[0].Digest() != whole.Digest() {
		t.Fatalf("listed with %+v, read with %+v, %v", whole.Files, got, err)
	}
	v.Control(t, "deny", map[string]any{"action": "GetMalwareScan"})
	if cut := listAll(t, c, alert.Query{}); len(cut) != 1 || len(cut[0].Files) != 1 {
		t.Errorf("without the permission: %+v", cut)
	}
}

func TestWhatAFindingIsAboutIsItsHost(t *testing.T) {
	for name, tc := range map[string]struct {
		resource string
		want     alert.Host
	}{
		"instance": {`{"instanceDetails":{"instanceId":"i-0123456789abcdef0","platform":"windows","tags":[{"key":"env","value":"x"},{"key":"Name","value":"dc-1"}]}}`,
			alert.Host{ID: "i-0123456789abcdef0", Name: "dc-1", Platform: "windows"}},
		"no name":            {`{"instanceDetails":{"instanceId":"i-0123456789abcdef0","platform":null,"tags":null}}`, alert.Host{ID: "i-0123456789abcdef0", Name: "i-0123456789abcdef0"}},
		"a container's node": {`{"resourceType":"Container","containerDetails":{"name":"app"},"instanceDetails":{"instanceId":"i-1"}}`, alert.Host{ID: "i-1", Name: "i-1"}},
		"pod":                {`{"eksClusterDetails":{"name":"eks"},"kubernetesDetails":{"kubernetesWorkloadDetails":{"name":"shop"}}}`, alert.Host{Name: "shop"}},
		"cluster":            {`{"eksClusterDetails":{"name":"eks"}}`, alert.Host{Name: "eks"}},
		"function":           {`{"lambdaDetails":{"functionName":"fn"}}`, alert.Host{Name: "fn"}},
		"database":           {`{"rdsDbInstanceDetails":{"dbInstanceIdentifier":"db"}}`, alert.Host{Name: "db"}},
		"bucket":             {`{"s3BucketDetails":[{"name":"up"}]}`, alert.Host{Name: "up"}},
		"key":                {`{"accessKeyDetails":{"userName":"alice"}}`, alert.Host{}},
		"nonsense":           {`{"instanceDetails":"gone","s3BucketDetails":7}`, alert.Host{}},
	} {
		if got := decoded(t, `{}`, tc.resource).host(); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestTheNumberIsTheSeverity(t *testing.T) {
	for n, want := range map[float64]alert.Severity{0: alert.Unrated, 1: alert.Low, 3.9: alert.Low, 4: alert.Medium, 6.9: alert.Medium, 7: alert.High, 8.9: alert.High, 9: alert.Critical, 10: alert.Critical} {
		if got := severityOf(n); got != want {
			t.Errorf("%g: %s, want %s", n, got, want)
		}
	}
}
