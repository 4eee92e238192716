package httpgraphql

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// Limits are the most that a request may ask for; 0 is no limit. A document beyond one is refused with
// CodeTooComplex, before the work that the limit bounds is done.
type Limits struct {
	// Of the text, before it is parsed.
	Bytes     int
	Tokens    int
	NameBytes int // of one name
	Nesting   int // of brackets of all kinds
	Literals  int // nesting of lists and objects in arguments and default values

	// Of the document, before it is validated.
	Operations int
	Fragments  int // defined
	Selections int // fields, spreads and inline fragments
	Aliases    int
	Directives int
	Variables  int // defined
	// Visits are those of validation: it walks each operation and each fragment with all fragments that
	// are reached from there.
	Visits int

	// Of the valid document: fields that are compared for whether they can be merged, with fragments
	// spread wherever they are named.
	Merges int

	// Of one operation, before it is executed.
	Depth int // of fields within fields
	Cost  int64
	// A page has Page objects when nothing says how many, and at most MaxPage.
	Page, MaxPage int

	// Of the request's JSON: all values and the names of members.
	Values int
}

// work is what was done for one document.
type work struct {
	tokens int // read
	visits int // of validation
	merges int
}

// exceeded refuses what has more of something than allowed.
func exceeded(what string, found, allowed int64) *gqlerror.Error {
	return about(&gqlerror.Error{}, CodeTooComplex, fmt.Sprintf("The document has %d %s; at most %d are allowed.", found, what, allowed))
}

func check(what string, found, allowed int) *gqlerror.Error {
	if allowed > 0 && found > allowed {
		return exceeded(what, int64(found), int64(allowed))
	}
	return nil
}

// first is the first error of a list of checks, all of which are cheap.
func first(errs ...*gqlerror.Error) *gqlerror.Error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// scan reads the tokens of a text up to the first that is too much, or is none: that is left to the parser.
func (l Limits) scan(text string, w *work) *gqlerror.Error {
	if err := check("bytes", len(text), l.Bytes); err != nil {
		return err
	}
	var open, parens, literals int
	for lex := lexer.New(&ast.Source{Input: text}); ; {
		token, err := lex.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return nil
		}
		w.tokens++
		switch token.Kind {
		case lexer.ParenL:
			open, parens = open+1, parens+1
		case lexer.ParenR:
			open, parens = open-1, parens-1
		case lexer.BraceL, lexer.BracketL:
			open++
			if parens > 0 {
				literals++
			}
		case lexer.BraceR, lexer.BracketR:
			open--
			if parens > 0 {
				literals--
			}
		case lexer.Name:
			if err := check("bytes in a name", len(token.Value), l.NameBytes); err != nil {
				return err
			}
		}
		if err := first(
			check("tokens or more", w.tokens, l.Tokens),
			check("levels of nested brackets or more", open, l.Nesting),
			check("levels of nested lists and objects in a value or more", literals, l.Literals),
		); err != nil {
			return err
		}
	}
}

// size is what one operation or fragment holds, without the fragments that it spreads.
type size struct {
	selections, aliases, directives, visits int
	spreads                                 []string
}

func (s *size) ofSelections(selections ast.SelectionSet) {
	s.selections += len(selections)
	s.visits += len(selections)
	for _, selection := range selections {
		switch selection := selection.(type) {
		case *ast.Field:
			if selection.Alias != selection.Name {
				s.aliases++
			}
			s.ofArguments(selection.Arguments)
			s.ofDirectives(selection.Directives)
			s.ofSelections(selection.SelectionSet)
		case *ast.InlineFragment:
			s.ofDirectives(selection.Directives)
			s.ofSelections(selection.SelectionSet)
		case *ast.FragmentSpread:
			s.ofDirectives(selection.Directives)
			s.spreads = append(s.spreads, selection.Name)
		}
	}
}

func (s *size) ofDirectives(directives ast.DirectiveList) {
	s.directives += len(directives)
	s.visits += len(directives)
	for _, d := range directives {
		s.ofArguments(d.Arguments)
	}
}

func (s *size) ofArguments(arguments ast.ArgumentList) {
	for _, a := range arguments {
		s.ofValue(a.Value)
	}
}

func (s *size) ofValue(value *ast.Value) {
	s.visits++
	for _, child := range value.Children {
		s.ofValue(child.Value)
	}
}

// measure counts what a document holds, which need not be valid.
func (l Limits) measure(d *ast.QueryDocument, w *work) *gqlerror.Error {
	var whole size
	variables := 0
	fragments := make(map[string]*size, len(d.Fragments))
	roots := make([]*size, 0, len(d.Operations)+len(d.Fragments))
	root := func(directives ast.DirectiveList, selections ast.SelectionSet) *size {
		s := new(size)
		s.ofDirectives(directives)
		s.ofSelections(selections)
		roots = append(roots, s)
		whole.selections += s.selections
		whole.aliases += s.aliases
		whole.directives += s.directives
		return s
	}
	for _, f := range d.Fragments {
		s := root(f.Directives, f.SelectionSet)
		if _, twice := fragments[f.Name]; !twice {
			fragments[f.Name] = s
		}
	}
	for _, o := range d.Operations {
		s := root(o.Directives, o.SelectionSet)
		variables += len(o.VariableDefinitions)
		for _, v := range o.VariableDefinitions {
			s.visits++
			s.ofDirectives(v.Directives)
			if v.DefaultValue != nil {
				s.ofValue(v.DefaultValue)
			}
		}
	}
	if err := first(
		check("operations", len(d.Operations), l.Operations),
		check("fragments", len(d.Fragments), l.Fragments),
		check("selections", whole.selections, l.Selections),
		check("aliases", whole.aliases, l.Aliases),
		check("directives", whole.directives, l.Directives),
		check("variables", variables, l.Variables),
	); err != nil {
		return err
	}
	for _, s := range roots {
		s.walk(fragments, map[string]bool{}, l.Visits, w)
		if err := check("places to validate or more, counting fragments once for each operation and fragment that reaches them", w.visits, l.Visits); err != nil {
			return err
		}
	}
	return nil
}

// walk counts the visits of validation from here, until there are too many.
func (s *size) walk(fragments map[string]*size, seen map[string]bool, limit int, w *work) {
	w.visits += s.visits
	for _, name := range s.spreads {
		if limit > 0 && w.visits > limit {
			return
		}
		if next := fragments[name]; next != nil && !seen[name] {
			seen[name] = true
			next.walk(fragments, seen, limit, w)
		}
	}
}

// affordable refuses an operation before it runs.
func (l Limits) affordable(depth int, cost int64) *gqlerror.Error {
	if l.Depth > 0 && depth > l.Depth {
		return about(&gqlerror.Error{}, CodeTooComplex, fmt.Sprintf("The operation nests %d fields; at most %d are allowed.", depth, l.Depth))
	}
	if l.Cost > 0 && cost > l.Cost {
		return about(&gqlerror.Error{}, CodeTooComplex, fmt.Sprintf("The operation costs %d, counting each field once for each object of its pages and lists; at most %d is allowed. Ask for smaller pages or fewer fields.", cost, l.Cost))
	}
	return nil
}
