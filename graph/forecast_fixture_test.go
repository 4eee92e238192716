package graph_test

import (
	"fmt"
	"slices"
	"time"
)

// ending is an entry of the forecast as it is answered.
type ending struct {
	APIKey      struct{ ID, Name string }
	EndsAt      time.Time
	EndsBecause string
	StillInUse, HasSuccessor,
	WillNotify bool
	Risk string
}

const endingFields = `apiKey { id name } endsAt endsBecause stillInUse hasSuccessor willNotify risk`

// forecast is the whole list as the holder of a key sees it, read in pages of a size; backward it is
// read from its end.
func (s *site) forecast(as, arguments string, size int, backward bool) []ending {
	s.t.Helper()
	bound, place, more, next := "first", "after", "hasNextPage", "endCursor"
	if backward {
		bound, place, more, next = "last", "before", "hasPreviousPage", "startCursor"
	}
	var all []ending
	for cursor := ""; ; {
		a := s.ask(as, fmt.Sprintf(`{ expiryForecast(%s, %s: %d%s) { nodes { %s } pageInfo { %s %s } } }`, arguments, bound, size, cursor, endingFields, more, next), nil)
		if len(a.Errors) > 0 {
			s.t.Fatal(a.text)
		}
		page := into[[]ending](s.t, a, "expiryForecast", "nodes")
		if backward {
			all = append(page, all...)
		} else {
			all = append(all, page...)
		}
		if a.at(s.t, "expiryForecast", "pageInfo", more) == false {
			return all
		}
		cursor = fmt.Sprintf(`, %s: %q`, place, a.str(s.t, "expiryForecast", "pageInfo", next))
	}
}

// foreseen is what the administrator is told of one key, nil when it is not in the list.
func (s *site) foreseen(key, within string) *ending {
	s.t.Helper()
	all := s.forecast(s.admin, fmt.Sprintf(`within: %q`, within), 100, false)
	i := slices.IndexFunc(all, func(e ending) bool { return e.APIKey.ID == key })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// wantRisk checks what the administrator is told of a key in the forecast of 60 days: in use, with a
// successor, somebody told.
func (s *site) wantRisk(key, risk string, inUse, successor, told bool) {
	s.t.Helper()
	got := s.foreseen(key, "P60D")
	if got == nil || got.Risk != risk || got.StillInUse != inUse || got.HasSuccessor != successor || got.WillNotify != told {
		s.t.Errorf("at %s: got %+v, want %s: in use %t, successor %t, told %t", s.clock(), got, risk, inUse, successor, told)
	}
}

// notifyAt sets the notification of a key through a new source of operator messages, and answers the source.
func (s *site) notifyAt(key string, at time.Time) string {
	s.t.Helper()
	source := s.ask(s.admin, fmt.Sprintf(`mutation { createOperatorMessageAlertSource(input: {name: %q}) { alertSource { id } } }`, key), nil).
		str(s.t, "createOperatorMessageAlertSource", "alertSource", "id")
	s.moveNotice(key, source, at)
	return source
}

func (s *site) moveNotice(key, source string, at time.Time) {
	s.t.Helper()
	s.mutate("setApiKeyNotification", fmt.Sprintf(`apiKeyId: %q, alertSourceId: %q, notifyAt: %q`, key, source, at.Format(time.RFC3339Nano)))
}

// rotateTo rotates a key with a grace and answers its successor.
func (s *site) rotateTo(key, grace string) string {
	s.t.Helper()
	return s.ask(s.admin, fmt.Sprintf(`mutation { rotateApiKey(input: {id: %q, gracePeriod: %q}) { newKey { id } } }`, key, grace), nil).
		str(s.t, "rotateApiKey", "newKey", "id")
}
