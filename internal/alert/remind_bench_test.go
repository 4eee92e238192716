package alert_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/typeid"
)

// BenchmarkRemind looks at 10 000 keys that are all due, as after a change of the lead times: those of
// which there is nothing to tell yet, and those whose owner is told now.
func BenchmarkRemind(b *testing.B) {
	const n = 10_000
	now := time.Date(2026, 8, 31, 10, 0, 0, 0, time.UTC)
	for _, dialect := range storetest.Dialects {
		for name, end := range map[string]time.Duration{"quiet": 150 * 24 * time.Hour, "told": 20 * 24 * time.Hour} {
			b.Run(strings.TrimSuffix(dialect, "3")+"/"+name, func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					s := storetest.Open(b, dialect)
					authority := keys.New(s, func() time.Time { return now }, slog.New(slog.DiscardHandler))
					alerts := alert.New(s, authority, func() time.Time { return now }, slog.New(slog.NewTextHandler(io.Discard, nil)), alert.Options{})
					insertDue(b, s, authority, now, n, now.Add(end))
					b.StartTimer()
					began, looked := time.Now(), 0
					for {
						k, err := alerts.Remind(b.Context())
						if err != nil {
							b.Fatal(err)
						}
						if k == 0 {
							break
						}
						looked += k
					}
					if looked < n {
						b.Fatalf("looked at %d keys", looked)
					}
					b.ReportMetric(float64(time.Since(began).Milliseconds())/float64(looked)*1000, "ms/1000keys")
				}
			})
		}
	}
}

// insertDue makes n keys of the administrator, 40 days old, that end at an instant.
func insertDue(b *testing.B, s *store.Store, authority *keys.Authority, now time.Time, n int, end time.Time) {
	b.Helper()
	d := directory.New(s, authority, func() time.Time { return now })
	if err := d.Bootstrap(b.Context(), func(secret.Secret) error { return nil }); err != nil {
		b.Fatal(err)
	}
	ctx := principal.System(b.Context())
	first, err := s.Client.APIKey.Query().First(ctx)
	if err != nil {
		b.Fatal(err)
	}
	const chunk = 500
	for from := 0; from < n; from += chunk {
		err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
			rows := make([]*db.APIKeyCreate, chunk)
			for i := range rows {
				rows[i] = tx.APIKey.Create().SetID(typeid.New(typeid.APIKey, now)).
					SetOrganizationID(first.OrganizationID).SetProjectID(first.ProjectID).SetOwnerID(first.OwnerID).SetFamilyID(first.FamilyID).
					SetName("k").SetDescription("d").SetScopes([]string{}).SetAllowedIps([]string{}).SetGeneration(from + i + 2).
					SetKeyPrefix(fmt.Sprintf("ktg_%010d", from+i)).SetDigest(fmt.Append(nil, from+i)).
					SetCreatedAt(now.AddDate(0, 0, -40)).SetUpdatedAt(now).SetExpiresAt(end)
			}
			return tx.APIKey.CreateBulk(rows...).Exec(ctx)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
