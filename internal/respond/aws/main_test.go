package aws

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// motoServer is the other simulated AWS of the tests, beside the lab: a process of its
// own, started by the first test that wants it, and shared by all.
type motoServer struct {
	url  string
	cmd  *exec.Cmd
	err  error
	used atomic.Int64 // accounts
}

// motoKey is nobody's: moto takes it for the account that a header names.
const motoKey = "AKIAIOSFODNN7EXAMPLE"

// motoAccount is where moto puts the requests that are signed with motoKey. It keeps
// accounts apart, and makes them when they are first used.
type motoAccount struct {
	server *motoServer
	id     string
}

func (a *motoAccount) enter(r *http.Request) {
	if strings.Contains(r.Header.Get("Authorization"), motoKey) {
		r.Header.Set("X-Moto-Account-Id", a.id)
	}
}

// fresh gives an account that no test has used.
func (m *motoServer) fresh() string { return fmt.Sprintf("%012d", 100_000_000_000+m.used.Add(1)) }

var startMoto = sync.OnceValue(func() *motoServer {
	bin, err := exec.LookPath("moto_server")
	if err != nil {
		return &motoServer{err: err}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return &motoServer{err: err}
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	m := &motoServer{url: fmt.Sprintf("http://127.0.0.1:%d", port), cmd: exec.Command(bin, "-H", "127.0.0.1", "-p", fmt.Sprint(port))}
	if log := os.Getenv("EDRC_MOTO_LOG"); log != "" {
		f, err := os.Create(log)
		if err != nil {
			return &motoServer{err: err}
		}
		m.cmd.Stdout, m.cmd.Stderr = f, f
	}
	m.cmd.SysProcAttr = ownGroup()
	if m.err = m.cmd.Start(); m.err == nil {
		startedMoto = m
		m.err = m.ready()
	}
	return m
})

// ready waits until moto answers.
func (m *motoServer) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		if m.post(ctx, "/moto-api/reset", "") == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("moto_server does not answer on %s", m.url)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (m *motoServer) post(ctx context.Context, path, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	t := &http.Transport{DisableKeepAlives: true}
	resp, err := t.RoundTrip(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("moto: %s: %s", path, resp.Status)
	}
	return nil
}

func TestMain(m *testing.M) {
	for k, v := range map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_REGION": "us-east-1"} {
		_ = os.Setenv(k, v)
	}
	_ = os.Unsetenv("AWS_PROFILE")
	_ = os.Unsetenv("INITIAL_NO_AUTH_ACTION_COUNT")
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if s := startedMoto; s != nil && s.cmd != nil && s.cmd.Process != nil {
			killGroup(s.cmd.Process)
			_ = s.cmd.Wait()
		}
		os.Exit(code)
	}))
}

// startedMoto is the server once a test wanted it: what TestMain ends.
var startedMoto *motoServer

// useMoto gives the server. Without moto_server the test is skipped, but not on CI.
func useMoto(t *testing.T) *motoServer {
	t.Helper()
	if testing.Short() {
		t.Skip("moto is left out of short runs: the lab alone was tested")
	}
	m := startMoto()
	if m.cmd == nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("moto_server: %v", m.err)
		}
		t.Skip(`moto_server is not on PATH (pip install "moto[server]"): the lab alone was tested`)
	}
	if m.err != nil {
		t.Fatal(m.err)
	}
	return m
}
