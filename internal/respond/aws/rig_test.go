package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
	lab "edrc/internal/lab/aws"
	"edrc/internal/lab/world"
	"edrc/internal/respond"
)

// wire records the requests of edrc, and can refuse or lose some of them.
type wire struct {
	under *http.Transport
	moto  *motoAccount // nil: the lab
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
	if w.moto != nil {
		answer = dryRunFor(c, answer)
		w.moto.enter(r)
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

// rig is one edrc on one simulated AWS: the lab, or moto.
type rig struct {
	t       *testing.T
	moto    *motoAccount // nil: the lab
	account string       // empty when the test begins
	second  string       // another account; way leads into it
	dir     string
	wire    *wire
	opt     awsconn.Options
	ec2     *ec2.Client // the administrator's, not recorded
	iam     *iam.Client
	slept   time.Duration
	driver  *Driver
}

// rigs runs a test on the lab and on moto, which must not be told apart: where they
// differ the lab is wrong. Tests run beside each other.
func rigs(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Parallel()
	rigsAlone(t, test)
}

// rigsAlone is for a test that changes moto for everybody.
func rigsAlone(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Run("lab", func(t *testing.T) { test(t, labRig(t)) })
	t.Run("moto", func(t *testing.T) { test(t, motoRig(t)) })
}

// again gives another one of the same AWS, empty.
func (r *rig) again(t *testing.T) *rig {
	t.Helper()
	if r.moto != nil {
		return motoRig(t)
	}
	return labRig(t)
}

// takes says whether the i-th of many cases that are much alike is tried: the lab takes
// all of them, and moto, which is slow, every third.
func (r *rig) takes(i int) bool { return r.moto == nil || i%3 == 0 }

// labRig starts a lab of its own.
func labRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{account: "123456789012", second: "210987654321"}
	v := lab.New(world.Options{Seed: 1}, lab.Options{Accounts: []string{r.account, r.second}, Regions: []string{"us-east-1", "eu-west-1"}, Bare: true})
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	id, secret := v.Key()
	return r.start(t, awsconn.Options{EndpointURL: server.URL, AccessKeyID: id, SecretAccessKey: httpx.Literal(secret)})
}

// motoRig takes accounts that nobody has used.
func motoRig(t *testing.T) *rig {
	t.Helper()
	m := moto.Use(t)
	r := &rig{account: freshAccount(), second: freshAccount()}
	r.moto = &motoAccount{m, r.account}
	return r.start(t, awsconn.Options{EndpointURL: m.URL, AccessKeyID: motoKey, SecretAccessKey: httpx.Literal("secret")})
}

func (r *rig) start(t *testing.T, o awsconn.Options) *rig {
	t.Helper()
	r.t, r.dir, r.opt = t, t.TempDir(), o
	r.opt.Regions = []string{"us-east-1"}
	admin := r.admin("us-east-1")
	r.ec2, r.iam = ec2.NewFromConfig(admin), iam.NewFromConfig(admin)
	r.wire = r.newWire()
	r.reopen()
	return r
}

// newWire reaches the AWS of the rig.
func (r *rig) newWire() *wire {
	w := &wire{under: &http.Transport{}, moto: r.moto}
	r.t.Cleanup(w.CloseIdleConnections)
	return w
}

// admin is the administrator's connection. It is not recorded.
func (r *rig) admin(region string) aws.Config {
	r.t.Helper()
	return r.config(r.opt, r.newWire(), region)
}

// way is how the second account is entered.
func (r *rig) way() awsconn.Account {
	return awsconn.Account{ID: r.second, RoleARN: "arn:aws:iam::" + r.second + ":role/" + lab.Role, ExternalID: lab.ExternalID(r.second)}
}

// enforce has IAM checked: the lab does so always, moto only once it is told.
func (r *rig) enforce() {
	r.t.Helper()
	if r.moto == nil {
		return
	}
	if err := r.moto.server.Post(r.t.Context(), "/moto-api/reset-auth", "0"); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = r.moto.server.Post(context.Background(), "/moto-api/reset-auth", "inf") })
}

func (r *rig) conn(o awsconn.Options, w *wire) *awsconn.Conn {
	r.t.Helper()
	w.moto = r.moto
	c, err := awsconn.New(o, awsconn.Env{Name: "aws", HTTP: httpx.Config{Transport: w, RetryBase: time.Millisecond, RetryMax: time.Millisecond, Attempts: 2}})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// config is the connection that a test uses itself.
func (r *rig) config(o awsconn.Options, w *wire, region string) aws.Config {
	r.t.Helper()
	cfg, err := r.conn(o, w).For(r.t.Context(), "", region)
	if err != nil {
		r.t.Fatal(err)
	}
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
