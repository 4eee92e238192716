package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const leadTimesAsked = `{ organization { policy { reminderLeadTimes sources { field setBy { __typename id } } } projects(first: 10) { nodes { name policy { reminderLeadTimes sources { field setBy { __typename id } } } } } } }`

// leads are the lead times of the organization and of the project "p", and who set them.
func (s *site) leads() (organization, project string) {
	s.t.Helper()
	a := s.ask(s.admin, leadTimesAsked, nil)
	show := func(path ...any) string {
		text := strings.Trim(fmt.Sprint(a.at(s.t, append(path, "reminderLeadTimes")...)), "[]")
		for i := range a.at(s.t, append(path, "sources")...).([]any) {
			if a.str(s.t, append(path, "sources", i, "field")...) == "reminderLeadTimes" {
				text += " by " + a.str(s.t, append(path, "sources", i, "setBy", "__typename")...)
			}
		}
		return text
	}
	for i := range a.at(s.t, "organization", "projects", "nodes").([]any) {
		if a.str(s.t, "organization", "projects", "nodes", i, "name") == "p" {
			project = show("organization", "projects", "nodes", i, "policy")
		}
	}
	return show("organization", "policy"), project
}

func TestReminderLeadTimesOfAPolicy(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		project := s.newProject("p")
		for _, step := range []struct{ project, value, organization, inProject string }{
			{"", "", "P30D P7D P1D", "P30D P7D P1D"},
			{"", `["P1M", "pt1h"]`, "P1M PT1H by Organization", "P1M PT1H by Organization"},
			{project, `["P2D"]`, "P1M PT1H by Organization", "P2D by Project"},
			{project, `[]`, "P1M PT1H by Organization", " by Project"},
			{"", `[]`, " by Organization", " by Project"},
			{project, `null`, " by Organization", " by Organization"},
			{project, `["P400D", "P10Y"]`, " by Organization", "P400D P10Y by Project"},
			{"", `null`, "P30D P7D P1D", "P400D P10Y by Project"},
			{project, `null`, "P30D P7D P1D", "P30D P7D P1D"},
		} {
			if step.value != "" {
				input := "reminderLeadTimes: " + step.value
				if step.project != "" {
					input += fmt.Sprintf(", projectId: %q", step.project)
				}
				s.policy(input)
			}
			if organization, project := s.leads(); organization != step.organization || project != step.inProject {
				t.Errorf("after %+v: %q, %q", step, organization, project)
			}
		}
		events := s.ask(s.admin, `{ auditEvents(filter: {actions: ["policy.changed"]}, first: 20) { nodes { changes { field before after } } } }`, nil)
		if !strings.Contains(events.text, `{"field":"reminderLeadTimes","before":null,"after":"P1M PT1H"}`) {
			t.Error(events.text)
		}
	})
}

func TestReminderLeadTimesThatAreRefused(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		eleven := `["P1D", "P2D", "P3D", "P4D", "P5D", "P6D", "P7D", "P8D", "P9D", "P10D", "P11D"]`
		for _, value := range []string{eleven, `["P0D"]`, `["P1D", "PT0S"]`, `["P7D", "P1W"]`, `["P1D", "PT24H"]`, `["P1D", "p1d"]`} {
			a := s.ask(s.admin, `mutation { updateApiKeyPolicy(input: {reminderLeadTimes: `+value+`}) { userErrors { code fields } } }`, nil)
			if !strings.Contains(a.text, `"userErrors":[{"code":"input.invalid","fields":["reminderLeadTimes"]}]`) {
				t.Errorf("%s: %s", value, a.text)
			}
		}
		for _, value := range []string{`["-P1D"]`, `["P11Y"]`, `["soon"]`, `[null]`} {
			if a := s.ask(s.admin, `mutation { updateApiKeyPolicy(input: {reminderLeadTimes: `+value+`}) { userErrors { code } } }`, nil); len(a.Errors) == 0 {
				t.Errorf("%s: %s", value, a.text)
			}
		}
		s.policy("reminderLeadTimes: " + strings.Replace(eleven, `"P1D", `, "", 1))
		if organization, _ := s.leads(); organization != "P2D P3D P4D P5D P6D P7D P8D P9D P10D P11D by Organization" {
			t.Error(organization)
		}
	})
}

// Changed lead times reach keys that are there, those of a project its keys alone, and none tell nobody.
func TestChangedLeadTimesReachKeys(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		project := s.newProject("p")
		in, _ := s.create(s.admin, map[string]any{"name": "in", "projectId": project, "expiresIn": "P60D"})
		out, _ := s.create(s.admin, map[string]any{"name": "out", "expiresIn": "P60D"})
		s.work()
		s.policy(fmt.Sprintf(`projectId: %q, reminderLeadTimes: ["P45D", "P3D"]`, project))
		s.goTo(start.Add(15 * oneDay))
		s.work()
		s.wantTold(in, start.Add(15*oneDay))
		s.goTo(start.Add(30 * oneDay))
		s.work()
		s.wantTold(in, start.Add(15*oneDay))
		s.wantTold(out, start.Add(30*oneDay))
		s.policy(`reminderLeadTimes: []`)
		s.goTo(start.Add(58 * oneDay))
		s.work()
		s.wantTold(in, start.Add(15*oneDay), start.Add(58*oneDay))
		s.wantTold(out, start.Add(30*oneDay))
		// The same instant by another name, and longer ones than the one that was told: nothing new.
		s.policy(fmt.Sprintf(`projectId: %q, reminderLeadTimes: ["PT72H", "P4D", "P20D"]`, project))
		s.work()
		s.wantTold(in, start.Add(15*oneDay), start.Add(58*oneDay))
		// A shorter one that has begun is told at once.
		s.policy(`reminderLeadTimes: ["P10D"]`)
		s.work()
		s.wantTold(out, start.Add(30*oneDay), start.Add(58*oneDay))
		s.policy(fmt.Sprintf(`projectId: %q, reminderLeadTimes: null`, project))
		s.policy(`reminderLeadTimes: ["PT1H"]`)
		s.goTo(start.Add(60*oneDay - time.Hour))
		s.work()
		s.wantTold(in, start.Add(15*oneDay), start.Add(58*oneDay), s.clock())
		s.wantTold(out, start.Add(30*oneDay), start.Add(58*oneDay), s.clock())
	})
}
