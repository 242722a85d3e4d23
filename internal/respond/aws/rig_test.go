package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"edrc/internal/awsconn"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/respond"
)

// account0 is the account that moto has by itself.
const account0 = "123456789012"

// wire records the requests of edrc, and can refuse or lose some of them.
type wire struct {
	under *http.Transport
	mu    sync.Mutex
	seen  []call
	// answer, when it gives a body, answers in AWS's place; lose drops the answer after
	// AWS has done it.
	answer func(call) (status int, body string)
	lose   func(call) bool
	edit   func(body string) string // changes AWS's answers
}

type call struct {
	action string
	form   url.Values
}

// changes reports whether the call changes something.
func (c call) changes() bool {
	for _, p := range []string{"Describe", "Get", "List", "Simulate", "AssumeRole"} {
		if strings.HasPrefix(c.action, p) {
			return false
		}
	}
	return c.form.Get("DryRun") != "true"
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	c := call{form.Get("Action"), form}
	w.mu.Lock()
	w.seen = append(w.seen, c)
	answer, lose := w.answer, w.lose
	w.mu.Unlock()
	if answer == nil || c.form.Get("DryRun") == "true" && slices.Contains(motoActs, c.action) {
		answer = dryRunFor(c, answer)
	}
	if answer != nil {
		if status, text := answer(c); text != "" {
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(text)),
				ContentLength: int64(len(text)), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}, nil
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := w.under.RoundTrip(r)
	if err == nil && lose != nil && lose(c) {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return nil, errors.New("the answer was lost")
	}
	if err == nil && w.edit != nil {
		return edited(resp, w.edit)
	}
	return resp, err
}

// motoActs are the actions that moto carries out although it was only asked.
var motoActs = []string{"CreateNetworkAclEntry", "ModifyInstanceMetadataOptions"}

// dryRunFor answers a DryRun in moto's place, after the test's own answer.
func dryRunFor(c call, own func(call) (int, string)) func(call) (int, string) {
	return func(call) (int, string) {
		if own != nil {
			if status, body := own(c); body != "" {
				return status, body
			}
		}
		if c.form.Get("DryRun") == "true" && slices.Contains(motoActs, c.action) {
			return ec2Error(412, "DryRunOperation")
		}
		return 0, ""
	}
}

func (w *wire) CloseIdleConnections() { w.under.CloseIdleConnections() }

// writes gives the actions of the requests that changed something, and forgets all.
func (w *wire) writes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, c := range w.seen {
		if c.changes() {
			out = append(out, c.action)
		}
	}
	w.seen = nil
	return out
}

// ec2Error and iamError are errors in the form of the two protocols.
func ec2Error(status int, code string) (int, string) {
	return status, fmt.Sprintf("<Response><Errors><Error><Code>%s</Code><Message>said AWS</Message></Error></Errors><RequestID>r</RequestID></Response>", code)
}

func iamError(status int, code string) (int, string) {
	return status, fmt.Sprintf("<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>said AWS</Message></Error><RequestId>r</RequestId></ErrorResponse>", code)
}

// refuse answers one action with an error code.
func refuse(action string, status int, code string) func(call) (int, string) {
	return func(c call) (int, string) {
		switch {
		case c.action != action || c.form.Get("DryRun") == "true":
			return 0, ""
		case c.form.Get("Version") == "2016-11-15":
			return ec2Error(status, code)
		}
		return iamError(status, code)
	}
}

// rig is one edrc on one simulated AWS.
type rig struct {
	t      *testing.T
	moto   *motoServer
	dir    string
	wire   *wire
	opt    awsconn.Options
	ec2    *ec2.Client // the administrator's, not recorded
	iam    *iam.Client
	slept  time.Duration
	driver *Driver
}

func newRig(t *testing.T) *rig {
	t.Helper()
	m := useMoto(t)
	r := &rig{t: t, moto: m, dir: t.TempDir(), opt: awsconn.Options{Regions: []string{"us-east-1"}, EndpointURL: m.url,
		AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: httpx.Literal("secret")}}
	admin := r.config(r.opt, &wire{under: &http.Transport{}}, "us-east-1")
	r.ec2, r.iam = ec2.NewFromConfig(admin), iam.NewFromConfig(admin)
	r.wire = &wire{under: &http.Transport{}}
	t.Cleanup(r.wire.CloseIdleConnections)
	r.reopen()
	return r
}

func (r *rig) conn(o awsconn.Options, w *wire) *awsconn.Conn {
	r.t.Helper()
	c, err := awsconn.New(o, awsconn.Env{Name: "aws", HTTP: httpx.Config{Transport: w, RetryBase: time.Millisecond, RetryMax: time.Millisecond, Attempts: 2}})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *rig) config(o awsconn.Options, w *wire, region string) aws.Config {
	r.t.Helper()
	cfg, err := r.conn(o, w).For(r.t.Context(), "", region)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(w.CloseIdleConnections)
	return cfg
}

// reopen is a new process: nothing is kept but the directory.
func (r *rig) reopen() {
	r.driver = &Driver{Conn: r.conn(r.opt, r.wire), Now: time.Now, Sleep: func(ctx context.Context, d time.Duration) error {
		r.slept += d
		return ctx.Err()
	}}
}

func (r *rig) engine() *respond.Engine {
	e := &respond.Engine{StateDir: r.dir, Drivers: map[respond.Verb]respond.Driver{}, Actor: respond.Actor{User: "anna", UID: "1000", Host: "soc-1"},
		Now: time.Now, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
	for _, v := range Verbs() {
		e.Drivers[v] = r.driver
	}
	return e
}

// yes confirms everything.
var yes = respond.Approval{Yes: true, Shared: true}

func (r *rig) request(v respond.Verb, target string, o respond.Options) respond.Request {
	r.t.Helper()
	tg, err := ParseTarget(v, target)
	if err != nil {
		r.t.Fatal(err)
	}
	return respond.Request{Verb: v, Target: tg, Options: o, Reason: "case 7"}
}

func (r *rig) plan(v respond.Verb, target string, o respond.Options) (respond.Plan, error) {
	r.t.Helper()
	return r.engine().Plan(r.t.Context(), r.request(v, target, o))
}

// do plans and applies.
func (r *rig) do(v respond.Verb, target string, o respond.Options) (respond.Report, error) {
	r.t.Helper()
	e := r.engine()
	p, err := e.Plan(r.t.Context(), r.request(v, target, o))
	if err != nil {
		return respond.Report{}, err
	}
	return e.Apply(r.t.Context(), p, yes)
}

func (r *rig) mustDo(v respond.Verb, target string, o respond.Options) respond.Report {
	r.t.Helper()
	rep, err := r.do(v, target, o)
	if err != nil {
		r.t.Fatal(err)
	}
	if rep.Action == nil || rep.Action.Status != respond.StatusDone {
		r.t.Fatalf("%+v", rep)
	}
	return rep
}

func (r *rig) undo(id string) (respond.Report, error) {
	return r.engine().Undo(r.t.Context(), respond.UndoRequest{ID: id}, yes)
}

func (r *rig) mustUndo(id string) respond.Report {
	r.t.Helper()
	rep, err := r.undo(id)
	if err != nil {
		r.t.Fatal(err)
	}
	return rep
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantKind(t *testing.T, err error, k fault.Kind, words ...string) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Fatalf("the error is %v (%s), want %s", err, fault.KindOf(err), k)
	}
	text := err.Error()
	if f, ok := errors.AsType[*fault.Error](err); ok {
		text += " / " + f.Hint
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("the error does not say %q: %s", w, text)
		}
	}
}

// errKilled ends a process in the tests.
var errKilled = errors.New("killed")

// crashJournal ends the process at the k-th boundary: before a line is on disk, or after
// the line that says what is about to be done. (After any other line is before the next.)
type crashJournal struct {
	respond.Journal
	at, seen int
}

func (j *crashJournal) boundary() error {
	if j.seen++; j.seen >= j.at {
		return errKilled
	}
	return nil
}

func (j *crashJournal) Create(id string, l respond.Line) error {
	if err := j.boundary(); err != nil {
		return err
	}
	return j.Journal.Create(id, l)
}

func (j *crashJournal) Append(id string, l respond.Line) error {
	if err := j.boundary(); err != nil {
		return err
	}
	if err := j.Journal.Append(id, l); err != nil || l.Event != respond.Intent {
		return err
	}
	return j.boundary()
}

// everyKill ends edrc at every boundary of an action (or every stride-th), and hands what
// is left to check.
func everyKill(t *testing.T, stride int, setUp func() *rig, v respond.Verb, target func(*rig) string, o respond.Options, check func(r *rig, a *respond.Action, name string)) {
	t.Helper()
	for k := 1; ; k += stride {
		r := setUp()
		e := r.engine()
		e.Journal = &crashJournal{Journal: respond.Files{Dir: filepath.Join(r.dir, respond.ActionsDir)}, at: k}
		p := must(e.Plan(t.Context(), r.request(v, target(r), o)))(t)
		if _, err := e.Apply(t.Context(), p, yes); err == nil {
			if k < 1+3*len(p.Steps) {
				t.Fatalf("only %d boundaries for %d steps", k, len(p.Steps))
			}
			return
		}
		r.reopen()
		all, errs := r.engine().Actions()
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if len(all) == 0 {
			if w := r.wire.writes(); len(w) > 0 {
				t.Fatalf("boundary %d: %v was sent and no action tells it", k, w)
			}
			continue
		}
		check(r, all[0], fmt.Sprintf("boundary %d", k))
	}
}

func sorted(s []string) []string {
	out := slices.Clone(s)
	slices.Sort(out)
	return out
}

func literal(s string) httpx.Secret { return httpx.Literal(s) }
