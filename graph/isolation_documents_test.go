package graph_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/typeid"
)

var (
	anID     = regexp.MustCompile(`\b([a-z]{3})_[0-9a-z]{26}\b`)
	aCursor  = regexp.MustCompile(`"(?:cursor|startCursor|endCursor)":"([^"]+)"`)
	aRotated = regexp.MustCompile(`"oldKey":{[^{}]*"id":"(key_[^"]+)"`)
	aHooked  = regexp.MustCompile(`"(?:apiKey|alertSource)":{[^{}]*"id":"((?:key|src)_[^"]+)".*"webhookSecret":"whsec_`)
	aDeleted = regexp.MustCompile(`"deleted\w+Id":"([^"]+)"`)
	aKeyText = regexp.MustCompile(secret.Pattern())
)

// learn takes from an answer what later requests may hold.
func (p *party) learn(text string) {
	add := func(kind, value string) {
		list := slices.DeleteFunc(p.known[kind], func(v string) bool { return v == value })
		p.known[kind] = append(list[max(0, len(list)-40):], value)
	}
	for _, found := range anID.FindAllStringSubmatch(text, -1) {
		add(found[1], found[0])
	}
	for _, found := range aCursor.FindAllStringSubmatch(text, -1) {
		if raw, err := base64.RawURLEncoding.DecodeString(found[1]); err == nil {
			add("cursor of "+anID.FindStringSubmatch(string(raw))[1], found[1])
		}
	}
	for _, found := range aRotated.FindAllStringSubmatch(text, -1) {
		add("rotated", found[1])
	}
	for _, found := range aKeyText.FindAllString(text, -1) {
		add("secret", found)
	}
	for _, found := range aHooked.FindAllStringSubmatch(text, -1) {
		add("hooked", found[1])
	}
	for _, found := range aDeleted.FindAllStringSubmatch(text, -1) { // the careful have no use for it
		kind := found[1][:3]
		p.known[kind] = slices.DeleteFunc(p.known[kind], func(v string) bool { return v == found[1] })
		add("deleted", found[1])
	}
}

// pick takes one of its own values of a kind, of the other party's, or one of nobody's; a careful
// request takes what was seen lately.
func (p *party) pick(kind string) string {
	list, foreign := p.known[kind], p.other.known[kind]
	switch n := p.rng.IntN(20); {
	case p.careful && len(list) > 0 && kind == typeid.AlertJob: // soon over
		return list[max(0, len(list)-1-p.rng.IntN(2))]
	case p.careful && len(list) > 0:
		return list[max(0, len(list)-1-p.rng.IntN(8))]
	case n == 0 && kind == "secret":
		return secret.Mint().Reveal()
	case n == 0 && kind != "" && !strings.HasPrefix(kind, "cursor"):
		return typeid.New(kind, p.sites[0].clock())
	case n == 1:
		return "nonsense"
	case n == 2 && len(p.known["deleted"]) > 0:
		deleted := p.known["deleted"]
		return deleted[p.rng.IntN(len(deleted))]
	case n < 7 && len(foreign) > 0:
		p.foreign++
		return foreign[p.rng.IntN(len(foreign))]
	case len(list) > 0:
		return list[p.rng.IntN(len(list))]
	}
	return "none"
}

// document asks for a root field with random arguments and selections.
func (p *party) document(f *ast.FieldDefinition) string {
	operation := "query"
	if schema.Mutation.Fields.ForName(f.Name) != nil {
		operation = "mutation"
	}
	return operation + " { " + p.field(f, 3, &names{types: map[string]string{}}) + " }"
}

// names are those that a document has used, so that none stands for two things: fragments on
// different types may ask for a field with other arguments, or for one of another type.
type names struct {
	aliases int
	types   map[string]string
}

// field is a field with its arguments and selections.
func (p *party) field(f *ast.FieldDefinition, depth int, used *names) string {
	text, arguments := f.Name, p.arguments(f)
	if of := used.types[f.Name]; len(arguments) > 0 || of != "" && of != f.Type.String() {
		used.aliases++
		text = fmt.Sprintf("a%d: %s", used.aliases, f.Name)
	} else {
		used.types[f.Name] = f.Type.String()
	}
	if len(arguments) > 0 {
		text += "(" + strings.Join(arguments, ", ") + ")"
	}
	if d := schema.Types[f.Type.Name()]; d.IsCompositeType() {
		text += " { " + p.selections(d, depth-1, used) + " }"
	}
	return text
}

// told are the members of payloads that are always asked for: what later requests are about.
var told = map[string]bool{"oldKey": true, "apiKey": true, "alertSource": true, "notification": true, "userErrors": true}

func (p *party) selections(d *ast.Definition, depth int, used *names) string {
	list := []string{"__typename"}
	for _, f := range d.Fields {
		composite := schema.Types[f.Type.Name()].IsCompositeType()
		switch payload := strings.HasSuffix(d.Name, "Payload") || d.Name == "UserError"; {
		case strings.HasPrefix(f.Name, "__"):
		case f.Name == "id", payload && told[f.Name], f.Name == "job" && d.Name == "ApiKeyNotification", payload && !composite, !composite && p.rng.IntN(2) == 0,
			composite && depth > 0 && p.rng.IntN(3) == 0, (f.Name == "nodes" || f.Name == "edges") && p.rng.IntN(2) == 0:
			list = append(list, p.field(f, depth, used))
		}
	}
	if d.IsAbstractType() {
		for _, possible := range schema.GetPossibleTypes(d) {
			list = append(list, "... on "+possible.Name+" { "+p.selections(possible, depth-1, used)+" }")
		}
	}
	return strings.Join(list, " ")
}

func (p *party) arguments(f *ast.FieldDefinition) []string {
	var list []string
	if f.Arguments.ForName("first") != nil && (p.careful || p.rng.IntN(8) > 0) {
		list = p.page(kindOf(f.Type.Name()))
	}
	for _, a := range f.Arguments {
		paging := slices.Contains([]string{"first", "after", "last", "before"}, a.Name)
		if a.Type.NonNull && a.DefaultValue == nil || p.rng.IntN(3) == 0 && (!paging || len(list) == 0) {
			list = append(list, a.Name+": "+p.value(a.Type, a.Name, f.Name))
		}
	}
	return list
}

// page is a set of arguments that go together.
func (p *party) page(kind string) []string {
	size, cursor := strconv.Itoa(1+p.rng.IntN(6)), strconv.Quote(p.pick("cursor of "+kind))
	list := []string{"first: " + size}
	place := "after: "
	if p.rng.IntN(2) == 0 {
		list, place = []string{"last: " + size}, "before: "
	}
	if !p.careful || p.rng.IntN(4) == 0 {
		list = append(list, place+cursor)
	}
	return list
}

// value is a literal of the type for an argument or input field, told what it belongs to.
func (p *party) value(t *ast.Type, name, of string) string {
	if t.Elem != nil {
		items := make([]string, p.rng.IntN(4))
		for i := range items {
			items[i] = p.value(t.Elem, name, of)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	one := func(of ...string) string { // the last is often one that is refused
		if p.careful {
			of = of[:len(of)-1]
		}
		return strconv.Quote(of[p.rng.IntN(len(of))])
	}
	switch d := schema.Types[t.Name()]; {
	case !t.NonNull && p.rng.IntN(30) == 0:
		return "null"
	case d.Name == "RotationScheduleInput" && p.careful:
		return []string{
			fmt.Sprintf(`{intervalDays: %d}`, 1+p.rng.IntN(4)),
			fmt.Sprintf(`{webhookUrl: %q}`, p.receiver),
			fmt.Sprintf(`{intervalDays: %d, webhookUrl: %q, delivery: INLINE}`, 1+p.rng.IntN(4), p.receiver),
		}[p.rng.IntN(3)]
	case d.Name == "UpdateAlertSourceInput" && p.careful: // its other members are those of one kind each
		return fmt.Sprintf(`{id: %s, name: "name %d"}`, p.value(d.Fields.ForName("id").Type, "id", d.Name), p.rng.IntN(300))
	case d.Kind == ast.InputObject:
		var members []string
		for _, f := range d.Fields {
			rare := f.Type.NamedType == "ID" || f.Type.NamedType == "DateTime"
			if f.Type.NonNull && f.DefaultValue == nil || f.Name == "name" || p.rng.IntN(4) == 0 && (!rare || p.rng.IntN(3) == 0) {
				members = append(members, f.Name+": "+p.value(f.Type, f.Name, d.Name))
			}
		}
		return "{" + strings.Join(members, ", ") + "}"
	case d.Kind == ast.Enum:
		return d.EnumValues[p.rng.IntN(len(d.EnumValues))].Name
	case d.Name == "Boolean" && name == "enabled":
		return strconv.FormatBool(p.rng.IntN(4) > 0)
	case d.Name == "Boolean":
		return strconv.FormatBool(p.rng.IntN(4) == 0)
	case d.Name == "Int":
		return strconv.Itoa(p.rng.IntN(7))
	case d.Name == "DateTime" && name == "notifyAt" && p.careful:
		return strconv.Quote(p.sites[0].clock().Add(time.Duration(1+p.rng.IntN(300)) * 37 * time.Minute).Format(time.RFC3339Nano))
	case d.Name == "DateTime":
		return strconv.Quote(p.sites[0].clock().Add(time.Duration(p.rng.IntN(4000)-400) * time.Hour / 3).Format(time.RFC3339Nano))
	case d.Name == "Duration" && of == "UpdateApiKeyPolicyInput" && !strings.HasSuffix(name, "GracePeriod"):
		return one("P5D", "P2W", "P1M", "p3m", "P6M", "P2Y")
	case d.Name == "Duration" && name == "expiresIn":
		return one("PT2M", "P1D", "P1D", "P7D", "P2W", "P1M", "p5m", "P2Y")
	case d.Name == "Duration":
		return one("PT0S", "PT2M", "PT1H", "PT2H", "P1D", "P2D", "P7D", "P1M")
	case d.Name == "ID":
		kind := kindOf(name, of)
		if kind == "" || name == "subjectId" {
			kind = kinds[p.rng.IntN(len(kinds))].kind
		}
		id := p.pick(kind)
		for name == "id" && slices.Contains(p.spared, id) {
			p.careful = false // it may know no other
			id = p.pick(kind)
		}
		return strconv.Quote(id)
	}
	switch {
	case strings.Contains(strings.ToLower(name+of), "scope") || strings.HasPrefix(of, "Scope"):
		return one("order:read", "order:write", "order:*", "invoice:read", "keytag:keys:read", "keytag:audit:read", "invoice:*", "invoice:write", "refund:read", "refund:write", "refund:*", "a:b", "c", "d", "Malformed")
	case name == "secret":
		return strconv.Quote(p.pick("secret"))
	case name == "keyPrefix":
		text := p.pick("secret")
		return strconv.Quote(text[:min(len(text), 14)])
	case name == "idempotencyKey":
		return strconv.Quote(fmt.Sprintf("idempotency-key-%d", p.rng.IntN(200)))
	case name == "allowedIps":
		return one("127.0.0.0/8", "127.0.0.1", "::1", "10.0.0.0/8")
	case name == "clientIp":
		return one("127.0.0.1", "10.1.2.3", "nowhere")
	case name == "timeZone":
		return one("UTC", "Europe/Berlin", "Asia/Kolkata", "America/Lima", "Asia/Tokyo", "Africa/Cairo", "Mars/Olympus")
	case name == "email":
		return one("mia@example.com", "tom@example.com", "nonsense")
	case name == "actions":
		return one("api_key.created", "api_key.rotated", "user.created", "policy.changed", "access.denied", "project.created")
	case name == "url" || name == "webhookUrl":
		return one(p.receiver, p.receiver+"/other", "nonsense")
	case name == "recipients":
		return one("mia@example.com", "tom@example.com", "nonsense")
	case name == "replies":
		return one("Acknowledge", "Later", "Never", "")
	case name == "reply":
		return one("Acknowledge", "Acknowledge", "Later", "nonsense")
	case name == "claimToken" && p.token != "":
		return strconv.Quote(p.token)
	case name == "query":
		return one("admin", "caller", "name 1", "a", "")
	}
	return strconv.Quote(fmt.Sprintf("name %d", p.rng.IntN(300)))
}

var kinds = []struct{ word, kind string }{
	{"rotationwebhook", "hooked"}, {"webhooksecret", "hooked"}, {"alertjob", typeid.AlertJob}, {"alertsource", typeid.AlertSource},
	{"operatormessage", typeid.Message}, {"audit", typeid.AuditEvent}, {"completerotation", "rotated"}, {"key", typeid.APIKey}, {"rotat", typeid.APIKey}, {"project", typeid.Project},
	{"environment", typeid.Environment}, {"owner", typeid.User}, {"user", typeid.User}, {"organization", typeid.Organization},
	{"notification", typeid.Notification}, {"announcement", typeid.Rotation},
}

// kindOf is the kind of id that names hint at, the first more than the second; empty when none does.
func kindOf(names ...string) string {
	for _, name := range names {
		for _, k := range kinds {
			if strings.Contains(strings.ToLower(name), k.word) {
				return k.kind
			}
		}
	}
	return ""
}
