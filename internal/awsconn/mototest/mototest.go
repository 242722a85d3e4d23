// Package mototest starts moto_server, a simulated AWS that others wrote, so that tests
// can hold edrc and its own lab against it. Each server is a process of its own on a
// loopback port: [Start] gives one to a test, [Shared] one to all tests of a package.
package mototest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a moto_server that answers.
type Server struct {
	URL string // http://127.0.0.1:PORT
	cmd *exec.Cmd
}

// Start gives a server that ends with the test. The test is skipped in short runs and
// where moto_server is not on PATH; with CI set in the environment, that is a failure.
// EDRC_MOTO_LOG names a file for what moto says.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := start(find(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// Shared is one server for the tests of a package. The zero value has not started one.
type Shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Use gives the server, which the first test that asks starts. It skips as [Start] does.
func (s *Shared) Use(t testing.TB) *Server {
	t.Helper()
	bin := find(t)
	s.once.Do(func() { s.server, s.err = start(bin) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

// Stop ends the server, if there is one: TestMain calls it.
func (s *Shared) Stop() {
	if s.server != nil {
		s.server.stop()
	}
}

// find gives the path of moto_server, or ends the test.
func find(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("moto is left out of short runs")
	}
	bin, err := exec.LookPath("moto_server")
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf(`moto_server: %v: pip install "moto[server]"`, err)
	default:
		t.Skip(`moto_server is not on PATH, and nothing is tested against it: pip install "moto[server]"`)
	}
	return bin
}

func start(bin string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	_ = l.Close()
	s := &Server{URL: "http://127.0.0.1:" + port, cmd: exec.Command(bin, "-H", "127.0.0.1", "-p", port)}
	if name := os.Getenv("EDRC_MOTO_LOG"); name != "" {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		s.cmd.Stdout, s.cmd.Stderr = f, f
	}
	s.cmd.SysProcAttr = ownGroup()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// ready waits until moto answers.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		if s.Post(ctx, "/moto-api/reset", "") == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("moto_server does not answer on %s: with EDRC_MOTO_LOG=FILE it says why", s.URL)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *Server) stop() {
	killGroup(s.cmd.Process)
	_ = s.cmd.Wait()
}

// Post sends one request to moto's own API, such as /moto-api/reset. An answer other than
// 200 is an error.
func (s *Server) Post(ctx context.Context, path, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("moto: %s: %s", path, resp.Status)
	}
	return nil
}
