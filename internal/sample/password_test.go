package sample

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestPasswordsSatisfyTheProductsAndDiffer(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, 32)
	seen := map[string]string{}
	for _, source := range []string{"s1", "s", "s11"} {
		for _, threat := range []string{"", "1", "11", "1698"} {
			for attempt := range 50 {
				p := Password(secret, source, threat, attempt)
				if len(p) < 20 || !strings.ContainsAny(p, lowers) || !strings.ContainsAny(p, uppers) ||
					!strings.ContainsAny(p, digits) || !strings.ContainsAny(p, symbols) || strings.ContainsAny(p, " '\"\\$`-"[:6]) {
					t.Fatalf("%q is refused by some product or shell", p)
				}
				if p != Password(secret, source, threat, attempt) {
					t.Fatal("the same request has another password")
				}
				key := source + "|" + threat
				if was, dup := seen[p]; dup {
					t.Fatalf("%s and %s share a password", was, key)
				}
				seen[p] = key
			}
		}
	}
	if Password(bytes.Repeat([]byte{8}, 32), "s1", "1", 1) == Password(secret, "s1", "1", 1) {
		t.Fatal("the secret does not matter")
	}
}

func TestTheInstallSecretIsOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	got := make([][]byte, 16)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			b, err := InstallSecret(dir)
			if err != nil {
				t.Error(err)
			}
			got[i] = b
		})
	}
	wg.Wait()
	for _, b := range got {
		if len(b) != 32 || !bytes.Equal(b, got[0]) || bytes.Equal(b, make([]byte, 32)) {
			t.Fatalf("got %x and %x", b, got[0])
		}
	}
	if names := namesIn(t, dir); len(names) != 1 {
		t.Fatalf("left: %v", names)
	}
	if runtime.GOOS == "windows" {
		return
	}
	path := filepath.Join(dir, secretName)
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v", fi.Mode())
	}
	os.Chmod(path, 0o644)
	if _, err := InstallSecret(dir); err == nil || !strings.Contains(err.Error(), "others") {
		t.Fatalf("a secret that others may read is used: %v", err)
	}
	os.Chmod(path, 0o600)
	os.WriteFile(path, []byte("short"), 0o600)
	if _, err := InstallSecret(dir); err == nil {
		t.Fatal("a short secret is used")
	}
}
