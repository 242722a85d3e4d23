package config

import (
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/zalando/go-keyring"

	"edrc/internal/fault"
)

// KeyringService is the name under which edrc's secrets stand in the keyring of
// the operating system; a reference {keyring: NAME} is its entry NAME.
const KeyringService = "edrc"

const (
	// A locked collection asks the user through a dialog that may be on no
	// screen, so the keyring is not waited for longer.
	keyringTimeout = 3 * time.Second
	commandTimeout = 10 * time.Second
	// maxSecret bounds what a file or a command may give: a private key fits.
	maxSecret = 64 << 10
)

// reference is one secret that is kept elsewhere.
type reference struct {
	scheme string
	arg    string
	argv   []string // of a command given as a list
	where  string   // FILE:LINE: key, what every failure starts with
}

// resolver follows references. Its failures are of kind Auth, not Usage: a source
// without its credential fails alone, and the others finish (exit 3).
type resolver struct {
	env     func(string) (string, bool)
	keyring func(service, user string) (string, error)
	expand  func(path string) string
}

// resolve gets the secret. No error holds any part of it.
func (r resolver) resolve(ctx context.Context, ref reference) (string, error) {
	var value string
	var err error
	switch ref.scheme {
	case inKeyring:
		value, err = r.fromKeyring(ctx, ref)
	case inEnv:
		value, err = r.fromEnv(ref)
	case inFile:
		value, err = fromFile(ref, r.expand(ref.arg))
	default:
		value, err = fromCommand(ctx, ref, commandTimeout)
	}
	return value, err
}

// failed makes the error of a reference that could not be followed.
func (ref reference) failed(format string, args ...any) *fault.Error {
	return fault.New(fault.Auth, ref.where+": "+format, args...)
}

func (r resolver) fromEnv(ref reference) (string, error) {
	value, _ := r.env(ref.arg)
	if value == "" {
		return "", ref.failed("the environment variable %s is not set, or empty", variable(ref.arg))
	}
	return value, nil
}

// variable is the name of a variable as an error may show it: a long one without
// an underscore is rather a token in the wrong place.
func variable(name string) string {
	if regexp.MustCompile(`^[A-Za-z0-9]{0,20}(_[A-Za-z0-9]{0,20}){1,9}$`).MatchString(name) {
		return name
	}
	return label(name)
}

// fromKeyring asks the keyring in the background: the library takes no context.
// A call that never returns is left behind; it dies with the process.
func (r resolver) fromKeyring(ctx context.Context, ref reference) (string, error) {
	type answer struct {
		value string
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := r.keyring(KeyringService, ref.arg)
		done <- answer{value, err}
	}()
	timer := time.NewTimer(keyringTimeout)
	defer timer.Stop()
	const instead = "on a machine without a desktop keep it with file:, env: or command: instead of keyring:"
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-timer.C:
		return "", ref.failed("the keyring did not answer within %v: it may be locked", keyringTimeout).WithHint(instead)
	case a := <-done:
		switch {
		case errors.Is(a.err, keyring.ErrNotFound), a.err == nil && a.value == "":
			return "", ref.failed("the keyring has no entry %s of the service %s", label(ref.arg), KeyringService).
				WithHint("store it with: edrc auth login")
		case a.err != nil:
			return "", ref.failed("the keyring cannot be used: %s", printable(a.err.Error())).WithHint(instead)
		}
		return a.value, nil
	}
}

// fromFile reads a secret from a file that nobody else can read.
func fromFile(ref reference, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", ref.failed("%w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", ref.failed("%w", err)
	case info.IsDir():
		return "", ref.failed("%s is a directory", path)
	case info.Mode().IsRegular() && openMode(info.Mode()):
		return "", ref.failed("others than you can read or change %s (mode %04o)", path, info.Mode().Perm()).
			WithHint("chmod 600 %s", quotePath(path))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", ref.failed("%w", err)
	}
	if len(data) > maxSecret {
		return "", ref.failed("%s is larger than 64 KiB: this is not a secret", path)
	}
	value := strings.TrimRight(string(data), "\r\n")
	if value == "" {
		return "", ref.failed("%s is empty", path)
	}
	return value, nil
}

// quotePath makes a path fit for a shell, when it must be.
func quotePath(path string) string {
	if strings.ContainsAny(path, " \t\n'\"\\$`&;()<>|*?[]#~!{}") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

// StoreSecret puts a secret where {keyring: name} finds it.
func StoreSecret(name, secret string) error {
	done := make(chan error, 1) // buffered: an answer that comes too late is dropped
	go func() { done <- keyring.Set(KeyringService, name, secret) }()
	const instead = "without a keyring use {env: VARIABLE} or {file: PATH} in the configuration"
	select {
	case err := <-done:
		if err != nil {
			return fault.New(fault.Unavailable, "the keyring cannot be used: %s", printable(err.Error())).WithHint(instead)
		}
		return nil
	case <-time.After(keyringTimeout):
		return fault.New(fault.Unavailable, "the keyring did not answer within %v: it may be locked", keyringTimeout).WithHint(instead)
	}
}
