package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/benchdata/queries"
	"github.com/keytag/keytag/internal/benchdata/rig"
)

// target is one filled database with what serves it.
type target struct {
	sqlite   bool
	size     int
	url      string
	database *rig.Database
	settings string
	filled   time.Time // the latest creation

	server, bare     *rig.Server
	toServer, toBare *rig.Connection
	adminKey         string
	queries          []queries.Query
	requests         [][]byte // of the queries
	organization     string
	subject          *queries.Subject
}

func (t *target) String() string {
	if t.sqlite {
		return fmt.Sprintf("SQLite, %d keys", t.size)
	}
	return fmt.Sprintf("PostgreSQL, %d keys", t.size)
}

// open fills and serves all databases. Those it answers are to be closed also after an error.
func (p *plan) open(ctx context.Context, program *rig.Program) (targets []*target, err error) {
	for _, size := range p.postgresSizes {
		url, err := rig.On(ctx, p.postgres, fmt.Sprintf("find_%d", size))
		if err != nil {
			return targets, err
		}
		targets = append(targets, &target{size: size, url: url})
	}
	for _, size := range p.fileSizes {
		if err := os.MkdirAll(p.sqlite, 0o700); err != nil {
			return targets, err
		}
		targets = append(targets, &target{sqlite: true, size: size, url: "sqlite://" + filepath.Join(p.sqlite, fmt.Sprintf("find_%d.db", size))})
	}
	for _, t := range targets {
		fmt.Println(t)
		if err := t.open(ctx, p, program); err != nil {
			return targets, fmt.Errorf("%s: %w", t, err)
		}
	}
	return targets, nil
}

func (t *target) open(ctx context.Context, p *plan, program *rig.Program) (err error) {
	if err := rig.Fill(ctx, t.url, benchdata.Options{Keys: t.size, Seed: p.seed, Now: time.Now()}); err != nil {
		return err
	}
	if t.database, err = rig.Open(t.url); err != nil {
		return err
	}
	if err := t.inspect(ctx); err != nil {
		return err
	}
	if t.server, err = program.Serve(ctx, serverCore, t.url, "--worker=false"); err != nil {
		return err
	}
	if t.toServer, err = rig.Dial(ctx, t.server.Address); err != nil {
		return err
	}
	t.adminKey = benchdata.AdminKeyText(p.seed, 0)
	if err := t.prepare(ctx, p); err != nil {
		return err
	}
	if err := t.startBare(ctx); err != nil {
		return err
	}
	for i, q := range t.queries {
		if err := t.compare(q, t.requests[i]); err != nil {
			return fmt.Errorf("%s: %w", q.Name, err)
		}
	}
	return nil
}

// inspect refuses a database that was not filled to its end.
func (t *target) inspect(ctx context.Context) (err error) {
	var keys int
	if err := t.database.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM api_keys) - (SELECT count(*) FROM organizations)").Scan(&keys); err != nil {
		return err
	}
	if keys != t.size {
		return fmt.Errorf("the database holds %d keys: throw it away", keys)
	}
	if err := t.database.QueryRowContext(ctx, "SELECT created_at FROM api_keys ORDER BY id DESC LIMIT 1").Scan(&t.filled); err != nil {
		return err
	}
	t.settings, err = t.database.Settings(ctx)
	return err
}

// ask is queries.Ask over HTTP.
func (t *target) ask(_ context.Context, document string, variables map[string]any) (json.RawMessage, error) {
	body, err := t.toServer.Data(rig.GraphQL(t.adminKey, document, variables))
	if err != nil {
		return nil, err
	}
	var answer struct{ Data json.RawMessage }
	err = json.Unmarshal(body, &answer)
	return answer.Data, err
}

// prepare makes the queries that are asked for.
func (t *target) prepare(ctx context.Context, p *plan) error {
	subject, list, err := queries.List(ctx, p.seed, t.ask)
	if err != nil {
		return err
	}
	t.subject = subject
	for _, name := range p.queries {
		if !slices.ContainsFunc(list, func(q queries.Query) bool { return q.Name == name }) {
			return fmt.Errorf("there is no query %q", name)
		}
	}
	for _, q := range list {
		if len(p.queries) > 0 && !slices.Contains(p.queries, q.Name) {
			continue
		}
		t.queries, t.requests = append(t.queries, q), append(t.requests, rig.GraphQL(t.adminKey, q.Document, q.Variables))
	}
	t.organization, err = organizationOf(ctx, t.database, subject)
	return err
}

func organizationOf(ctx context.Context, d *rig.Database, s *queries.Subject) (id string, err error) {
	err = d.QueryRowContext(ctx, "SELECT organization_id FROM projects WHERE id = $1", s.ProjectID).Scan(&id)
	return id, err
}

// startBare starts the process of the floor.
func (t *target) startBare(ctx context.Context) error {
	floors, err := floorsOf(t.subject, t.organization, t.queries)
	if err != nil {
		return err
	}
	var told bytes.Buffer
	if err := gob.NewEncoder(&told).Encode(instructions{t.url, floors}); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := serverCore.Command(ctx, self, bareArgument)
	command.Stdin = &told
	if t.bare, err = rig.Listen(command); err != nil {
		return err
	}
	t.toBare, err = rig.Dial(ctx, t.bare.Address)
	return err
}

// compare fails if the floor does not answer what the server answers.
func (t *target) compare(q queries.Query, request []byte) error {
	byServer, err := t.toServer.Data(request)
	if err != nil {
		return err
	}
	byServer = slices.Clone(byServer)
	byHand, err := t.toBare.Data(rig.Post("/page/"+q.Name, "", ""))
	if err != nil {
		return err
	}
	return equal(q, byServer, byHand)
}

// equal fails if the answers differ. Seconds pass, and cursors of other orders than that of creation
// are the server's affair.
func equal(q queries.Query, byServer, byHand []byte) error {
	want, err := comparable(q, byServer)
	if err != nil {
		return err
	}
	got, err := comparable(q, byHand)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("the floor answers otherwise than the server:\n%.600s\n%.600s", byHand, byServer)
	}
	return nil
}

func comparable(q queries.Query, body []byte) (map[string]any, error) {
	var answer struct {
		Data struct {
			Project struct{ APIKeys map[string]any }
			APIKeys map[string]any
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	found := answer.Data.APIKeys
	if q.InProject() {
		found = answer.Data.Project.APIKeys
	}
	nodes, _ := found["nodes"].([]any)
	info, _ := found["pageInfo"].(map[string]any)
	if info == nil {
		return nil, errors.New("no page in the answer")
	}
	for _, n := range nodes {
		delete(n.(map[string]any), "expiresInSeconds")
	}
	if q.Variables["orderBy"].(map[string]any)["field"] != "CREATED_AT" {
		delete(info, "startCursor")
		delete(info, "endCursor")
	}
	return found, nil
}

func (t *target) close() {
	for _, c := range []*rig.Connection{t.toServer, t.toBare} {
		if c != nil {
			c.Close()
		}
	}
	for _, s := range []*rig.Server{t.server, t.bare} {
		if s != nil {
			s.Kill()
		}
	}
	if t.database != nil {
		_ = t.database.Close() // only read
	}
}
