// Package sample handles malware so that it never stands in clear on a disk: a
// spool of encrypted archives, readers for password-protected zip and 7z with
// limits, and hashing while streaming.
package sample

import "edrc/internal/alert"

// Spool is where archives wait, encrypted, in files that nobody else can name.
type Spool struct{}

// Archive is one encrypted archive on the spool with one file in it.
type Archive struct {
	Name   string       // of the file inside, for people; hostile
	Hashes alert.Hashes // of the file inside, once it was hashed
	Size   int64        // of the file inside
}
