package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/benchdata/queries"
	"github.com/keytag/keytag/internal/benchdata/rig"
	"github.com/keytag/keytag/internal/store/storetest"
)

// A floor that answered something else would be none.
func TestEveryFloorAnswersWhatTheServerAnswers(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, name string) {
		const seed = 1
		url, now := storetest.Migrated(t, name), time.Now()
		if err := rig.Fill(t.Context(), url, benchdata.Options{Keys: 5000, Seed: seed, Now: now}); err != nil {
			t.Fatal(err)
		}
		server := queries.NewServer(storetest.Connect(t, url), seed, time.Now)
		subject, list, err := queries.List(t.Context(), seed, server.Ask)
		if err != nil {
			t.Fatal(err)
		}
		database, err := rig.Open(url)
		if err != nil {
			t.Fatal(err)
		}
		defer database.Close()
		organization, err := organizationOf(t.Context(), database, subject)
		if err != nil {
			t.Fatal(err)
		}
		floors, err := floorsOf(subject, organization, list)
		if err != nil {
			t.Fatal(err)
		}
		bare, err := newBare(instructions{url, floors})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range list {
			data, err := server.Ask(t.Context(), q.Document, q.Variables)
			if err != nil {
				t.Fatalf("%s: %v", q.Name, err)
			}
			byHand := httptest.NewRecorder()
			bare.ServeHTTP(byHand, httptest.NewRequest(http.MethodPost, "/page/"+q.Name, nil))
			if byHand.Code != http.StatusOK {
				t.Fatalf("%s: %s", q.Name, byHand.Body)
			}
			byServer, _ := json.Marshal(map[string]json.RawMessage{"data": data})
			if err := equal(q, byServer, byHand.Body.Bytes()); err != nil {
				t.Errorf("%s: %v", q.Name, err)
			}
		}
	})
}
