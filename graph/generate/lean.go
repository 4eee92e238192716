package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/99designs/gqlgen/codegen"
	"golang.org/x/tools/imports"
)

// lean is a plugin that takes out of the generated code what costs most on a page of many rows and serves
// nothing here:
//
//   - a field that is a plain value of its object, without arguments and directives, is written at once.
//     gqlgen gives it a context of its own, for middleware that runs around fields and for the path of an
//     error; there is no such middleware, and reading a value makes no error.
//   - the elements of a list are resolved one after another. gqlgen gives each a goroutine, so that they can
//     wait side by side; here rows do not wait, since the first takes along what the others need.
//   - an object is a model.Object. gqlgen prepares each for parts of it that follow in later responses, which
//     are not made here, and keeps a map of the names it has written.
//   - the fields of a selection are kept with the document.
//   - what only parts that follow and resolvers that read their input themselves need is not made.
//   - a response is written into a buffer that was used before.
type lean struct{ data *codegen.Data }

// Name is the plugin's.
func (*lean) Name() string { return "lean" }

// GenerateCode is called before gqlgen writes the code.
func (l *lean) GenerateCode(data *codegen.Data) error {
	l.data = data
	return nil
}

// rewrite is for the code that gqlgen has written.
func (l *lean) rewrite() error {
	data := l.data
	file := data.Config.Exec.Filename
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	code := string(text)
	for _, object := range data.Objects {
		for _, field := range object.Fields {
			if object.Root || !plain(field) {
				continue
			}
			resolve := fmt.Sprintf("out.Values[i] = ec._%s_%s(ctx, field, obj)\n", object.Name, field.Name)
			if strings.Count(code, resolve) != 1 {
				return fmt.Errorf("gqlgen writes %s.%s otherwise than it used to", object.Name, field.Name)
			}
			value := "obj." + field.GoFieldName
			if field.IsMethod() {
				value += "()"
			}
			write := fmt.Sprintf("out.Values[i] = ec.%s(ctx, field.Selections, %s)\n", field.TypeReference.MarshalFunc(), value)
			code = strings.Replace(code, resolve, write, 1)
		}
	}
	for _, turn := range turns {
		if !turn.from.MatchString(code) {
			return fmt.Errorf("gqlgen writes otherwise than it used to: there is no %s", turn.from)
		}
		code = turn.from.ReplaceAllString(code, turn.to)
	}
	tidy, err := imports.Process(file, []byte(code), nil)
	if err != nil {
		return err
	}
	return os.WriteFile(file, tidy, 0o644)
}

// turns are what is replaced everywhere.
var turns = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`graphql\.MarshalSliceConcurrently\(ctx, len\(v\), 0, false, `), "model.MarshalSlice(ctx, len(v), "},
	{regexp.MustCompile(`graphql\.NewFieldSet\(fields\)`), "model.NewObject(fields)"},
	{regexp.MustCompile(`\n\tdeferred := graphql\.NewDeferredGroup\(ctx\)`), ""},
	{regexp.MustCompile(`(\.ResolveConcurrently\(ec\.OperationContext), &deferred, i,\s+true, `), "$1, i, "},
	{regexp.MustCompile(`(\.ResolveRootConcurrently\(innerCtx, ec\.OperationContext), i,\s+true, `), "$1, i, "},
	{regexp.MustCompile(`\n\tif n := len\(deferred\.Defers\); n > 0 \{\n.*\n.*\n\t\}\n`), ""},
	{regexp.MustCompile(`graphql\.CollectFields\(`), "ec.fields.Collect("},
	{regexp.MustCompile(`type executionContext struct \{\n`), "${0}\tfields *model.Fields\n"},
	{regexp.MustCompile(`ec := newExecutionContext\(opCtx, e, make\(chan graphql\.DeferredResult\)\)\n`),
		"ec := newExecutionContext(opCtx, e, nil)\n\tec.fields = model.FieldsFrom(ctx)\n"},
	{regexp.MustCompile(`(?s)inputUnmarshalers := func\(\) .*?\n\t\}\n`), ""},
	{regexp.MustCompile(`\n\s*ctx = graphql\.WithLazyInputUnmarshalerIndex\(ctx, inputUnmarshalers\)`), ""},
	{regexp.MustCompile(`var buf bytes\.Buffer\n\s+data\.MarshalGQL\(&buf\)\n`), ""},
	{regexp.MustCompile(`buf\.Bytes\(\)`), "model.Encode(data)"},
}

// plain reports that a field is a value of its object, ready to be written.
func plain(f *codegen.Field) bool {
	value := f.IsVariable() || f.IsMethod() && f.NoErr && !f.MethodHasContext && !f.VOkFunc
	return value && !f.IsResolver && len(f.Args) == 0 && !f.HasDirectives() && f.TypeReference.Definition.IsLeafType()
}
