package model

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
)

// Object is the object of a response that one selection makes: the fields in the order they are asked
// for, each once. What is asked for with @defer comes with the rest, as the directive allows.
type Object struct {
	Values   []graphql.Marshaler // of the fields
	Invalids uint32              // how many of them are null and must not be

	fields []graphql.CollectedField
	later  []later
}

// later is a field whose value is worked out beside the others.
type later struct {
	field   int
	invalid graphql.Marshaler
	resolve func(context.Context) graphql.Marshaler
}

// NewObject has a value to be set for each of the fields.
func NewObject(fields []graphql.CollectedField) *Object {
	return &Object{fields: fields, Values: make([]graphql.Marshaler, len(fields))}
}

// ResolveConcurrently has Dispatch work out a field. A panic of resolve becomes an error and null.
func (o *Object) ResolveConcurrently(oc *graphql.OperationContext, field int, nonNull bool, resolve func(context.Context) graphql.Marshaler) {
	o.resolve(field, nonNull, func(ctx context.Context) graphql.Marshaler { return recovered(ctx, oc, resolve) })
}

// ResolveRootConcurrently has Dispatch work out a field of Query in its own context, through the
// middleware of such fields.
func (o *Object) ResolveRootConcurrently(
	ctx context.Context, oc *graphql.OperationContext, field int, nonNull bool, resolve func(context.Context) graphql.Marshaler,
) {
	o.resolve(field, nonNull, func(context.Context) graphql.Marshaler {
		return oc.RootResolverMiddleware(ctx, func(ctx context.Context) graphql.Marshaler { return recovered(ctx, oc, resolve) })
	})
}

func (o *Object) resolve(field int, nonNull bool, resolve func(context.Context) graphql.Marshaler) {
	invalid := graphql.RequiredNull // that of a field that is null against its @required
	if nonNull {
		invalid = graphql.Null
	}
	o.later = append(o.later, later{field, invalid, resolve})
}

func recovered(ctx context.Context, oc *graphql.OperationContext, resolve func(context.Context) graphql.Marshaler) (m graphql.Marshaler) {
	defer func() {
		if cause := recover(); cause != nil {
			oc.Error(ctx, oc.Recover(ctx, cause))
			m = graphql.Null
		}
	}()
	return resolve(ctx)
}

// Dispatch works out the fields that are left, side by side, and returns when all are done.
func (o *Object) Dispatch(ctx context.Context) {
	if len(o.later) == 0 {
		return
	}
	var others sync.WaitGroup
	for _, l := range o.later[1:] {
		others.Go(func() { o.settle(ctx, l) })
	}
	o.settle(ctx, o.later[0])
	others.Wait()
}

func (o *Object) settle(ctx context.Context, l later) {
	value := l.resolve(ctx)
	o.Values[l.field] = value
	if value == l.invalid {
		atomic.AddUint32(&o.Invalids, 1)
	}
}

// MarshalGQL writes the object as JSON.
func (o *Object) MarshalGQL(w io.Writer) {
	buffer, ok := w.(*bytes.Buffer)
	if !ok {
		buffer = new(bytes.Buffer)
		defer func() { w.Write(buffer.Bytes()) }()
	}
	var written map[string]bool
	if !o.distinct() {
		written = make(map[string]bool, len(o.fields))
	}
	buffer.WriteByte('{')
	for i := range o.fields {
		alias := o.fields[i].Alias
		if written != nil {
			if written[alias] {
				continue
			}
			written[alias] = true
		}
		if i > 0 {
			buffer.WriteByte(',')
		}
		buffer.WriteByte('"')
		buffer.WriteString(alias) // a name of GraphQL, which needs no escapes
		buffer.WriteString(`":`)
		o.Values[i].MarshalGQL(buffer)
	}
	buffer.WriteByte('}')
}

// distinct reports that no name comes twice: only a field that is asked for both of an interface and of
// the object itself is collected more than once.
func (o *Object) distinct() bool {
	for i := range o.fields {
		if o.fields[i].ObjectDefinition != o.fields[0].ObjectDefinition {
			return false
		}
	}
	return true
}

// kept is the size in bytes of the largest buffer that is used again.
const kept = 1 << 20

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Encode is a value as JSON.
func Encode(m graphql.Marshaler) []byte {
	buffer := buffers.Get().(*bytes.Buffer)
	buffer.Reset()
	m.MarshalGQL(buffer)
	encoded := bytes.Clone(buffer.Bytes())
	if buffer.Cap() <= kept {
		buffers.Put(buffer)
	}
	return encoded
}
