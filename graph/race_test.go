package graph_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// Of fifty that rotate one key at once one makes the successor; the others are told of it.
func TestFiftyRotationsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		id, _ := s.create(s.admin, map[string]any{"name": "k"})
		rotate := fmt.Sprintf(`mutation { rotateApiKey(input: {id: %q}) { newKey { id } secret
			userErrors { __typename code ... on AlreadyRotatedError { replacedBy { id } } } } }`, id)
		answers := s.atOnce(50, rotate)
		winners, successor := 0, ""
		for _, a := range answers {
			if new, ok := a.at(t, "rotateApiKey", "newKey").(map[string]any); ok {
				winners, successor = winners+1, new["id"].(string)
			}
		}
		if winners != 1 {
			t.Fatalf("%d successors", winners)
		}
		for _, a := range answers {
			if a.at(t, "rotateApiKey", "newKey") != nil {
				continue
			}
			if a.str(t, "rotateApiKey", "userErrors", 0, "__typename") != "AlreadyRotatedError" ||
				a.str(t, "rotateApiKey", "userErrors", 0, "replacedBy", "id") != successor || a.at(t, "rotateApiKey", "secret") != nil {
				t.Errorf("%s", a.text)
			}
		}
		if a := s.ask(s.admin, `{ apiKeys { totalCount } }`, nil); a.at(t, "apiKeys", "totalCount") != 3.0 {
			t.Errorf("the administrator's, the old and the new one: %s", a.text)
		}
	})
}

// Of fifty that create a key of one description one does; the others are told of it.
func TestFiftyCreationsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		create := fmt.Sprintf(`mutation { createApiKey(input: {projectId: %q, name: "k"}) { apiKey { id } secret
			userErrors { __typename ... on DescriptionTakenError { existingKey { id } } } } }`, s.project())
		made, taken := "", 0
		for _, a := range s.atOnce(50, create) {
			if strings.Contains(a.text, "DescriptionTakenError") {
				taken++
			} else {
				made = a.str(t, "createApiKey", "apiKey", "id")
			}
		}
		a := s.ask(s.admin, `{ apiKeys { nodes { id } } }`, nil)
		if taken != 49 || len(a.at(t, "apiKeys", "nodes").([]any)) != 2 || made == "" || !strings.Contains(a.text, made) {
			t.Errorf("%d taken, made %s: %s", taken, made, a.text)
		}
	})
}

// Fifty retries of one call answer one key; the secret of the last fresh one works, no other.
func TestFiftyRetriesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		create := fmt.Sprintf(`mutation { createApiKey(input: {projectId: %q, name: "k", idempotencyKey: "0123456789abcdef"}) {
			apiKey { id } secret replayed userErrors { code } } }`, s.project())
		ids, first, secrets := map[string]bool{}, 0, []string{}
		for _, a := range s.atOnce(50, create) {
			ids[a.str(t, "createApiKey", "apiKey", "id")] = true
			secrets = append(secrets, a.str(t, "createApiKey", "secret"))
			if a.at(t, "createApiKey", "replayed") == false {
				first++
			}
		}
		works := 0
		for _, secret := range secrets {
			if s.ask(secret, `{ viewerKey { id } }`, nil).status == 200 {
				works++
			}
		}
		if len(ids) != 1 || first != 1 || works != 1 {
			t.Errorf("%d keys, %d made, %d secrets work", len(ids), first, works)
		}
	})
}

// atOnce asks the same n times at once, as the administrator.
func (s *site) atOnce(n int, query string) []answer {
	answers := make([]answer, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			<-start
			answers[i] = s.ask(s.admin, query, nil)
		})
	}
	close(start)
	wg.Wait()
	return answers
}
