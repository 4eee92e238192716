# keytag: `make` lists what there is.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

export CGO_ENABLED := 0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PLAYGROUND := npm --prefix internal/web/playground
EXAMPLES := npm --prefix examples
FUZZTIME ?= 1000000x
COUNT ?= 1
STEPS ?= 50000
FILTERS ?= 20000
HISTORIES ?= 300
DOCUMENTS ?= 100000
N ?= 1000000
KEYS ?= 1000000
DATABASE ?= sqlite://bench.db
POSTGRES ?=
SQLITE ?= bench
FIND_ARGS ?=
HOT_ARGS ?=

##@ Use

.PHONY: run build
run: build ## Start the server on http://localhost:8080 with an embedded database
	@exec bin/keytag serve --print-key

build: ## Build bin/keytag, one static binary
	@go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/keytag ./cmd/keytag

##@ Test

.PHONY: test test-plans fuzz bench test-browser test-docs test-deploy test-examples test-hostile test-rights test-find test-kills test-linear bench-data bench-policy bench-find bench-hot
test: postgres ## Run every test, on SQLite and PostgreSQL, and search what they leave for the secrets they mint
	go run ./internal/evidence/withevidence go run ./internal/store/storetest/withpostgres \
	  go test -tags keytaghooks -count=$(COUNT) ./...

fuzz: ## Fuzz every parser: FUZZTIME each, runs (1000000x) or a time (10m)
	@for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package"; \
	  done; \
	done

bench: postgres ## Run the benchmarks
	go run ./internal/store/storetest/withpostgres go test -run '^$$' -bench . -benchmem ./...

test-browser: build node_modules ## Drive the playground in Chromium against the real server
	@scripts/test-browser

test-docs: build postgres ## Run every block of commands of README.md and docs as the page says, each page with a new server
	go run ./internal/store/storetest/withpostgres scripts/test-docs

test-deploy: build ## Hold the image and the systemd unit to their word: an empty root, an unprivileged user
	@scripts/test-deploy

test-examples: build examples-build ## Run the clients of examples/, and the tools of examples/checks, against the real server
	@scripts/with-server $(EXAMPLES) run --silent test

test-hostile: ## Send DOCUMENTS mutated ones (100000) to a server, and compare what it says of them with graphql-js
	@test -d examples/node_modules || $(EXAMPLES) ci
	KEYTAG_TEST_DOCUMENTS=$(DOCUMENTS) KEYTAG_TEST_GRAPHQL_JS=$(CURDIR)/examples/checks/validity.js \
	  go test -count=1 -v -timeout 60m -run TestMutatedDocuments ./graph

test-rights: postgres ## Look 100000 steps long for a way to gain a right: STEPS on each database (50000)
	KEYTAG_TEST_STEPS=$(STEPS) go run ./internal/store/storetest/withpostgres \
	  go test -count=1 -v -timeout 60m -parallel 12 -run TestNobodyGainsARight ./internal/keys

test-find: postgres ## Compare what FILTERS random searches find with an oracle, on each database (20000)
	KEYTAG_TEST_FILTERS=$(FILTERS) go run ./internal/store/storetest/withpostgres \
	  go test -count=1 -v -timeout 120m -parallel 4 -run TestFindingAgreesWithAnOracle ./internal/keys

test-kills: postgres ## Kill three replicas 40 times under 2000 alerts: KEYTAG_TEST_ALERTS, KEYTAG_TEST_SEED
	KEYTAG_TEST_ALERTS=2000 go run ./internal/store/storetest/withpostgres \
	  go test -count=1 -v -timeout 15m -run TestReplicasAreKilled ./cmd/keytag

test-linear: postgres ## Check HISTORIES (300) of three replicas for linearizability, and that flawed replicas are found out
	KEYTAG_TEST_HISTORIES=$(HISTORIES) go run ./internal/store/storetest/withpostgres \
	  go test -count=1 -v -timeout 60m -run 'TestHistories|TestTheDatabaseGoes' ./cmd/keytag

test-plans: postgres ## Hold the plans of the named queries to their indexes at KEYS keys (1000000), on both databases
	KEYTAG_TEST_KEYS=$(KEYS) go run ./internal/store/storetest/withpostgres \
	  go test -count=1 -v -timeout 60m -run TestQueriesReadLittleMoreThanTheyReturn ./internal/benchdata/queries

bench-data: ## Fill an empty database with N realistic keys: make bench-data N=1000000 DATABASE=postgres://…
	go run ./internal/benchdata/cmd --keys $(N) --database "$(DATABASE)"

bench-policy: postgres ## Measure a change of policy over N keys, and one that is interrupted
	go run ./internal/store/storetest/withpostgres go run ./internal/benchdata/policy --keys $(N)

bench-find: $(if $(POSTGRES),,postgres) ## Measure finding keys, at up to ten million: POSTGRES=postgres://… SQLITE=DIRECTORY, filled or used again; FIND_ARGS
	$(if $(POSTGRES),,go run ./internal/store/storetest/withpostgres) go run ./internal/benchdata/find \
	  $(if $(POSTGRES),--postgres "$(POSTGRES)") --sqlite "$(SQLITE)" $(FIND_ARGS)

bench-hot: $(if $(POSTGRES),,postgres) ## Measure keys that ask about themselves or are verified, beside a bare handler: POSTGRES, SQLITE as for bench-find; HOT_ARGS
	$(if $(POSTGRES),,go run ./internal/store/storetest/withpostgres) go run ./internal/benchdata/hot \
	  $(if $(POSTGRES),--postgres "$(POSTGRES)") --sqlite "$(SQLITE)" $(HOT_ARGS)

.PHONY: postgres
postgres:
	@scripts/postgres

##@ Generate

.PHONY: generate generate-check migration migration-seal playground playground-check
generate: ## Write ent/db and graph/generated anew from the schemas
	go generate ./ent
	go run ./graph/generate

generate-check: generate ## Fail unless what is committed is what make generate writes
	@test -z "$$(git status --porcelain -- ent/db graph/generated graph/model graph/schema.resolvers.go internal/benchdata/hot/plain | tee -a /dev/stderr)"

migration: postgres ## Write the next migration of both databases: make migration name=add_webhooks
	go run ./ent/migrations/generate -name $(name)

migration-seal: ## Write the checksums of the migrations anew after one was edited by hand
	go run ./ent/migrations/generate -seal

playground: node_modules ## Build the playground's assets anew
	$(PLAYGROUND) run build

playground-check: node_modules ## Fail unless the committed assets are what the source builds
	$(PLAYGROUND) test
	$(PLAYGROUND) run check

.PHONY: examples-build schema-publish
examples-build: ## Generate and compile the clients of examples/; fail unless the committed Go is what is generated
	@test -d examples/node_modules || $(EXAMPLES) ci
	$(EXAMPLES) run --silent build
	go -C examples/go generate .
	@test -z "$$(git status --porcelain -- examples/go/generated.go | tee -a /dev/stderr)"
	go -C examples/go vet .

schema-publish: ## Promise clients the schema as it is: what a later one breaks, make test-examples finds
	cp schema.graphqls docs/schema-published.graphqls

.PHONY: node_modules
node_modules:
	@test -d internal/web/playground/node_modules || $(PLAYGROUND) ci --no-audit --no-fund

##@ Check

.PHONY: lint tidy-check check
lint: ## Vet, and fail on unformatted files
	go vet ./...
	@test -z "$$(gofmt -l $$(git ls-files '*.go') | tee -a /dev/stderr)"

tidy-check: ## Fail unless go.mod and go.sum are tidy
	go mod tidy -diff
	go -C tools mod tidy -diff
	go -C examples/go mod tidy -diff

check: lint tidy-check generate-check test fuzz-some test-docs test-deploy test-examples test-hostile-some playground-check test-browser ## Everything that has to pass before a change lands

.PHONY: fuzz-some test-hostile-some
test-hostile-some: ## The fraction of test-hostile that every change gets: 5000 documents
	$(MAKE) test-hostile DOCUMENTS=5000

fuzz-some: ## The fraction of the fuzzing that every change gets: 30000 runs a parser
	$(MAKE) fuzz FUZZTIME=30000x

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
