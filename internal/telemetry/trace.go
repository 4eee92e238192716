package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracer is nil while there are no traces.
var tracer atomic.Pointer[trace.Tracer]

// Traces are sent by OTLP over HTTP to where the standard variables of OpenTelemetry say
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/), until stop is called, which sends
// what is left; what goes wrong on the way goes to log. Spans hold no header, no variable, no document and no value of a statement.
func Traces(ctx context.Context, version string, log *slog.Logger) (stop func(context.Context) error, err error) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces", "error", err) }))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, err
	}
	of, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "keytag"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(of))
	made := provider.Tracer("github.com/keytag/keytag")
	tracer.Store(&made)
	return func(ctx context.Context) error {
		tracer.Store(nil)
		return provider.Shutdown(ctx)
	}, nil
}

// Span is a part of a trace; the zero Span is none, and does nothing.
type Span struct{ span trace.Span }

// Begin begins a part of the work of this server: of the trace that ctx belongs to, else a new one. It costs nothing
// while there are no traces.
func Begin(ctx context.Context, name string) (context.Context, Span) {
	return begin(ctx, name, trace.SpanKindInternal)
}

// BeginCall is Begin of what another server does for this one.
func BeginCall(ctx context.Context, name string) (context.Context, Span) {
	return begin(ctx, name, trace.SpanKindClient)
}

// BeginRequest is Begin of a request, whose client may have begun the trace (https://www.w3.org/TR/trace-context/).
func BeginRequest(ctx context.Context, name string, h http.Header) (context.Context, Span) {
	if tracer.Load() == nil {
		return ctx, Span{}
	}
	return begin(propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(h)), name, trace.SpanKindServer)
}

func begin(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	t := tracer.Load()
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := (*t).Start(ctx, name, trace.WithSpanKind(kind))
	return ctx, Span{span}
}

// Text adds what is known of a span, in the names of OpenTelemetry's conventions.
func (s Span) Text(name, value string) {
	if s.span != nil && value != "" {
		s.span.SetAttributes(attribute.String(name, value))
	}
}

// Number is Text of a number.
func (s Span) Number(name string, value int) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int(name, value))
	}
}

// Name gives a span a name that is known better now.
func (s Span) Name(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// End ends a span; failed says that it did not do what it should.
func (s Span) End(failed bool) {
	if s.span == nil {
		return
	}
	if failed {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}
