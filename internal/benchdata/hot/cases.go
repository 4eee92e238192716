package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/benchdata/hot/plain"
	"github.com/keytag/keytag/internal/benchdata/rig"
	"github.com/keytag/keytag/internal/secret"
)

const (
	viewerKey    = `{ viewerKey { id name status scopes expiresAt effectiveExpiresAt endsBecause expiresInSeconds createdAt lastUsedAt } }`
	verifyAPIKey = `mutation ($secret: String!) { verifyApiKey(input: {secret: $secret}) { valid code apiKey { id name status scopes expiresAt effectiveExpiresAt endsBecause createdAt } } }`
)

// kase is one server under one kind of load.
type kase struct {
	name   string
	server *rig.Server
	own    bool // the server is nobody else's
	// requests are sent in turn; each has to be answered with one of these statuses.
	requests [][]byte
	statuses []int
	// company is what else goes on while it is measured, if anything.
	company company
	// span is how long it is measured at least.
	span time.Duration
	next int // of the requests

	runs     []figures
	beside   []figures // of the bare handler, in the same order
	resident float64   // MiB, after the last run
}

func (c *kase) close() {
	if c.own && c.server != nil {
		c.server.Kill()
	}
}

// cases starts all servers. Those it answers are to be closed also after an error.
func (p plan) cases(ctx context.Context, program *rig.Program) (cases []*kase, list []allocated, err error) {
	var small, large, file database
	for _, d := range []struct {
		*database
		keys int
		file bool
	}{{&small, 1000, false}, {&large, p.most, false}, {&file, 1000, true}} {
		if *d.database, err = p.fill(ctx, d.keys, d.file); err != nil {
			return nil, nil, err
		}
	}
	alone, err := p.fill(ctx, 1, false)
	if err != nil {
		return nil, nil, err
	}
	text := benchdata.AdminKeyText(seed, 0)
	view := rig.GraphQL(text, viewerKey, nil)
	serve := func(d database) (*rig.Server, error) {
		s, err := program.Serve(ctx, serverCore, d.url, "--worker=false")
		if err == nil {
			cases = append(cases, &kase{server: s, own: true, name: d.url})
		}
		return s, err
	}
	servers := map[string]*rig.Server{}
	for name, d := range map[string]database{"alone": alone, "small": small, "large": large, "file": file} {
		if servers[name], err = serve(d); err != nil {
			return cases, nil, err
		}
	}
	key, err := shown(ctx, servers["small"], view)
	if err != nil {
		return cases, nil, err
	}
	plainServers := map[string]*rig.Server{}
	for _, how := range []string{byHand, byGqlgen} {
		s, err := startPlain(ctx, how, plain.Keys{sha256.Sum256([]byte(text)): key})
		if err != nil {
			return cases, nil, err
		}
		plainServers[how] = s
		cases = append(cases, &kase{server: s, own: true, name: how})
		got, err := shown(ctx, s, view)
		if err != nil {
			return cases, nil, err
		}
		got.ExpiresInSeconds, got.LastUsedAt, got.EffectiveExpiresAt = key.ExpiresInSeconds, key.LastUsedAt, key.EffectiveExpiresAt
		if !reflect.DeepEqual(got, key) {
			return cases, nil, fmt.Errorf("%s answers %+v, keytag %+v", how, got, key)
		}
	}
	live, err := large.live(ctx, p.inTurn)
	if err != nil {
		return cases, nil, err
	}
	var cold, probes [][]byte
	for _, text := range live {
		request := rig.GraphQL(text, viewerKey, nil)
		cold = append(cold, request)
		probes = append(probes, bytes.Replace(request, []byte("\r\n\r\n"), []byte("\r\nKeytag-Probe: 1\r\n\r\n"), 1))
	}
	liveFile, err := file.live(ctx, 1)
	if err != nil {
		return cases, nil, err
	}
	verify := func(live string) [][]byte {
		return [][]byte{rig.GraphQL(text, verifyAPIKey, map[string]any{"secret": live})}
	}
	unknown, malformed := strangers(p.inTurn)
	one := [][]byte{view}
	add := func(name string, s *rig.Server, requests [][]byte, statuses ...int) *kase {
		c := &kase{name: name, server: s, requests: requests, statuses: statuses}
		cases = append(cases, c)
		return c
	}
	add(bareName, plainServers[byHand], one, 200)
	add(gqlgenName, plainServers[byGqlgen], one, 200)
	add("keytag, viewerKey, SQLite", servers["file"], one, 200)
	add("keytag, viewerKey, PostgreSQL, 1 key", servers["alone"], one, 200)
	add("keytag, viewerKey, PostgreSQL, 10³ keys", servers["small"], one, 200)
	add("keytag, viewerKey, PostgreSQL, "+rig.Power(p.most)+" keys", servers["large"], one, 200)
	add("keytag, verifyApiKey, SQLite", servers["file"], verify(liveFile[0]), 200)
	add("keytag, verifyApiKey, PostgreSQL, "+rig.Power(p.most)+" keys", servers["large"], verify(live[0]), 200)
	inTurn := fmt.Sprintf("keytag, viewerKey, PostgreSQL, %d keys in turn, each read from the database", p.inTurn)
	add(inTurn+" (probes, which are no use)", servers["large"], probes, 200)
	used := add(inTurn+", and its use written", servers["large"], cold, 200)
	used.span, used.company = usesSpan, &using{database: large}
	add("keytag, viewerKey, PostgreSQL, a key revoked every 10 ms", servers["small"], one, 200).company = &revoking{admin: text}
	add("keytag, texts that no key has: wrong checksum", servers["large"], malformed, 401, 429)
	add("keytag, texts that no key has: right checksum", servers["large"], unknown, 401, 429)
	list, err = allocations(ctx, file.url, liveFile[0])
	return cases, list, err
}

const (
	bareName   = "handler of net/http, over a map"
	gqlgenName = "gqlgen as it comes, over a map"
)

func startPlain(ctx context.Context, how string, keys plain.Keys) (*rig.Server, error) {
	var told bytes.Buffer
	if err := gob.NewEncoder(&told).Encode(keys); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := serverCore.Command(ctx, self, how)
	command.Stdin = &told
	return rig.Listen(command)
}

// shown is what a server answers to viewerKey.
func shown(ctx context.Context, s *rig.Server, request []byte) (*plain.Key, error) {
	c, err := rig.Dial(ctx, s.Address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	body, err := c.Data(request)
	if err != nil {
		return nil, err
	}
	return viewed(body)
}

// database is one filled with keys that are in hand.
type database struct {
	url  string
	keys int
}

func (p plan) fill(ctx context.Context, keys int, file bool) (d database, err error) {
	d.keys = keys
	if file {
		if err := os.MkdirAll(p.sqlite, 0o700); err != nil {
			return d, err
		}
		d.url = "sqlite://" + filepath.Join(p.sqlite, "hot.db")
	} else if d.url, err = rig.On(ctx, p.postgres, fmt.Sprintf("hot_%d", keys)); err != nil {
		return d, err
	}
	return d, rig.Fill(ctx, d.url, benchdata.Options{Keys: keys, Seed: seed, Now: time.Now()})
}

// live are texts of keys of the administrator's organization that work, and have been used before.
func (d database) live(ctx context.Context, n int) (texts []string, err error) {
	db, err := rig.Open(d.url)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var tomorrow any = time.Now().Add(24 * time.Hour)
	if db.SQLite {
		tomorrow = time.Now().Add(24 * time.Hour).UnixMicro()
	}
	admin, err := secret.Parse(benchdata.AdminKeyText(seed, 0))
	if err != nil {
		return nil, err
	}
	digest := admin.Digest()
	rows, err := db.QueryContext(ctx, `SELECT k.digest FROM api_keys k JOIN users u ON u.id = k.owner_id
		WHERE k.organization_id = (SELECT organization_id FROM api_keys WHERE digest = $1) AND k.effective_expires_at > $2 AND k.removed_at IS NULL
		AND k.suspended_at IS NULL AND k.pending_since IS NULL AND k.last_used_at IS NOT NULL AND (k.allowed_ips IS NULL OR CAST(k.allowed_ips AS text) = '[]')
		AND u.disabled_at IS NULL AND u.may_use_api_keys`, digest[:], tomorrow)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	wanted := map[string]bool{}
	for rows.Next() {
		var digest []byte
		if err := rows.Scan(&digest); err != nil {
			return nil, err
		}
		wanted[string(digest)] = true
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for index := 0; index < d.keys && len(texts) < n; index++ {
		text := benchdata.KeyText(seed, index)
		parsed, err := secret.Parse(text)
		if err != nil {
			return nil, err
		}
		if digest := parsed.Digest(); wanted[string(digest[:])] {
			texts = append(texts, text)
		}
	}
	if len(texts) < n {
		return nil, fmt.Errorf("%d keys work and have been used, %d are needed", len(texts), n)
	}
	return texts, nil
}

// strangers ask with keys that are well-formed and unknown, and with such that are malformed.
func strangers(n int) (unknown, malformed [][]byte) {
	for range n {
		text := secret.Mint().Reveal()
		last := byte('0')
		if text[len(text)-1] == last {
			last = '1'
		}
		good := rig.GraphQL(text, viewerKey, nil)
		bad := rig.GraphQL(text[:len(text)-1]+string(last), viewerKey, nil)
		unknown, malformed = append(unknown, good), append(malformed, bad)
	}
	return unknown, malformed
}
