// Package web serves the pages that live in the binary.
package web

import (
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// dist is what playground/ builds: every file gzipped, so that it is served as it lies here.
//
//go:embed all:dist
var dist embed.FS

const (
	root  = "/playground"
	index = "index.html"
)

// contentSecurityPolicy keeps the page to its own origin. The editor sets style
// attributes and carries its icons and fonts as data URLs; nothing else is inline.
const contentSecurityPolicy = "default-src 'none'; " +
	"script-src 'self'; " +
	"connect-src 'self'; " +
	"worker-src 'self'; " +
	"style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; " +
	"font-src 'self' data:; " +
	"base-uri 'none'; " +
	"form-action 'none'; " +
	"frame-ancestors 'none'"

// contentTypes is fixed here because package mime answers from the machine's own tables.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".md":   "text/plain; charset=utf-8",
	".svg":  "image/svg+xml",
	".ttf":  "font/ttf",
}

type file struct {
	contentType  string
	cacheControl string
	etag         string
	packed       string // gzip, RFC 1952
}

// Playground serves GraphiQL, wired to POST /graphql of the same origin, for requests
// whose path is /playground or lies below it. It needs nothing from outside the binary.
func Playground() http.Handler {
	files := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		f, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

// load answers every file of dist by the path it is served under.
func load() map[string]file {
	files := make(map[string]file)
	err := fs.WalkDir(dist, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		packed, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		served := strings.TrimSuffix(strings.TrimPrefix(name, "dist/"), ".gz")
		contentType, ok := contentTypes[path.Ext(served)]
		if !ok {
			return fmt.Errorf("no content type for %s", name)
		}
		f := file{contentType: contentType, cacheControl: "no-cache", etag: weakETag(packed), packed: string(packed)}
		if strings.HasPrefix(served, "assets/") { // named by their content
			f.cacheControl = "public, max-age=31536000, immutable"
		}
		files[root+"/"+served] = f
		return nil
	})
	if err != nil {
		panic("web: embedded playground: " + err.Error())
	}
	page := files[root+"/"+index]
	files[root], files[root+"/"] = page, page
	return files
}

// weakETag is weak because one tag stands for the packed and the plain body (RFC 9110 §8.8.1).
func weakETag(content []byte) string {
	sum := sha256.Sum256(content)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.cacheControl)
	h.Set("ETag", f.etag)
	h.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(f.packed)))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(f.packed))
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	plain, err := gzip.NewReader(strings.NewReader(f.packed))
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	// The headers are out; a client that went away is all that can fail here.
	_, _ = io.Copy(w, plain)
}

// acceptsGzip reads Accept-Encoding by RFC 9110 §12.5.3: an explicit gzip counts over `*`,
// a quality of 0 refuses, and a client that says nothing gets the plain body.
func acceptsGzip(headers []string) bool {
	accepted := false
	for coding := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		name, parameters, _ := strings.Cut(coding, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "gzip" && name != "x-gzip" && name != "*" {
			continue
		}
		q := 1.0
		if value, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameters)), "q="); ok {
			q, _ = strconv.ParseFloat(value, 64)
		}
		accepted = q > 0
		if name != "*" {
			return accepted
		}
	}
	return accepted
}
