// Package queries names the searches for keys that are measured, and whose plans are held to an index,
// on databases that package benchdata has filled.
package queries

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/secret"
)

// PageSize is how many keys every query asks for.
const PageSize = 50

const (
	parameters = `$filter: ApiKeyFilter, $orderBy: ApiKeyOrder, $first: Int, $after: String, $last: Int, $before: String`
	arguments  = `(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before)`
	page       = `nodes {
      id name description keyPrefix status scopes createdAt lastUsedAt expiresAt inactivityExpiresAt
      effectiveExpiresAt endsBecause expiresInSeconds generation familyId
    }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }`
	inProject = `query ($project: ID!, ` + parameters + `) {
  project(id: $project) { apiKeys` + arguments + ` {
    `
	inOrganization = `query (` + parameters + `) {
  apiKeys` + arguments + ` {
    `
)

// Documents of the queries: a page of 15 scalar fields per key, in a project or in the whole organization
// of the caller.
const (
	ProjectPage      = inProject + page + "\n  } }\n}"
	ProjectCount     = inProject + "totalCount totalCountIsEstimate\n    " + page + "\n  } }\n}"
	OrganizationPage = inOrganization + page + "\n  }\n}"
)

// Query is one search, ready to be asked by an administrator of the largest organization.
type Query struct {
	// Name has only lower case letters, digits and hyphens; What says it in words.
	Name, What string

	// Document is one of the constants above, and Variables are all of its variables.
	Document  string
	Variables map[string]any

	// All are the scopes of an intersection, each of which every key found holds.
	All []string
	// Grows: the more keys there are, the more of them the query has to look at.
	Grows bool
	// Behind is the key that the page continues behind, in the direction of reading; empty on a first page.
	Behind string

	// skip is how many pages of the list are passed over, fewer when it is shorter.
	skip int
}

// InProject reports whether the query is about one project, and not about the whole organization.
func (q Query) InProject() bool { return q.Document != OrganizationPage }

// Counts reports whether the query asks for the total too.
func (q Query) Counts() bool { return q.Document == ProjectCount }

// Subject is what the queries are about.
type Subject struct {
	// ProjectID is the largest project of the largest organization, and OwnerID a user who owns many keys
	// in that organization.
	ProjectID, OwnerID string
	// KeyPrefix is that of one key of the organization.
	KeyPrefix string
	// Common are three scopes that more keys hold than any others; Growing are two that many keys hold, the
	// more the more keys there are, and few hold both.
	Common, Growing []string
}

// Ask posts a document as an administrator of the largest organization (benchdata.AdminKeyText of number
// 0) and answers the member `data`. An answer with errors is an error.
type Ask func(ctx context.Context, document string, variables map[string]any) (data json.RawMessage, err error)

// List makes the queries for a database that was filled from the seed. It asks for ids, and for the
// cursors of pages that are not the first of their list.
func List(ctx context.Context, seed uint64, ask Ask) (*Subject, []Query, error) {
	s, err := subject(ctx, seed, ask)
	if err != nil {
		return nil, nil, err
	}
	list := s.queries()
	for i := range list {
		if err := list[i].turn(ctx, ask); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", list[i].Name, err)
		}
	}
	return s, list, nil
}

func subject(ctx context.Context, seed uint64, ask Ask) (*Subject, error) {
	data, err := ask(ctx, `{ viewerKey { project { id } } users(first: 2) { nodes { id } } }`, nil)
	if err != nil {
		return nil, err
	}
	var answer struct {
		ViewerKey struct{ Project struct{ ID string } }
		Users     struct{ Nodes []struct{ ID string } }
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, err
	}
	if len(answer.Users.Nodes) < 2 {
		return nil, errors.New("the organization has less than two users")
	}
	// The first key is in the largest organization whatever the seed.
	key, err := secret.Parse(benchdata.KeyText(seed, 0))
	if err != nil {
		return nil, err
	}
	return &Subject{
		ProjectID: answer.ViewerKey.Project.ID,
		OwnerID:   answer.Users.Nodes[1].ID,
		KeyPrefix: key.Prefix(),
		Common:    []string{benchdata.ScopeOfRank(0), benchdata.ScopeOfRank(1), benchdata.ScopeOfRank(2)},
		Growing:   []string{benchdata.ScopeOfRank(20), benchdata.ScopeOfRank(30)},
	}, nil
}

func scopes(filter string, list ...string) map[string]any {
	return map[string]any{"scopes": map[string]any{filter: list}}
}

func by(field, direction string) map[string]any {
	return map[string]any{"field": field, "direction": direction}
}

func (s *Subject) queries() []Query {
	newest := by("CREATED_AT", "DESC")
	list := func(document, name, what string, filter, order map[string]any) Query {
		q := Query{Name: name, What: what, Document: document, Variables: map[string]any{"filter": filter, "orderBy": order, "first": PageSize}}
		if q.InProject() {
			q.Variables["project"] = s.ProjectID
		}
		return q
	}
	project := func(name, what string, filter, order map[string]any) Query {
		return list(ProjectPage, name, what, filter, order)
	}
	organization := func(name, what string, filter, order map[string]any) Query {
		return list(OrganizationPage, name, what, filter, order)
	}
	all := func(name, what string, scope ...string) Query {
		q := project(name, what, scopes("all", scope...), newest)
		q.All = scope
		return q
	}
	grows := func(q Query) Query {
		q.Grows = true
		return q
	}
	skip := func(pages int, q Query) Query {
		q.skip = pages
		return q
	}
	backward := func(q Query) Query {
		delete(q.Variables, "first")
		q.Variables["last"] = PageSize
		return q
	}
	return []Query{
		project("newest", "newest page in a project", nil, newest),
		organization("newest-organization", "newest page in the organization", nil, newest),
		project("active", "newest active keys in a project", map[string]any{"statuses": []string{"ACTIVE"}}, newest),
		organization("scope-rare", "one rare scope in the organization", scopes("any", benchdata.RareScope), newest),
		project("scope-common", "one common scope in a project", scopes("any", benchdata.CommonScope), newest),
		project("scope-absent", "one scope that the project lacks", scopes("any", benchdata.AbsentScope), newest),
		project("scopes-any", "any of three common scopes in a project", scopes("any", s.Common...), newest),
		all("scopes-all", "all of two common scopes in a project", s.Common[:2]...),
		all("scopes-all-sparse", "all of a common and a rare scope that are seldom together, in a project", benchdata.CommonScope, benchdata.SparseScope),
		grows(all("scopes-all-growing", "all of two scopes that are seldom together, each held by many, in a project", s.Growing...)),
		project("scopes-grants", "grants a common scope, also by a wildcard, in a project", scopes("grants", benchdata.CommonScope), newest),
		project("scopes-none", "without a common scope in a project", scopes("none", benchdata.CommonScope), newest),
		organization("expiring", "expiring within 7 days in the organization, soonest first", map[string]any{"expiringWithin": "P7D"}, by("EFFECTIVE_EXPIRES_AT", "ASC")),
		project("unused", "unused for 90 days in a project, longest first", map[string]any{"unusedFor": "P90D"}, by("LAST_USED_AT", "ASC")),
		project("endless", "newest without an end by lifetime in a project, of which there are none", map[string]any{"expiresAt": map[string]any{"isNull": true}}, newest),
		organization("owner", "newest of one owner", map[string]any{"ownerIds": []string{s.OwnerID}}, newest),
		organization("key-prefix", "the key of a prefix", map[string]any{"keyPrefix": s.KeyPrefix}, newest),
		project("name-prefix", "name prefix in a project, by name", map[string]any{"nameStartsWith": "Billing S"}, by("NAME", "ASC")),
		project("rotation-due", "rotation due before the year 2100 in a project", map[string]any{
			"rotationDueBefore": time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}, by("NEXT_ROTATION_AT", "ASC")),
		skip(199, project("deep", "page 200, newest first, in a project", nil, newest)),
		skip(1, backward(project("backward", "the second page from the end, in a project", nil, newest))),
		grows(list(ProjectCount, "count", "newest page and total of a common scope in a project", scopes("any", benchdata.CommonScope), newest)),
	}
}

// Page is what a query answers, of the keys no more than the id.
type Page struct {
	Nodes    []struct{ ID string }
	PageInfo struct {
		HasNextPage, HasPreviousPage bool
		StartCursor, EndCursor       string
	}
	TotalCount int
}

// Page reads the member `data` of an answer.
func (q Query) Page(data json.RawMessage) (*Page, error) {
	var answer struct {
		Project struct{ APIKeys *Page }
		APIKeys *Page
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, err
	}
	found := answer.APIKeys
	if q.InProject() {
		found = answer.Project.APIKeys
	}
	if found == nil {
		return nil, errors.New("no page in the answer")
	}
	return found, nil
}

// turn turns to the page after those that are to be skipped; the last but for one at most, so that the
// page holds something.
func (q *Query) turn(ctx context.Context, ask Ask) error {
	for range q.skip {
		data, err := ask(ctx, q.Document, q.Variables)
		if err != nil {
			return err
		}
		found, err := q.Page(data)
		if err != nil {
			return err
		}
		info, nodes := found.PageInfo, found.Nodes
		if _, backward := q.Variables["last"]; backward {
			if !info.HasPreviousPage {
				return nil
			}
			q.Variables["before"], q.Behind = info.StartCursor, nodes[0].ID
		} else {
			if !info.HasNextPage {
				return nil
			}
			q.Variables["after"], q.Behind = info.EndCursor, nodes[len(nodes)-1].ID
		}
	}
	return nil
}
