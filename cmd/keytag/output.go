package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/keytag/keytag/internal/client"
)

// output is the form in which data goes to standard output.
type output struct {
	form    string
	allowed []string
}

// outputFlag adds --output to a command: `table` unless it says otherwise.
func outputFlag(c *cobra.Command, allowed ...string) *output {
	o := &output{allowed: allowed}
	c.Flags().StringVarP(&o.form, "output", "o", "table", strings.Join(allowed, ", "))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return o
}

func (o *output) check() error {
	if !slices.Contains(o.allowed, o.form) {
		return errUsage{fmt.Errorf("--output: must be one of %s, got %q", strings.Join(o.allowed, ", "), o.form)}
	}
	return nil
}

// show writes data in its form: as JSON or YAML what data is, else what table says.
func (p *program) show(o *output, data any, table func(*tabwriter.Writer), names ...string) error {
	switch o.form {
	case "json", "yaml":
		text, err := json.Marshal(data)
		if err != nil {
			return err
		}
		return p.document(o, text)
	case "name":
		for _, name := range names {
			fmt.Fprintln(p.stdout, name)
		}
		return nil
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 3, ' ', 0)
	table(w)
	return w.Flush()
}

// document writes JSON, which is YAML too, to be read by people.
func (p *program) document(o *output, text []byte) error {
	if o.form == "yaml" {
		text, err := yaml.JSONToYAML(text)
		if err != nil {
			return err
		}
		_, err = p.stdout.Write(text)
		return err
	}
	var indented strings.Builder
	encoder := json.NewEncoder(&indented)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(json.RawMessage(text)); err != nil {
		return err
	}
	_, err := p.stdout.Write([]byte(indented.String()))
	return err
}

func tabled(w *tabwriter.Writer, cells ...string) {
	for i, cell := range cells {
		cells[i] = strings.Map(printed, cell)
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// printed keeps what somebody named a key from moving the cursor, or turning the line around.
func printed(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
		return ' '
	}
	return r
}

// keyTable is a line for each key.
func keyTable(keys ...*client.Key) func(*tabwriter.Writer) {
	return func(w *tabwriter.Writer) {
		tabled(w, "ID", "NAME", "STATUS", "ENDS", "BECAUSE", "LAST USED", "SCOPES")
		for _, k := range keys {
			tabled(w, k.ID, k.Name, k.Status, instant(k.EffectiveExpiresAt), text(k.EndsBecause), instant(k.LastUsedAt), strings.Join(k.Scopes, " "))
		}
	}
}

func instant(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return at.UTC().Format(time.RFC3339)
}

func text(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}
