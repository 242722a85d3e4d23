package intezer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
)

// savedToken is the file through which processes share an access token, so that
// cron does not log in every minute. It is a convenience: every failure is silent
// and costs one token request. "" is no file.
//
// The file is in clear, as a bearer token must be; it is 0600 in the state
// directory, lives hours, and is named after endpoint and key, so that a rotated
// key never meets an old token (PROTOCOLS 3).
type savedToken string

// tokenFile names the file of an endpoint and a key.
func tokenFile(dir, site, key string) savedToken {
	if dir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("edrc token\x00" + site + "\x00" + key))
	return savedToken(filepath.Join(dir, name+"-"+hex.EncodeToString(sum[:8])+".json"))
}

// read gives the saved token, zero when there is none. A file that others can
// read or that is no plain file is not believed: it will be replaced.
func (f savedToken) read() token {
	if f == "" {
		return token{}
	}
	info, err := os.Lstat(string(f))
	if err != nil || !info.Mode().IsRegular() || info.Size() > 64<<10 ||
		runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return token{}
	}
	b, err := os.ReadFile(string(f))
	if err != nil {
		return token{}
	}
	var t token
	if json.Unmarshal(b, &t) != nil || !sendable(t.Value) {
		return token{}
	}
	return t
}

// write saves t by way of a temporary file: a reader sees the old or the new one.
func (f savedToken) write(t token) {
	if f == "" {
		return
	}
	b, err := json.Marshal(t)
	if err != nil {
		return
	}
	dir := filepath.Dir(string(f))
	if os.MkdirAll(dir, 0o700) != nil {
		return
	}
	tmp, err := os.CreateTemp(dir, ".token-*") // mode 0600
	if err != nil {
		return
	}
	_, err = tmp.Write(b)
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(tmp.Name(), string(f))
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
}

// remove forgets the token.
func (f savedToken) remove() {
	if f != "" {
		_ = os.Remove(string(f))
	}
}
