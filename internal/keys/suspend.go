package keys

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// SuspendInput says which key to switch off, and why.
type SuspendInput struct {
	ID   string
	Note *string
}

// ResumeInput says which key to switch on again.
type ResumeInput struct{ ID string }

// Suspend switches a key off until Resume; its clocks keep running. A second call changes nothing,
// except that an administrator's takes over. User errors: InputError, KeyNotLiveError.
func (a *Authority) Suspend(ctx context.Context, in SuspendInput) (*View, error) {
	note, err := noteOf(in.Note)
	if err != nil {
		return nil, err
	}
	p := principal.From(ctx)
	return a.changeNoting(ctx, in.ID, "api_key.suspended", &noted{reason: orEmpty(note)}, func(ctx context.Context, tx *store.Tx, key *View) error {
		if key.Status().Ended() {
			return NotLive(key)
		}
		if key.SuspendedAt != nil && (key.SuspendedByAdmin || !p.IsAdmin()) {
			return errUnchanged
		}
		update := tx.APIKey.UpdateOneID(key.ID).
			SetUpdatedAt(key.now).
			SetSuspendedByAdmin(p.IsAdmin()).
			SetNillableSuspensionNote(note)
		if key.SuspendedAt == nil {
			update.SetSuspendedAt(key.now)
		}
		return update.Exec(ctx)
	})
}

// Resume switches a suspended key on again. What an administrator has suspended only administrators
// resume. A key that is not suspended stays as it is. User errors: InputError, KeyNotLiveError.
func (a *Authority) Resume(ctx context.Context, in ResumeInput) (*View, error) {
	p := principal.From(ctx)
	return a.change(ctx, in.ID, "api_key.resumed", func(ctx context.Context, tx *store.Tx, key *View) error {
		switch {
		case key.Status().Ended():
			return NotLive(key)
		case key.SuspendedAt == nil:
			return errUnchanged
		case key.SuspendedByAdmin && !p.IsAdmin():
			return fault.Input(fault.CodeForbidden, "an administrator suspended the key; only administrators resume it", "id")
		}
		return tx.APIKey.UpdateOneID(key.ID).
			SetUpdatedAt(key.now).
			ClearSuspendedAt().
			SetSuspendedByAdmin(false).
			ClearSuspensionNote().
			Exec(ctx)
	})
}

// change holds a key, lets do change it, and records that under action. do answers errUnchanged
// when there is nothing to do.
func (a *Authority) change(ctx context.Context, id, action string, do func(context.Context, *store.Tx, *View) error) (*View, error) {
	return a.changeNoting(ctx, id, action, &noted{}, do)
}

// noted is what the trail tells of a change beside the columns of the key.
type noted struct {
	reason string
	fields []change.Field
}

// changeNoting is change with more to note, which do may fill in.
func (a *Authority) changeNoting(ctx context.Context, id, action string, more *noted, do func(context.Context, *store.Tx, *View) error) (*View, error) {
	if err := typeid.Want(typeid.APIKey, "id", id); err != nil {
		return nil, err
	}
	var now time.Time
	var after *db.APIKey
	err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		key, err := Hold(ctx, tx, id)
		if err != nil {
			return err
		}
		now = a.instant(key)
		switch err := do(ctx, tx, view(ctx, key, now)); err {
		case nil:
			after, err = conclude(ctx, tx, now, key, action, more.reason, more.fields...)
			return err
		case errUnchanged:
			after = key
			after.Edges = db.APIKeyEdges{} // loaded for the decision, past what the caller sees
			return nil
		default:
			return err
		}
	})
	if err != nil {
		return nil, err
	}
	observe(ctx, after)
	return view(ctx, after, now), nil
}

func noteOf(text *string) (*string, error) {
	if text == nil || *text == "" {
		return nil, nil
	}
	note, err := label("note", *text, maxNote)
	if err != nil {
		return nil, err
	}
	return &note, nil
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
