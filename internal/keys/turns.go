package keys

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/store"
)

// findLimit is how long the lists of an operation, and their counts, are looked for together; and how long
// they wait for others to be found.
const findLimit = 2 * time.Second

// Budget is what an operation has used up of the time that its lists may take. They take turns. The zero
// Budget is whole.
type Budget struct {
	mu              sync.Mutex
	waited, looking time.Duration
}

type budgetKey struct{}

// WithBudget has all lists that are found under ctx share a budget; else each has its own.
func WithBudget(ctx context.Context, b *Budget) context.Context {
	return context.WithValue(ctx, budgetKey{}, b)
}

// InTurn looks for a list of keys when its turn comes. When the lists of the operation have taken two seconds
// it fails with `query.too_expensive`, which advises what to change of the named arguments; when they have waited
// for two seconds, with `query.busy`.
func (a *Authority) InTurn(ctx context.Context, advice string, fields []string, look func(context.Context) error) error {
	b, shared := ctx.Value(budgetKey{}).(*Budget)
	if !shared {
		b = &Budget{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := a.enter(ctx, b); err != nil {
		return err
	}
	defer func() { <-a.searches }()
	err := spending(ctx, &b.looking, look)
	if errors.Is(err, errOverdue) {
		return &fault.Error{Code: "query.too_expensive", Message: advice, Fields: fields}
	}
	return err
}

// enter waits until there is room for a search.
func (a *Authority) enter(ctx context.Context, b *Budget) error {
	select {
	case a.searches <- struct{}{}:
		return nil
	default:
	}
	err := spending(ctx, &b.waited, func(ctx context.Context) error {
		select {
		case a.searches <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if errors.Is(err, errOverdue) {
		return &fault.Error{Code: "query.busy", Message: "too many searches are under way; try again"}
	}
	return err
}

var errOverdue = errors.New("took longer than it may")

// spending does something for as long as findLimit leaves, of which it spends what that takes, and else fails with
// errOverdue. The error of a caller who has gone is left as it is.
func spending(ctx context.Context, spent *time.Duration, do func(context.Context) error) error {
	if *spent >= findLimit {
		return errOverdue
	}
	began := time.Now()
	defer func() { *spent += time.Since(began) }()
	limited, cancel := context.WithTimeout(ctx, findLimit-*spent)
	defer cancel()
	err := do(limited)
	if err != nil && ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || store.IsInterrupted(err)) {
		return errOverdue
	}
	return err
}
