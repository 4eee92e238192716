package graph_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

const reply = `replyOperatorMessage(input: {id: %q, reply: %q}) { operatorMessage { ` + messageFields + ` } ` + refusals + ` }`

// raised raises the notification of mia's key and answers the message.
func (d *desk) raised(t *testing.T) message {
	t.Helper()
	n := d.set(time.Hour)
	d.pass(time.Hour)
	d.work()
	m := d.messages(d.admin)
	if len(m) == 0 || m[0].Job == nil || m[0].Job.ID != n.Job.ID {
		t.Fatalf("%+v", m)
	}
	return m[0]
}

// An operator message asks for one of its replies, and tells who gave it and when.
func TestAMessageIsRepliedToOnce(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		d.source = d.messageSource(`name: "asks", messageTemplate: "Rotate {{keyName}}?", replies: ["Yes", " No "]`)
		m := d.raised(t)
		if m.Text != "Rotate deploy?" || m.Status != "WAITING_FOR_REPLY" || fmt.Sprint(m.Replies) != "[Yes No]" || m.Reply != nil || m.RepliedBy != nil || m.RepliedAt != nil || m.APIKey.ID != d.key || !m.CreatedAt.Equal(d.clock()) {
			t.Errorf("%+v", m)
		}
		wantRefused(t, d.ask(d.text, fmt.Sprintf(`mutation { `+reply+` }`, m.ID, "Maybe"), nil), "replyOperatorMessage", "input.invalid", "reply")
		d.pass(time.Minute)
		a := d.ask(d.text, fmt.Sprintf(`mutation { `+reply+` }`, m.ID, "No"), nil)
		got := into[message](t, a, "replyOperatorMessage", "operatorMessage")
		if refusalsOf(a, "replyOperatorMessage") != nil || got.Status != "REPLIED" || *got.Reply != "No" || got.RepliedBy.Login != "mia" || !got.RepliedAt.Equal(d.clock()) {
			t.Errorf("%s", a.text)
		}
		d.pass(time.Minute)
		wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+reply+` }`, m.ID, "Yes"), nil), "replyOperatorMessage", "operator_messages.replied", "id")
		if now := d.messages(d.admin)[0]; *now.Reply != "No" || now.RepliedBy.ID != d.mia || !now.RepliedAt.Equal(*got.RepliedAt) {
			t.Errorf("the first reply counts: %+v", now)
		}
	})
}

// Of many who reply at once the first is heard.
func TestRepliesAtOnce(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		d.source = d.messageSource(`name: "asks", replies: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]`)
		m := d.raised(t)
		var wg sync.WaitGroup
		answers := make([]answer, 10)
		for i := range answers {
			wg.Go(func() { answers[i] = d.ask(d.admin, fmt.Sprintf(`mutation { `+reply+` }`, m.ID, fmt.Sprint(i)), nil) })
		}
		wg.Wait()
		heard := ""
		for i, a := range answers {
			if refusalsOf(a, "replyOperatorMessage") == nil {
				heard += fmt.Sprint(i)
			} else {
				wantRefused(t, a, "replyOperatorMessage", "operator_messages.replied", "id")
			}
		}
		if now := d.messages(d.admin)[0]; len(heard) != 1 || *now.Reply != heard {
			t.Errorf("%q were heard, and %+v", heard, now)
		}
	})
}

// Messages are seen and replied to by the key's owner and administrators, not by another member and
// not from another organization.
func TestWhoSeesAMessage(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		m := d.raised(t)
		noah := d.do(`mutation { createUser(input: {login: "noah"}) { user { id } `+refusals+` } }`).str(t, "createUser", "user", "id")
		_, member := d.create(d.admin, map[string]any{"name": "noah's", "ownerId": noah, "scopes": memberScopes})
		_, blind := d.create(d.admin, map[string]any{"name": "blind", "ownerId": d.mia, "scopes": []string{"keytag:keys:write"}})
		for name, caller := range map[string]string{"another member": member, "another organization": d.elsewhere(), "no keytag:keys:read": blind} {
			a := d.ask(caller, fmt.Sprintf(`{ node(id: %q) { id } }`, m.ID), nil)
			if a.at(t, "node") != nil {
				t.Errorf("%s: %s", name, a.text)
			}
			wantRefused(t, d.ask(caller, fmt.Sprintf(`mutation { `+reply+` }`, m.ID, "Acknowledge"), nil), "replyOperatorMessage", "not_found", "id")
			if name == "no keytag:keys:read" {
				continue // the list is not theirs to ask for
			}
			if list := d.messages(caller); len(list) != 0 {
				t.Errorf("%s: %+v", name, list)
			}
		}
		for name, caller := range map[string]string{"owner": d.text, "administrator": d.admin} {
			if list := d.messages(caller); len(list) != 1 || list[0].ID != m.ID {
				t.Errorf("%s: %+v", name, list)
			}
			if a := d.ask(caller, fmt.Sprintf(`{ node(id: %q) { id } }`, m.ID), nil); a.at(t, "node") == nil {
				t.Errorf("%s: %s", name, a.text)
			}
		}
		if now := d.messages(d.admin)[0]; now.Status != "WAITING_FOR_REPLY" {
			t.Errorf("%+v", now)
		}
		if a := d.ask(d.admin, fmt.Sprintf(`mutation { `+reply+` }`, m.ID, "Acknowledge"), nil); refusalsOf(a, "replyOperatorMessage") != nil || a.str(t, "replyOperatorMessage", "operatorMessage", "repliedBy", "login") != "admin" {
			t.Error(a.text)
		}
	})
}

// The list is newest first, by state, page by page; what is told of a key that was removed stays.
func TestTheListOfMessages(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		var raised []string
		for range 3 {
			raised = append(raised, d.raised(t).ID)
		}
		d.do(`mutation { `+reply+` }`, raised[1], "Acknowledge")
		ids := func(args string) string {
			a := d.do(`{ operatorMessages(%s) { nodes { id } totalCount pageInfo { hasNextPage endCursor } } }`, args)
			var list []string
			for _, n := range into[[]struct{ ID string }](t, a, "operatorMessages", "nodes") {
				list = append(list, n.ID)
			}
			return fmt.Sprint(list, a.at(t, "operatorMessages", "totalCount"), a.at(t, "operatorMessages", "pageInfo", "hasNextPage"))
		}
		for args, want := range map[string]string{
			"first: 10":                 fmt.Sprint([]string{raised[2], raised[1], raised[0]}, 3, false),
			"first: 2":                  fmt.Sprint([]string{raised[2], raised[1]}, 3, true),
			"status: REPLIED":           fmt.Sprint([]string{raised[1]}, 1, false),
			"status: WAITING_FOR_REPLY": fmt.Sprint([]string{raised[2], raised[0]}, 2, false),
			`first: 2, after: "` + d.do(`{ operatorMessages(first: 2) { pageInfo { endCursor } } }`).str(t, "operatorMessages", "pageInfo", "endCursor") + `"`: fmt.Sprint([]string{raised[0]}, 3, false),
		} {
			if got := ids(args); got != want {
				t.Errorf("%s: %s, want %s", args, got, want)
			}
		}
		d.do(`mutation { removeApiKey(input: {id: %q}) { `+refusals+` } }`, d.key)
		list := d.messages(d.admin)
		if len(list) != 3 || list[0].APIKey != nil || list[0].Job != nil || !strings.Contains(list[0].Text, "deploy") {
			t.Errorf("%+v", list)
		}
		d.do(`mutation { `+reply+` }`, raised[0], "Acknowledge")
	})
}
