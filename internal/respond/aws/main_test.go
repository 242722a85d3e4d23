package aws

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"edrc/internal/awsconn/mototest"
)

// moto is the other simulated AWS of the tests, beside the lab: a process that the first
// test that wants it starts, and that all share.
var moto mototest.Shared

// motoAccounts counts the accounts that tests used of it.
var motoAccounts atomic.Int64

// motoKey is nobody's: moto takes it for the account that a header names.
const motoKey = "AKIAIOSFODNN7EXAMPLE"

// motoAccount is where moto puts the requests that are signed with motoKey. It keeps
// accounts apart, and makes them when they are first used.
type motoAccount struct {
	server *mototest.Server
	id     string
}

func (a *motoAccount) enter(r *http.Request) {
	if strings.Contains(r.Header.Get("Authorization"), motoKey) {
		r.Header.Set("X-Moto-Account-Id", a.id)
	}
}

// freshAccount gives an account that no test has used.
func freshAccount() string { return fmt.Sprintf("%012d", 100_000_000_000+motoAccounts.Add(1)) }

func TestMain(m *testing.M) {
	for k, v := range map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_REGION": "us-east-1"} {
		_ = os.Setenv(k, v)
	}
	_ = os.Unsetenv("AWS_PROFILE")
	_ = os.Unsetenv("INITIAL_NO_AUTH_ACTION_COUNT")
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		moto.Stop()
		os.Exit(code)
	}))
}
