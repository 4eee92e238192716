package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func request(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Playground().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, response *http.Response) []byte {
	t.Helper()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func unpacked(t *testing.T, packed []byte) []byte {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestPage(t *testing.T) {
	for _, target := range []string{"/playground", "/playground/"} {
		response := request(t, "GET", target)
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", target, response.StatusCode)
		}
		if !bytes.Contains(body(t, response), []byte("<title>keytag playground</title>")) {
			t.Errorf("%s is not the page", target)
		}
		for name, want := range map[string]string{
			"Content-Type":            "text/html; charset=utf-8",
			"Cache-Control":           "no-cache",
			"Content-Security-Policy": contentSecurityPolicy,
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
			"Vary":                    "Accept-Encoding",
			"Content-Encoding":        "",
		} {
			if got := response.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got, want)
			}
		}
	}
}

// Whatever the page names must be here, served with a type the browser accepts under nosniff.
func TestPageIsComplete(t *testing.T) {
	page := body(t, request(t, "GET", "/playground"))
	if regexp.MustCompile(`(?:src|href)="(?:https?:)?//`).Match(page) {
		t.Error("the page names another origin")
	}
	links := regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllSubmatch(page, -1)
	if len(links) < 3 {
		t.Fatalf("found %d links, want at least script, style and icon", len(links))
	}
	for _, link := range links {
		target := string(link[1])
		response := request(t, "GET", target, "Accept-Encoding", "gzip")
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", target, response.StatusCode)
		}
		if got := response.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control %q", target, got)
		}
		if strings.HasSuffix(target, ".js") && response.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", target, response.Header.Get("Content-Type"))
		}
	}
}

func TestEveryFileUnpacksToWhatPlainClientsGet(t *testing.T) {
	for target := range load() {
		packed := request(t, "GET", target, "Accept-Encoding", "br, gzip")
		content := body(t, packed)
		if got := packed.Header.Get("Content-Encoding"); got != "gzip" {
			t.Errorf("%s: Content-Encoding %q", target, got)
		}
		if int64(len(content)) != packed.ContentLength {
			t.Errorf("%s: %d bytes, Content-Length %d", target, len(content), packed.ContentLength)
		}
		if !bytes.Equal(unpacked(t, content), body(t, request(t, "GET", target))) {
			t.Errorf("%s: packed and plain bodies differ", target)
		}
		// A build that stamps time or host into the gzip header is not reproducible (RFC 1952 §2.3.1).
		if flags, modified := content[3], content[4:8]; flags != 0 || !bytes.Equal(modified, make([]byte, 4)) {
			t.Errorf("%s: gzip header holds a name or a time", target)
		}
	}
}

func TestRevalidation(t *testing.T) {
	first := request(t, "GET", "/playground", "Accept-Encoding", "gzip")
	again := request(t, "GET", "/playground", "Accept-Encoding", "gzip", "If-None-Match", first.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified || len(body(t, again)) != 0 {
		t.Errorf("known ETag: %d", again.StatusCode)
	}
	other := request(t, "GET", "/playground", "Accept-Encoding", "gzip", "If-None-Match", `W/"other"`)
	if other.StatusCode != http.StatusOK {
		t.Errorf("other ETag: %d", other.StatusCode)
	}
}

func TestHead(t *testing.T) {
	for _, encoding := range []string{"gzip", "identity"} {
		response := request(t, "HEAD", "/playground", "Accept-Encoding", encoding)
		if response.StatusCode != http.StatusOK || len(body(t, response)) != 0 {
			t.Errorf("%s: %d with a body", encoding, response.StatusCode)
		}
		if response.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", encoding, response.Header.Get("Content-Type"))
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{"POST", "/playground", http.StatusMethodNotAllowed},
		{"DELETE", "/playground/", http.StatusMethodNotAllowed},
		{"GET", "/playground/assets/", http.StatusNotFound},
		{"GET", "/playground/assets/none.js", http.StatusNotFound},
		{"GET", "/playground/../web.go", http.StatusNotFound},
		{"GET", "/playground/index.html.gz", http.StatusNotFound},
		{"GET", "/playgrounds", http.StatusNotFound},
	} {
		response := request(t, c.method, c.target)
		if response.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.target, response.StatusCode, c.status)
		}
		if response.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s: no Content-Security-Policy", c.method, c.target)
		}
		if strings.Contains(response.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s %s: cached for ever", c.method, c.target)
		}
		if c.status == http.StatusMethodNotAllowed && response.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow %q", c.method, c.target, response.Header.Get("Allow"))
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"":                     false,
		"gzip":                 true,
		"GZIP":                 true,
		"gzip, deflate, br":    true,
		"br;q=1.0, gzip;q=0.5": true,
		"gzip;q=0":             false,
		"gzip; q=0.000":        false,
		"*":                    true,
		"*;q=0":                false,
		"*, gzip;q=0":          false,
		"gzip;q=0, *":          false,
		"identity":             false,
		"gzipped":              false,
		"gzip;q=none":          false,
	} {
		if got := acceptsGzip([]string{header}); got != want {
			t.Errorf("Accept-Encoding %q: %v, want %v", header, got, want)
		}
	}
}
