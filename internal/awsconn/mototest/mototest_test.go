package mototest

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// said is a test that keeps how it was ended.
type said struct {
	testing.TB
	skipped, failed string
}

func (s *said) Helper() {}
func (s *said) Skip(args ...any) {
	s.skipped, _ = args[0].(string)
	panic(s)
}
func (s *said) Fatalf(format string, args ...any) {
	s.failed = format
	panic(s)
}

// ended runs Start where moto_server is not on PATH.
func ended(t *testing.T) (s *said) {
	t.Setenv("PATH", t.TempDir())
	s = &said{TB: t}
	defer func() {
		if recover() == nil {
			t.Error("it went on without moto_server")
		}
	}()
	Start(s)
	return s
}

func TestWithoutMotoATestIsSkippedAndFailsOnCI(t *testing.T) {
	if testing.Short() {
		t.Skip("short runs leave moto out before they look for it")
	}
	t.Setenv("CI", "")
	if s := ended(t); s.failed != "" || !strings.Contains(s.skipped, `pip install "moto[server]"`) {
		t.Errorf("skipped %q, failed %q", s.skipped, s.failed)
	}
	t.Setenv("CI", "true")
	if s := ended(t); s.skipped != "" || !strings.Contains(s.failed, `pip install "moto[server]"`) {
		t.Errorf("on CI: skipped %q, failed %q", s.skipped, s.failed)
	}
}

func TestAServerEndsWithItsTest(t *testing.T) {
	var s *Server
	t.Run("while it runs", func(t *testing.T) {
		s = Start(t)
		if err := s.Post(t.Context(), "/moto-api/reset", ""); err != nil {
			t.Error(err)
		}
		if err := s.Post(t.Context(), "/moto-api/nothing-there", ""); err == nil {
			t.Error("an answer that is none is no error")
		}
	})
	if s != nil && s.Post(t.Context(), "/moto-api/reset", "") == nil {
		t.Error("moto answers after its test")
	}
}
