package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keytag/keytag/internal/client"
)

func (p *program) keysCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "keys", Short: "Find, create, rotate, revoke and verify keys, over the server at KEYTAG_URL", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.listKeysCommand(), p.getKeyCommand(), p.createKeyCommand(), p.rotateKeyCommand(), p.revokeKeyCommand(), p.verifyKeyCommand())
	return c
}

// oneID takes the id of a key, and nothing else.
func oneID(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errUsage{fmt.Errorf("name one key by its id: %s", c.UseLine())}
	}
	return nil
}

// given puts the flags that were given into an input of the API, under the names that inputs gives them.
func given(flags *pflag.FlagSet, inputs map[string]string) map[string]any {
	input := map[string]any{}
	flags.Visit(func(f *pflag.Flag) {
		name, asked := inputs[f.Name]
		if !asked {
			return
		}
		if list, several := f.Value.(pflag.SliceValue); several {
			input[name] = list.GetSlice()
		} else {
			input[name] = f.Value.String()
		}
	})
	return input
}

var orders = map[string]string{
	"created": "CREATED_AT", "expires": "EXPIRES_AT", "ends": "EFFECTIVE_EXPIRES_AT", "used": "LAST_USED_AT", "rotation": "NEXT_ROTATION_AT", "name": "NAME",
}

func (p *program) listKeysCommand() *cobra.Command {
	var o *output
	var scopes, statuses []string
	var order string
	var limit int
	var neverUsed bool
	var c *cobra.Command
	c = p.asking("list", "List keys, newest first", noArgs, func(ctx context.Context, server *client.Client, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		filter := given(c.Flags(), map[string]string{
			"project": "projectIds", "environment": "environmentIds", "owner": "ownerIds", "expiring-within": "expiringWithin",
			"unused-for": "unusedFor", "name-prefix": "nameStartsWith", "prefix": "keyPrefix",
		})
		if len(scopes) > 0 {
			filter["scopes"] = map[string]any{"grants": scopes}
		}
		if len(statuses) > 0 {
			filter["statuses"] = enums(statuses)
		}
		if neverUsed {
			filter["neverUsed"] = true
		}
		orderBy, err := orderOf(order)
		if err != nil {
			return err
		}
		if limit < 0 {
			return errUsage{fmt.Errorf("--limit: must be 0, for all, or more, got %d", limit)}
		}
		found, names := []*client.Key{}, []string(nil)
		if err := server.Keys(ctx, filter, orderBy, limit, func(k *client.Key) error {
			found, names = append(found, k), append(names, k.ID)
			return nil
		}); err != nil {
			return err
		}
		return p.show(o, found, keyTable(found...), names...)
	})
	o = outputFlag(c, "table", "json", "yaml", "name")
	f := c.Flags()
	f.StringArrayVar(&scopes, "scope", nil, "only keys that may do this, wildcards considered; repeated: all of them")
	f.StringSliceVar(&statuses, "status", nil, "only keys in this state: pending, active, rotating_out, suspended, expired, revoked; repeated: in any of them")
	f.StringSlice("project", nil, "only keys of this project, by id; repeated: of any")
	f.StringSlice("environment", nil, "only keys of this environment, by id; repeated: of any")
	f.StringSlice("owner", nil, "only keys of this owner, by id; repeated: of any")
	f.String("expiring-within", "", "only keys that end within this period, such as P14D")
	f.String("unused-for", "", "only keys that were not used for this period")
	f.BoolVar(&neverUsed, "never-used", false, "only keys that were never used")
	f.String("name-prefix", "", "only keys whose name begins so, whatever its case")
	f.String("prefix", "", "only the key whose text begins so, up to its second underscore")
	f.StringVar(&order, "order", "-created", strings.Join(sortedOrders(), ", ")+"; with - before it the other way round")
	f.IntVar(&limit, "limit", 0, "at most so many; 0: all")
	return c
}

func sortedOrders() (names []string) {
	for name := range orders {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func orderOf(text string) (map[string]any, error) {
	name, down := strings.CutPrefix(text, "-")
	field, known := orders[name]
	if !known {
		return nil, errUsage{fmt.Errorf("--order: must be one of %s, with or without - before it, got %q", strings.Join(sortedOrders(), ", "), text)}
	}
	if down {
		return map[string]any{"field": field, "direction": "DESC"}, nil
	}
	return map[string]any{"field": field, "direction": "ASC"}, nil
}

// enums are values of an enum as people write them.
func enums(texts []string) (values []string) {
	for _, text := range texts {
		values = append(values, strings.ReplaceAll(strings.ToUpper(text), "-", "_"))
	}
	return values
}

func (p *program) getKeyCommand() *cobra.Command {
	var o *output
	c := p.asking("get ID", "Show one key", oneID, func(ctx context.Context, server *client.Client, args []string) error {
		if err := o.check(); err != nil {
			return err
		}
		key, err := server.Key(ctx, args[0])
		if err != nil {
			return err
		}
		if key == nil {
			return errExit{errors.New("no such key"), exitNotFound}
		}
		return p.show(o, key, keyTable(key), key.ID)
	})
	o = outputFlag(c, "table", "json", "yaml", "name")
	return c
}

func (p *program) revokeKeyCommand() *cobra.Command {
	var o *output
	var self bool
	var reason, note string
	c := p.asking("revoke ID | --self", "End a key for good", cobra.ArbitraryArgs, func(ctx context.Context, server *client.Client, args []string) error {
		if err := errors.Join(o.check(), selfOrID(self, args)); err != nil {
			return err
		}
		input := map[string]any{"reason": enums([]string{reason})[0]}
		revoke := server.RevokeSelf
		if !self {
			input["id"], revoke = args[0], server.Revoke
			if note != "" {
				input["note"] = note
			}
		}
		key, err := revoke(ctx, input)
		if err != nil {
			return err
		}
		return p.show(o, key, keyTable(key), key.ID)
	})
	o = outputFlag(c, "table", "json", "yaml", "name")
	c.Flags().BoolVar(&self, "self", false, "the key that is presented")
	c.Flags().StringVar(&reason, "reason", "unspecified", "unspecified, key_compromise, superseded, …; key_compromise ends successors too")
	c.Flags().StringVar(&note, "note", "", "for the record")
	return c
}

func selfOrID(self bool, args []string) error {
	if self == (len(args) == 1) || len(args) > 1 {
		return errUsage{errors.New("name one key by its id, or give --self")}
	}
	return nil
}

func (p *program) verifyKeyCommand() *cobra.Command {
	var o *output
	var scopes []string
	var probe bool
	var c *cobra.Command
	c = p.asking("verify", "Verify the key on standard input, as the holder of KEYTAG_TOKEN", noArgs, func(ctx context.Context, server *client.Client, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		secret, err := p.firstLine()
		if err != nil {
			return err
		}
		input := given(c.Flags(), map[string]string{"project": "projectId", "environment": "environmentId", "client-ip": "clientIp"})
		input["secret"], input["requiredScopes"], input["recordUse"] = secret, scopes, !probe
		verdict, err := server.Verify(ctx, input)
		if err != nil {
			return err
		}
		if err := p.show(o, verdict, func(w *tabwriter.Writer) {
			tabled(w, "verdict", verdict.Code)
			if len(verdict.MissingScopes) > 0 {
				tabled(w, "missing scopes", strings.Join(verdict.MissingScopes, " "))
			}
			if k := verdict.APIKey; k != nil {
				tabled(w, "id", k.ID)
				tabled(w, "name", k.Name)
				tabled(w, "ends", instant(k.EffectiveExpiresAt))
			}
		}); err != nil {
			return err
		}
		if code := exitOfVerdict(verdict); code != exitOK {
			return errExit{fmt.Errorf("the key is not valid: %s", verdict.Code), code}
		}
		return nil
	})
	o = outputFlag(c, "table", "json", "yaml")
	f := c.Flags()
	f.StringArrayVar(&scopes, "scope", nil, "what it must be allowed to do; repeated: all of it")
	f.String("project", "", "the project it must belong to, by id")
	f.String("environment", "", "the environment it must work in, by id")
	f.String("client-ip", "", "where it is used from")
	f.BoolVar(&probe, "probe", false, "only look: this is no use of the key")
	return c
}
