package httpgraphql

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// validation is by the rules of the specification, in its order where that matters, and by one of ours.
// OverlappingFieldsCanBeMerged is not among them: its time grows with the square of what is repeated.
// See merges.
var validation = []core.Rule{
	rules.LoneAnonymousOperationRule,
	rules.KnownRootTypeRule,
	rules.KnownTypeNamesRule,
	rules.FragmentsOnCompositeTypesRule,
	rules.VariablesAreInputTypesRule,
	rules.ScalarLeafsRule,
	rules.FieldsOnCorrectTypeRule,
	rules.UniqueOperationNamesRule,
	rules.UniqueFragmentNamesRule,
	rules.KnownFragmentNamesRule,
	rules.NoUnusedFragmentsRule,
	rules.PossibleFragmentSpreadsRule,
	rules.NoFragmentCyclesRule,
	rules.MaxIntrospectionDepth,
	rules.UniqueVariableNamesRule,
	rules.NoUndefinedVariablesRule,
	rules.NoUnusedVariablesRule,
	rules.KnownDirectivesRule,
	rules.UniqueDirectivesPerLocationRule,
	rules.KnownArgumentNamesRule,
	rules.UniqueArgumentNamesRule,
	rules.ValuesOfCorrectTypeRule,
	rules.ProvidedRequiredArgumentsRule,
	rules.VariablesInAllowedPositionRule,
	rules.UniqueInputFieldNamesRule,
	rules.SingleFieldSubscriptionsRule,
	secretsAreVariables,
}

// enough is thrown out of the walk when there are maxErrors: each may cost much, and nobody reads more.
type enough struct{}

// validate answers the first errors of a document.
func validate(schema *ast.Schema, d *ast.QueryDocument) (errs gqlerror.List) {
	defer func() {
		if cause := recover(); cause != nil && cause != (enough{}) {
			panic(cause)
		}
	}()
	observers := new(core.Events)
	for _, rule := range validation {
		rule.RuleFunc(observers, func(options ...core.ErrorOption) {
			err := &gqlerror.Error{Rule: rule.Name}
			for _, option := range options {
				option(err)
			}
			if errs = append(errs, err); len(errs) == maxErrors {
				panic(enough{})
			}
		})
	}
	core.Walk(schema, d, observers)
	return errs
}
