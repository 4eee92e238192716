package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/keytag/keytag/internal/telemetry"
)

// record gives the request its id and its place in the context, and writes the
// access log line when it is over.
func (s *Server) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		request := &telemetry.Request{
			ID:        requestID(r.Header.Get("X-Request-Id")),
			RemoteIP:  clientIP(r, s.proxies),
			UserAgent: cut(telemetry.Redact(r.UserAgent()), 256),
		}
		ctx, span := telemetry.BeginRequest(telemetry.WithRequest(r.Context(), request), "HTTP", r.Header)
		w.Header()["X-Request-Id"] = []string{request.ID}
		response := &response{ResponseWriter: w, writing: s.writing, connection: connectionOf(r.Context())}
		response.connection.allow(start, s.writing) // to be told to go on sending, and what net/http itself may answer
		defer func() {
			s.access(ctx, r, response, request, start)
			s.trace(span, r, response, request)
		}()
		next.ServeHTTP(response, r.WithContext(ctx))
	})
}

// trace ends the span of a request, in the names of https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
func (s *Server) trace(span telemetry.Span, r *http.Request, response *response, request *telemetry.Request) {
	if span == (telemetry.Span{}) {
		return
	}
	status := response.answered()
	span.Number("http.response.status_code", status)
	if answer, ok := request.Answer(); ok { // else the path may be anything
		span.Name("GraphQL " + answer.Operation)
		span.Text("url.path", "/graphql")
		span.Text("http.request.method", known(r.Method))
		span.Text("keytag.code", answer.Code)
	}
	span.Text("keytag.request_id", request.ID)
	span.End(status >= http.StatusInternalServerError)
}

// known are methods that clients have not made up.
func known(method string) string {
	if method == http.MethodGet || method == http.MethodPost || method == http.MethodOptions {
		return method
	}
	return "_OTHER"
}

// access writes the line of a request, past the logger, which would look up where it is called from.
func (s *Server) access(ctx context.Context, r *http.Request, response *response, request *telemetry.Request, start time.Time) {
	now, level := time.Now(), level(r, response)
	if answer, ok := request.Answer(); ok {
		telemetry.Answers.Add(answer)
		telemetry.Took(now.Sub(start))
	}
	handler := s.logger.Handler()
	if !handler.Enabled(ctx, level) {
		return
	}
	line := slog.NewRecord(now, level, "request", 0)
	line.AddAttrs(request.Attrs(append(make([]slog.Attr, 0, 12),
		slog.String("method", cut(telemetry.Redact(r.Method), 16)),
		slog.String("path", cut(telemetry.Redact(r.URL.Path), 256)),
		slog.Int("status", response.answered()),
		slog.Int64("duration_us", now.Sub(start).Microseconds()),
		slog.Int64("bytes", response.bytes),
		slog.String("request_id", request.ID),
	))...)
	_ = handler.Handle(ctx, line) // there is nowhere to tell
}

// level keeps the probes of an orchestrator out of the log while all is well.
func level(r *http.Request, response *response) slog.Level {
	probe := r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || r.URL.Path == "/metrics"
	if probe && response.answered() < http.StatusBadRequest {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

var sane = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID keeps the id that a proxy gave, unless it is unfit for headers and
// logs or is an API key; else it makes one of 130 random bits.
func requestID(given string) string {
	if given != "" && sane.MatchString(given) && telemetry.Redact(given) == given {
		return given
	}
	return rand.Text()
}

// clientIP is where the request comes from. Of X-Forwarded-For, which anybody can send, only what
// proxies that are trusted have added is believed: it is read from the right, as long as the address
// before is that of a trusted proxy. The zero Addr means that a trusted proxy said something that is no
// address.
func clientIP(r *http.Request, proxies []netip.Prefix) netip.Addr {
	client := remoteIP(r.RemoteAddr)
	if len(proxies) == 0 {
		return client
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && trusted(client, proxies); i-- {
		hop := strings.TrimSpace(hops[i])
		if hop == "" && len(hops) == 1 {
			break // no header
		}
		address, err := netip.ParseAddr(hop)
		if err != nil {
			if client = remoteIP(hop); client.IsValid() { // some proxies add the port
				continue
			}
			return netip.Addr{}
		}
		client = address.Unmap().WithZone("")
	}
	return client
}

func trusted(address netip.Addr, proxies []netip.Prefix) bool {
	return slices.ContainsFunc(proxies, func(block netip.Prefix) bool { return block.Contains(address) })
}

func remoteIP(address string) netip.Addr {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Addr{}
	}
	return parsed.Addr().Unmap().WithZone("")
}

// cut bounds what the client chose. It is redacted before it is cut: nothing recognises half a key.
func cut(text string, limit int) string {
	return strings.ToValidUTF8(text[:min(len(text), limit)], "")
}

// Values of headers that are always the same, and never changed.
var noSniff, noReferrer = []string{"nosniff"}, []string{"no-referrer"}

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header["X-Content-Type-Options"], header["Referrer-Policy"] = noSniff, noReferrer
		next.ServeHTTP(w, r)
	})
}

// recovered turns a panic into a 500 that says nothing but the request id, or
// breaks off an answer that has already begun.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			id := telemetry.RequestID(r.Context())
			s.logger.ErrorContext(r.Context(), "panic", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()), "request_id", id)
			if response, ok := w.(*response); ok && response.status != 0 {
				panic(http.ErrAbortHandler)
			}
			writeInternalError(w, id)
		}()
		next.ServeHTTP(w, r)
	})
}

// writeInternalError has the shape of a GraphQL response, the one that most
// clients of this server can show.
func writeInternalError(w http.ResponseWriter, id string) {
	type extensions struct {
		Code      string `json:"code"`
		RequestID string `json:"requestId"`
	}
	type failure struct {
		Message    string     `json:"message"`
		Extensions extensions `json:"extensions"`
	}
	body, err := json.Marshal(map[string][]failure{"errors": {{
		Message:    "Something went wrong on our side.",
		Extensions: extensions{Code: "internal", RequestID: id},
	}}})
	if err != nil {
		panic(err) // three strings are always JSON
	}
	header := w.Header()
	header.Del("Content-Length")
	header.Del("Content-Encoding")
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Cloud-Error-Codes", "internal")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write(body)
}

// response remembers what was answered.
type response struct {
	http.ResponseWriter
	connection *connection // nil of a request that came over none
	writing    time.Duration
	status     int // 0 until the headers are written
	bytes      int64
}

// Unwrap lets http.ResponseController reach the connection.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// answered is the status that the client saw: net/http writes 200 for a handler
// that wrote nothing.
func (r *response) answered() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// WriteHeader keeps the first status that is not informational.
func (r *response) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.begin(status)
	}
	r.ResponseWriter.WriteHeader(status)
}

// begin gives the client its time to take the answer, however long the work took.
func (r *response) begin(status int) {
	r.status = status
	r.connection.allow(time.Now(), r.writing)
}

// connection is one of HTTP/1.1, which carries one request at a time.
type connection struct {
	net.Conn
	until time.Time // when the client must have taken what is written
}

// allow gives the client this long from now, and up to twice as long: to move the deadline is a part of what a small
// answer costs, and most find that the last one has done it.
func (c *connection) allow(now time.Time, writing time.Duration) {
	if c == nil || c.until.Sub(now) >= writing {
		return
	}
	c.until = now.Add(2 * writing)
	_ = c.SetWriteDeadline(c.until) // an error is that of a connection that is closed
}

type connectionKey struct{}

func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{Conn: c})
}

func connectionOf(ctx context.Context) *connection {
	c, _ := ctx.Value(connectionKey{}).(*connection)
	return c
}

// Write counts the bytes of the body.
func (r *response) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.begin(http.StatusOK)
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}
