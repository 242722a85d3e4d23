package intezer

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"edrc/internal/fault"
	"edrc/internal/scan"
)

const (
	uploadRoute     = "POST /analyze"
	archivePassword = `correct "horse" battery`
)

var created = answer(201, `{"result_url":"/analyses/`+testID+`"}`)

// fileOf is an upload of some bytes.
func fileOf(content string) scan.Upload {
	return scan.Upload{Name: "invoice.ps1", Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// archiveOf is an upload of an archive with a password.
func archiveOf(content string) scan.Upload {
	u := fileOf(content)
	u.Name, u.Password = "../hostile\r\nname.exe", archivePassword
	return u
}

// formPart is a part as it arrived.
type formPart struct{ filename, contentType, value string }

// partsOf reads the form of a request: its boundary stands in the first line.
func partsOf(t *testing.T, r seen) map[string]formPart {
	t.Helper()
	boundary, _, _ := strings.Cut(strings.TrimPrefix(r.body, "--"), "\r\n")
	form, out := multipart.NewReader(strings.NewReader(r.body), boundary), map[string]formPart{}
	for {
		p, err := form.NextPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("%v in %.200q", err, r.body)
		}
		value, err := io.ReadAll(p)
		if _, twice := out[p.FormName()]; err != nil || twice {
			t.Fatalf("part %s: %v, twice %t", p.FormName(), err, twice)
		}
		out[p.FormName()] = formPart{p.FileName(), p.Header.Get("Content-Type"), string(value)}
	}
}

func TestAFileIsUploadedInTheFormThatTheVendorKnows(t *testing.T) {
	s := newServer(t).on(uploadRoute, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength <= 0 || len(r.TransferEncoding) > 0 {
			t.Errorf("length %d, encoding %v", r.ContentLength, r.TransferEncoding)
		}
		created(w, r)
	})
	got, err := s.client().SubmitFile(t.Context(), fileOf("Write-Host hello"))
	if err != nil || got != (scan.Submission{Outcome: scan.Accepted, ID: testID}) {
		t.Fatalf("%+v, %v", got, err)
	}
	parts := partsOf(t, s.of(uploadRoute)[0])
	if p := parts["file"]; p != (formPart{"invoice.ps1", "application/octet-stream", "Write-Host hello"}) {
		t.Errorf("file %+v", p)
	}
	if parts["verify_file_support"].value != "true" || len(parts) != 2 {
		t.Errorf("options that were not set: %+v", parts)
	}
}

func TestAnArchiveIsUploadedWithItsPasswordUnderANameOfOurs(t *testing.T) {
	s := newServer(t).on(uploadRoute, created)
	c := s.client(func(o *Options, _ *Env) { o.Requester = "edrc" })
	if _, err := c.SubmitFile(t.Context(), archiveOf("PK...")); err != nil {
		t.Fatal(err)
	}
	r := s.of(uploadRoute)[0]
	parts := partsOf(t, r)
	if parts["file"].filename != "file.zip" || parts["file"].value != "PK..." || strings.Contains(r.body, "hostile") {
		t.Errorf("file %+v", parts["file"])
	}
	if parts["zip_password"].value != archivePassword || parts["requester"].value != "edrc" || len(parts) != 4 {
		t.Errorf("%+v", parts)
	}
}

func TestHostileNamesAreSentWithoutTheirSting(t *testing.T) {
	for name, want := range map[string]string{
		"":                                 "file",
		"a.exe":                            "a.exe",
		`C:\Users\x\run me.ps1`:            "run_me.ps1",
		"../../etc/passwd":                 "passwd",
		"a\"\r\nX-Evil: 1.js":              "a___X-Evil__1.js",
		"\u202egpj.exe":                    "gpj.exe",
		"...":                              "file",
		"a\xff\x00b":                       "a__b",
		strings.Repeat("ä", 300) + ".docm": strings.Repeat("ä", 95) + ".docm",
		"a." + strings.Repeat("b", 300):    "a." + strings.Repeat("b", 98),
	} {
		if got := uploadName(scan.Upload{Name: name}); got != want {
			t.Errorf("%q gives %q, want %q", name, got, want)
		}
	}
}

func TestUploadOutcomes(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   scan.Submission
	}{
		"accepted":               {created, scan.Submission{Outcome: scan.Accepted, ID: testID}},
		"running":                {answer(409, `{"error":"busy","result":{"analysis_id":"`+testID+`"}}`), scan.Submission{Outcome: scan.AlreadyRunning, ID: testID, Reason: "busy"}},
		"running, id in the URL": {answer(409, `{"result_url":"/analyses/`+testID+`","result":{}}`), scan.Submission{Outcome: scan.AlreadyRunning, ID: testID}},
		"running, id not told":   {answer(409, `{"result":{}}`), scan.Submission{Outcome: scan.AlreadyRunning}},
		"skipped":                {answer(409, `{"result":{"is_skipped_by_rule":true,"analysis_id":"y"}}`), scan.Submission{Outcome: scan.SkippedByRule}},
		"too large":              {answer(413, ``), scan.Submission{Outcome: scan.Unsupported, Reason: "Request Entity Too Large"}},
		"unsupported type":       {answer(415, `{"error":"File type not supported"}`), scan.Submission{Outcome: scan.Unsupported, Reason: "File type not supported"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t).on(uploadRoute, tc.answer)
			got, err := s.client().SubmitFile(t.Context(), fileOf("x"))
			if err != nil || got != tc.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
			s.count(uploadRoute, 1)
		})
	}
}

func TestUploadErrorsHaveTheKindThatTheCallerActsOn(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		kind   fault.Kind
		says   string
	}{
		"password needed":    {answer(400, `{"error":"Archive is password protected"}`), fault.Invalid, "an archive with a password, and none was given"},
		"cannot extract":     {answer(400, `{"error":"Cannot extract archive"}`), fault.Invalid, "the archive cannot be opened"},
		"another 400":        {answer(400, `{"error":"Bad","details":{"file":["odd"]}}`), fault.Invalid, "refused: Bad; file: odd"},
		"quota":              {answer(403, `{"error":"whatever"}`), fault.Quota, "quota"},
		"quota without text": {answer(403, ``), fault.Quota, "quota"},
		"plan":               {answer(403, `{"error":"Insufficient Permissions"}`), fault.Denied, "may not"},
		"no such route":      {answer(404, ``), fault.NotFound, "404"},
		"500":                {answer(500, ``), fault.InDoubt, "500"},
		"503":                {answer(503, ``, "Retry-After", "1"), fault.InDoubt, "503"},
		"answer lost":        {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fault.InDoubt, "may have been carried out"},
		"page with a 201":    {page(201), fault.InDoubt, "HTML"},
		"accepted, no id":    {answer(201, `{}`), fault.InDoubt, "id is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t).on(uploadRoute, tc.answer)
			_, err := s.client().SubmitFile(t.Context(), fileOf("x"))
			if e := wantKind(t, err, tc.kind); !strings.Contains(e.Msg, tc.says) {
				t.Errorf("says %q, want %q", e.Msg, tc.says)
			}
			s.count(uploadRoute, 1)
		})
	}
}

func TestA401MidUploadSendsTheSameBodyAgainWhole(t *testing.T) {
	s := newServer(t).
		on("POST /get-access-token", reply200(`{"result":"first"}`), reply200(`{"result":"second"}`)).
		on(uploadRoute, answer(401, ``), answer(429, ``, "Retry-After", "0.5"), created)
	u, opened := archiveOf(strings.Repeat("PK archive ", 50_000)), 0
	open := u.Open
	u.Open = func() (io.ReadCloser, error) {
		opened++
		return open()
	}
	got, err := s.client().SubmitFile(t.Context(), u)
	if err != nil || got.ID != testID {
		t.Fatalf("%+v, %v", got, err)
	}
	posts := s.of(uploadRoute)
	if len(posts) != 3 || opened != 3 || posts[0].body != posts[1].body || posts[0].body != posts[2].body {
		t.Fatalf("%d posts, opened %d times", len(posts), opened)
	}
	if posts[0].auth != "Bearer first" || posts[1].auth != "Bearer second" {
		t.Errorf("%q, %q", posts[0].auth, posts[1].auth)
	}
	if p := partsOf(t, posts[1])["file"]; int64(len(p.value)) != u.Size {
		t.Errorf("%d bytes of %d arrived", len(p.value), u.Size)
	}
}

func TestOptionsThatAnOldServerDoesNotKnowAreLeftOutFromThenOn(t *testing.T) {
	unknown := func(field string) http.HandlerFunc {
		return answer(400, `{"error":"The request is not valid","details":{"`+field+`":["unknown field"]}}`)
	}
	s := newServer(t).on(uploadRoute, unknown("verify_file_support"), unknown("requester"), created)
	c := s.client(func(o *Options, _ *Env) { o.Requester = "edrc" })
	for range 2 {
		if got, err := c.SubmitFile(t.Context(), archiveOf("PK")); err != nil || got.ID != testID {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	posts := s.of(uploadRoute)
	if len(posts) != 4 {
		t.Fatalf("%d posts", len(posts))
	}
	for i, want := range []int{4, 3, 2, 2} {
		if parts := partsOf(t, posts[i]); len(parts) != want || parts["zip_password"].value == "" {
			t.Errorf("post %d: %+v", i, parts)
		}
	}
	s = newServer(t).on(uploadRoute, unknown("zip_password"))
	_, err := s.client().SubmitFile(t.Context(), archiveOf("PK"))
	wantKind(t, err, fault.Invalid)
	s.count(uploadRoute, 1)
}

func TestWhatCannotBeUploadedSendsNothing(t *testing.T) {
	s := newServer(t)
	c := s.client(func(o *Options, _ *Env) { o.MaxUpload = 3 })
	if c.MaxUpload() != 3 || s.client().MaxUpload() != 150<<20 {
		t.Errorf("limits %d, %d", c.MaxUpload(), s.client().MaxUpload())
	}
	got, err := c.SubmitFile(t.Context(), fileOf("1234"))
	if err != nil || got.Outcome != scan.Unsupported || !strings.Contains(got.Reason, "scan.max_upload") {
		t.Errorf("%+v, %v", got, err)
	}
	for _, u := range []scan.Upload{{}, fileOf(""), {Size: 3}} {
		_, err := c.SubmitFile(t.Context(), u)
		wantKind(t, err, fault.Invalid)
	}
	gone := fileOf("123")
	gone.Open = func() (io.ReadCloser, error) { return nil, os.ErrNotExist }
	if _, err := c.SubmitFile(t.Context(), gone); !errors.Is(err, os.ErrNotExist) || fault.Is(err, fault.InDoubt) {
		t.Errorf("a file that is gone: %v", err)
	}
	s.count(uploadRoute, 0)
}

func TestAFileThatIsNotWhatItWasIsNotSubmittedAndLeavesNoDoubt(t *testing.T) {
	for name, content := range map[string]string{"shorter": "12", "longer": "1234"} {
		s := newServer(t).on(uploadRoute, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
		u := fileOf(content)
		u.Size = 3
		_, err := s.client().SubmitFile(t.Context(), u)
		if e := wantKind(t, err, fault.Corrupt); !strings.Contains(e.Msg, "size") {
			t.Errorf("%s: %v", name, e)
		}
		for _, r := range s.of(uploadRoute) {
			if strings.Contains(r.body, "--\r\n") {
				t.Errorf("%s: the form was ended", name)
			}
		}
	}
}

func TestNoMessageRepeatsThePasswordOfAnArchive(t *testing.T) {
	quoted := strings.ReplaceAll(archivePassword, `"`, `\"`)
	for _, status := range []int{400, 403, 409, 413, 415, 422, 500} {
		s := newServer(t).on(uploadRoute, answer(status, `{"error":"no `+quoted+` for `+testKey+`"}`))
		var trace bytes.Buffer
		c := s.client(func(_ *Options, e *Env) { e.HTTP.Trace = &trace })
		got, err := c.SubmitFile(t.Context(), archiveOf("PK"))
		text := got.Reason + trace.String()
		if err != nil {
			e := wantKind(t, err, fault.KindOf(err))
			text += e.Error() + e.Hint
		}
		if noSecret(t, text); strings.Contains(text, "horse") || !strings.Contains(text, "***") {
			t.Errorf("%d: %s", status, text)
		}
		if len(c.passwords.used) != 0 {
			t.Errorf("%d: the password is kept", status)
		}
	}
}

// slowly gives its bytes one by one.
type slowly struct {
	r     io.Reader
	pause time.Duration
}

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	return s.r.Read(p[:min(1, len(p))])
}

func TestAnUploadMayTakeLongerThanOtherRequests(t *testing.T) {
	const timeout = 400 * time.Millisecond
	s := newServer(t).on(uploadRoute, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(timeout * 3 / 2)
		created(w, r)
	})
	u := fileOf("123456")
	u.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(slowly{strings.NewReader("123456"), timeout / 4}), nil
	}
	got, err := s.client(func(_ *Options, e *Env) { e.HTTP.Timeout = timeout }).SubmitFile(t.Context(), u)
	if err != nil || got.ID != testID {
		t.Errorf("%+v, %v", got, err)
	}
}
