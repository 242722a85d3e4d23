package intezer

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"edrc/internal/alert"
)

// walk calls visit for every object in a JSON value, at any depth.
func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, inner := range v {
			walk(inner, visit)
		}
	case []any:
		for _, inner := range v {
			walk(inner, visit)
		}
	}
}

// analysisLike reports the objects that carry an id, a hash or a verdict of a file.
func analysisLike(o map[string]any) bool {
	for _, key := range []string{"analysis_id", "sub_analysis_id", "sha256", "verdict", "sub_verdict"} {
		if _, ok := o[key].(string); ok {
			return true
		}
	}
	return false
}

// checkObject decodes o the way replies are, bare and in its envelope, and
// compares what was read with what is there.
func checkObject(t *testing.T, o map[string]any) {
	t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var bare analysisDTO
	if err := decode(raw, &bare); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	var wrapped reply
	if err := decode([]byte(`{"status":"succeeded","result":`+string(raw)+`}`), &wrapped); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	var subs subAnalyses
	if err := decode([]byte(`{"sub_analyses":[`+string(raw)+`]}`), &subs); err != nil || len(subs.Items) != 1 {
		t.Fatalf("%s: %v", raw, err)
	}
	for _, got := range []analysisDTO{bare, wrapped.Result} {
		for key, value := range map[string]text{
			"analysis_id": got.ID, "sha256": got.SHA256, "verdict": got.Verdict, "sub_verdict": got.SubVerdict,
			"family_name": got.Family, "analysis_url": got.URL, "analysis_time": got.Time, "file_name": got.FileName,
		} {
			if want, ok := o[key].(string); ok && value.String() != want {
				t.Errorf("%s: %s is %q, want %q", raw, key, value, want)
			}
		}
	}
	if want, ok := o["sub_analysis_id"].(string); ok && subs.Items[0].ID.String() != want {
		t.Errorf("%s: sub-analysis %q", raw, subs.Items[0].ID)
	}
	if id, ok := o["analysis_id"].(string); ok && wrapped.id() != id {
		t.Errorf("%s: id %q", raw, wrapped.id())
	}
	if said, ok := o["verdict"].(string); ok {
		if c := alert.ParseClass(wrapped.Result.Verdict.String()); c != alert.Class(said) && c != alert.Unknown {
			t.Errorf("%s: class %q", raw, c)
		}
	}
	if said, ok := o["analysis_time"].(string); ok && strings.HasSuffix(said, "GMT") && parseTime(bare.Time.String()).IsZero() {
		t.Errorf("%s: time %q is not read", raw, said)
	}
}

// checkTree checks every such object in the JSON files under root.
func checkTree(t *testing.T, root string) (objects int) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return err
		}
		walk(v, func(o map[string]any) {
			if analysisLike(o) {
				objects++
				checkObject(t, o)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func TestPublishedExamplesDecodeWithoutLoss(t *testing.T) {
	if n := checkTree(t, "testdata"); n != 4 {
		t.Errorf("%d objects", n)
	}
}

func TestRecordedRepliesDecodeWithoutLoss(t *testing.T) {
	root := os.Getenv("EDRC_FIXTURES")
	if root == "" {
		t.Skip("EDRC_FIXTURES is not set: no recorded replies")
	}
	n := checkTree(t, filepath.Join(root, "intezer"))
	t.Logf("%d objects", n)
	if n < 25 {
		t.Errorf("only %d objects: are the fixtures complete?", n)
	}
}

func TestRecordedQuotasAreRead(t *testing.T) {
	root := os.Getenv("EDRC_FIXTURES")
	if root == "" {
		t.Skip("EDRC_FIXTURES is not set: no recorded replies")
	}
	raw, err := os.ReadFile(filepath.Join(root, "intezer", "intezer-sdk-tests", "tests__unit__test_account.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]map[string]any
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for name, known := range map[string]bool{
		"AccountSpec.test_get_my_quota_raises_when_no_file_quota": true, "AccountSpec.test_get_my_quota_raises_when_no_endpoint_quota": false,
	} {
		body, _ := json.Marshal(cases[name])
		if a := allowance(body); a.Known != known || known && (a.Limit != 100 || a.Usage != 100) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}
