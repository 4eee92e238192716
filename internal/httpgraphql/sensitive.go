package httpgraphql

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// secretsAreVariables refuses literals where the schema says `@sensitive`: documents are kept, logged
// and shown by tools; variables are not.
var secretsAreVariables = core.Rule{
	Name: "SecretsAreVariables",
	RuleFunc: func(observers *core.Events, addError core.AddErrFunc) {
		take := func(name string, directives ast.DirectiveList, value *ast.Value) {
			if directives.ForName("sensitive") != nil && isLiteral(value) {
				addError(core.Message("`%s` takes a secret: pass it as a variable, and not in the document.", name), core.At(value.Position))
			}
		}
		observers.OnField(func(_ *core.Walker, field *ast.Field) {
			if field.Definition == nil {
				return
			}
			for _, given := range field.Arguments {
				if defined := field.Definition.Arguments.ForName(given.Name); defined != nil {
					take(given.Name, defined.Directives, given.Value)
				}
			}
		})
		observers.OnValue(func(_ *core.Walker, value *ast.Value) {
			if value.Kind != ast.ObjectValue || value.Definition == nil {
				return
			}
			for _, given := range value.Children {
				if defined := value.Definition.Fields.ForName(given.Name); defined != nil {
					take(given.Name, defined.Directives, given.Value)
				}
			}
		})
	},
}

// isLiteral reports whether the document holds the value itself, or what the variable is by default.
func isLiteral(value *ast.Value) bool {
	if value.Kind != ast.Variable {
		return value.Kind != ast.NullValue
	}
	return value.VariableDefinition != nil && value.VariableDefinition.DefaultValue != nil &&
		value.VariableDefinition.DefaultValue.Kind != ast.NullValue
}
