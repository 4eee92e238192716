package keys_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
)

const contenders = 50

// race runs fn side by side and answers what each got.
func race[T any](fn func(i int) (T, error)) (results []T, errs []error) {
	results, errs = make([]T, contenders), make([]error, contenders)
	var group sync.WaitGroup
	gate := make(chan struct{})
	for i := range contenders {
		group.Go(func() {
			<-gate
			results[i], errs[i] = fn(i)
		})
	}
	close(gate)
	group.Wait()
	return results, errs
}

func TestConcurrentRotationsMakeOneSuccessor(t *testing.T) {
	for name, grace := range map[string]string{"grace": "PT1H", "no grace": "PT0S"} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				ctx := w.as(w.admin)
				old, _ := w.issue(ctx, keys.CreateInput{})
				results, errs := race(func(int) (keys.Rotated, error) {
					return w.Rotate(ctx, keys.RotateInput{ID: old.ID, GracePeriod: period(grace)})
				})
				successor := ""
				for i, err := range errs {
					if err == nil {
						if successor != "" {
							t.Fatal("two successors")
						}
						successor = results[i].NewKey.ID
					}
				}
				if successor == "" {
					t.Fatal("no successor")
				}
				for _, err := range errs {
					if err != nil {
						if e := userError[*keys.AlreadyRotatedError](t, err); e.ReplacedBy.ID != successor {
							t.Fatalf("replaced by %s, want %s", e.ReplacedBy.ID, successor)
						}
					}
				}
			})
		})
	}
}

func TestConcurrentCreatesWithOneDescriptionMakeOneKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		results, errs := race(func(int) (keys.Issued, error) {
			return w.Create(ctx, keys.CreateInput{ProjectID: w.project, Name: new("n"), Description: new("the  same")})
		})
		made := ""
		for i, err := range errs {
			if err == nil {
				made += results[i].APIKey.ID
			}
		}
		for _, err := range errs {
			if err != nil {
				if e := userError[*keys.DescriptionTakenError](t, err); e.ExistingKey.ID != made {
					t.Fatalf("existing key %s, made %s", e.ExistingKey.ID, made)
				}
			}
		}
	})
}

func TestConcurrentFirstUsesWriteOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, text := w.issue(w.as(w.admin), keys.CreateInput{})
		w.pass(time.Second)
		seen, errs := race(func(int) (time.Time, error) {
			ctx, err := w.Authenticate(t.Context(), text, keys.Use{})
			if err != nil {
				return time.Time{}, err
			}
			return *w.ViewerKey(ctx).LastUsedAt, nil
		})
		for i := range errs {
			must(t, errs[i])
			if !seen[i].Equal(w.clock()) {
				t.Fatalf("last used %s", seen[i])
			}
		}
	})
}

func TestConcurrentCreatesWithOneIdempotencyKeyMakeOneKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		in := keys.CreateInput{ProjectID: w.project, Name: new("once"), IdempotencyKey: new("0123456789abcdef")}
		results, errs := race(func(int) (keys.Issued, error) { return w.Create(ctx, in) })
		working := 0
		for i := range errs {
			must(t, errs[i])
			if results[i].APIKey.ID != results[0].APIKey.ID {
				t.Fatal("two keys")
			}
			if s := results[i].Secret(); s != nil && w.refused(*s) == "" {
				working++
			}
		}
		if working != 1 {
			t.Fatalf("%d secrets work", working)
		}
	})
}

// A thief who rotates on and on must not outrun the owner who revokes the first key as compromised.
func TestCompromiseOutrunsAThief(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		first, _ := w.issue(ctx, keys.CreateInput{})
		stop := make(chan struct{})
		var thief sync.WaitGroup
		thief.Go(func() {
			for id := first.ID; ; {
				select {
				case <-stop:
					return
				default:
				}
				rotated, err := w.Rotate(ctx, keys.RotateInput{ID: id})
				var list fault.UserError
				if errors.As(err, &list) {
					return
				}
				if err == nil {
					id = rotated.NewKey.ID
				}
			}
		})
		time.Sleep(20 * time.Millisecond)
		_, err := w.Revoke(ctx, keys.RevokeInput{ID: first.ID, Reason: new(lifecycle.KeyCompromise)})
		time.Sleep(20 * time.Millisecond)
		close(stop)
		thief.Wait()
		must(t, err)
		family, err := w.store.Client.APIKey.Query().All(context.WithoutCancel(w.system()))
		must(t, err)
		for _, key := range family {
			if key.FamilyID == first.FamilyID && key.RevokedAt == nil {
				t.Errorf("generation %d lives", key.Generation)
			}
		}
	})
}
