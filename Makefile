# Rollcall. `make help` lists the targets.
SHELL := /bin/bash
GO    ?= go
BIN   := bin/rollcall
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

.DEFAULT_GOAL := check
.PHONY: help check build run test proof bench bench-quick chart lint fmt tools generate

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

check: ## Format check, vet, unit tests: a yes within a minute (the default)
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) test -short ./...

build: ## Build bin/rollcall, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/rollcall

run: build ## Build and run the demo: a sample directory, one sync, a server
	$(BIN) demo

test: tools ## Install what the tests need, then run everything that CI runs
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	ROLLCALL_TEST_TOOLS=required $(GO) test -race -count=1 -timeout 20m ./...
	.ci/fuzz 3000x

proof: tools chart ## The long proofs at full count: kills, cut points, fuzzing
	ROLLCALL_TEST_TOOLS=required ROLLCALL_PROOF=1 $(GO) test -count=1 -timeout 3h ./...
	.ci/fuzz 10m

bench: build ## The benchmark table against raw Redis, whole
	$(GO) run ./bench -markdown docs/performance.md

bench-quick: build ## The same with fewer people, under a minute
	$(GO) run ./bench -quick

chart: ## helm lint and template of the chart (builds helm at first, which takes a minute or two)
	$(GO) build -modfile=go.helm.mod -o bin/helm helm.sh/helm/v3/cmd/helm
	ROLLCALL_HELM=$(CURDIR)/bin/helm $(GO) test -tags chart -count=1 -run TestChart ./cmd/rollcall

lint: ## golangci-lint, pinned in go.tool.mod (builds it at first, which takes minutes)
	$(GO) tool -modfile=go.tool.mod golangci-lint run ./...

fmt: ## Format the code
	gofmt -w .

generate: ## Make the demo's directory anew
	cd cmd/rollcall/demodata && $(GO) run generate.go > directory.ldif

tools:
	@.ci/tools
