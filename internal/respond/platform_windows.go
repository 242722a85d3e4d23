package respond

// syncDir: the file system keeps names with their files.
func syncDir(string) error { return nil }
