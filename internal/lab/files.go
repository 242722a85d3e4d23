package lab

// FileInfo is the truth about one file of the world, for tests that need a file of a certain kind.
type FileInfo struct {
	// Index is what the control server's alerts command takes as file.
	Index   int    `json:"index"`
	Name    string `json:"name"`
	SHA256  string `json:"sha256"`
	SHA1    string `json:"sha1"`
	MD5     string `json:"md5"`
	Verdict string `json:"verdict"`
	Family  string `json:"family"`
	// Held is what the engine has at the start: private, stale, expired, public or nothing.
	Held string `json:"held"`
	// FailsOnce: its first analysis ends failed. Skipped: an account rule excludes it.
	FailsOnce bool `json:"fails_once"`
	Skipped   bool `json:"skipped"`
	Size      int  `json:"size"`
	// Serves is what an agent uploads when it is asked for the file; the words are those of serveKinds, in s1_serve.go.
	Serves string `json:"serves"`
}

// Files are the files of the world; also served as GET /_lab/files.
func (l *Lab) Files() []FileInfo {
	held := []string{"private", "stale", "expired", "public", "nothing"}
	out := make([]FileInfo, len(l.engine.corpus.files))
	for i, f := range l.engine.corpus.files {
		out[i] = FileInfo{
			Index: i, Name: f.name, SHA256: f.sha256, SHA1: f.sha1, MD5: f.md5, Verdict: f.verdict, Family: f.family,
			Held: held[f.held], FailsOnce: f.failsOnce, Skipped: f.skipped, Size: f.size, Serves: l.serves(i),
		}
	}
	return out
}
