package carbonblack

import (
	"archive/zip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"edrc/internal/lab/world"
)

// stored is what the store knows of a file: it has it, or a sensor has yet to upload it.
type stored struct {
	there   bool
	by      *device
	since   time.Time // when the sensor could start
	lost    bool      // deleted: the sensor uploads it again when somebody looks for it
	cut     bool      // larger than the store keeps
	uploads int
}

// link is a way to one file, for a time.
type link struct {
	sha256 string
	until  time.Time
}

// copyOf is a file in the store, nil when it is not there (yet).
func (v *Vendor) copyOf(sha256 string) *stored {
	c := v.copies[sha256]
	if c == nil {
		return nil
	}
	if !c.there && !c.lost && c.by != nil && c.by.online {
		since := c.since
		if c.by.asked.After(since) {
			since = c.by.asked
		}
		if !v.opt.Now().Before(since.Add(v.fetch)) {
			c.there = true
			c.uploads++
		}
	}
	if !c.there {
		return nil
	}
	return c
}

func (v *Vendor) fileOf(sha256 string) *world.File {
	if i := slices.IndexFunc(v.opt.Files, func(f world.File) bool { return f.SHA256 == sha256 }); i >= 0 {
		return &v.opt.Files[i]
	}
	return nil
}

func (v *Vendor) getMetadata(w http.ResponseWriter, r *http.Request) {
	sha256 := strings.ToLower(r.PathValue("sha256"))
	if c := v.copies[sha256]; c != nil && c.lost {
		c.lost, c.since = false, v.opt.Now()
	}
	c, f := v.copyOf(sha256), v.fileOf(sha256)
	if c == nil || f == nil {
		fail(w, http.StatusNotFound, "NOT_FOUND", "Metadata for the binary was not found")
		return
	}
	available, size := f.Size, f.Size
	if c.cut {
		size += 1 << 20
	}
	writeJSON(w, http.StatusOK, object{
		"sha256": f.SHA256, "md5": f.MD5, "architecture": []string{"amd64"}, "available_file_size": available, "file_size": size, "file_available": true,
		"os_type": "WINDOWS", "original_filename": f.Name, "internal_name": nil, "product_name": nil, "company_name": nil, "charset_id": nil, "lang_id": nil,
	})
}

// postDownload gives links. Now and then the store fails for a hash.
func (v *Vendor) postDownload(w http.ResponseWriter, r *http.Request) {
	var body struct {
		SHA256  []string `json:"sha256"`
		Expires int      `json:"expiration_seconds"`
	}
	if !read(w, r, &body) {
		return
	}
	found, missing, failed := []object{}, []string{}, []string{}
	for _, h := range body.SHA256 {
		switch c := v.copyOf(strings.ToLower(h)); {
		case c == nil || v.fileOf(strings.ToLower(h)) == nil:
			missing = append(missing, h)
		case v.faulty > 0:
			v.faulty--
			failed = append(failed, h)
		default:
			life := 3600
			if body.Expires > 0 {
				life = body.Expires
			}
			signature := fmt.Sprintf("%016x%016x", v.rng.Uint64(), v.rng.Uint64())
			v.links[signature] = link{strings.ToLower(h), v.opt.Now().Add(time.Duration(life) * time.Second)}
			scheme := "http"
			if r.TLS != nil {
				scheme = "https"
			}
			found = append(found, object{"sha256": strings.ToUpper(h), "url": fmt.Sprintf("%s://%s/storage/%s.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=%d&X-Amz-Signature=%s", scheme, r.Host, strings.ToLower(h), life, signature)})
		}
	}
	writeJSON(w, http.StatusOK, object{"found": found, "not_found": missing, "error": failed})
}

// getStorage is the storage: whoever has the link may read.
func (v *Vendor) getStorage(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	l, ok := v.links[r.URL.Query().Get("X-Amz-Signature")]
	ok = ok && v.opt.Now().Before(l.until) && r.PathValue("file") == l.sha256+".zip"
	if r.Header.Get("X-Auth-Token") != "" {
		v.leaks++
		ok = false
	}
	f := v.fileOf(l.sha256)
	v.mu.Unlock()
	if !ok || f == nil {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>`)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	if writeZip(w, *f) == nil {
		v.mu.Lock()
		v.state.Downloads++
		v.mu.Unlock()
	}
}

// writeZip writes what the store keeps: a plain zip, with the bytes in "filedata".
func writeZip(w io.Writer, f world.File) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	z := zip.NewWriter(w)
	entry, err := z.Create("filedata")
	if err == nil {
		_, err = io.Copy(entry, in)
	}
	if err == nil {
		entry, err = z.Create("metadata")
	}
	if err == nil {
		_, err = io.WriteString(entry, `{"sha256":"`+f.SHA256+`"}`)
	}
	if err != nil {
		return err
	}
	return z.Close()
}
