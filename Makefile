# edrc: make demo shows it, make test proves it.
GO      ?= go
export CGO_ENABLED ?= 0
# The race detector waits a second at the end of every spawned process otherwise.
export GORACE ?= atexit_sleep_ms=0
LDFLAGS = -s -w

.PHONY: build demo test race bench memory gen lint cross release-check clean

build: ## bin/edrc
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/edrc ./cmd/edrc

demo: ## the main job end to end on simulated vendors
	@echo "building edrc first: about a minute on a new machine, a second after that"
	@$(GO) build -o bin/edrc ./cmd/edrc
	@./bin/edrc demo

test: ## all tests, without the race detector
	$(GO) vet ./...
	$(GO) test -timeout 20m ./...

race: ## the tests with the race detector (needs a C compiler), one package at a time: some start many processes; moto and sizes are left to make test
	CGO_ENABLED=1 $(GO) test -race -short -p 1 -timeout 30m ./...

bench: ## the figures of docs/benchmarks.md, measured here and now
	$(GO) run ./internal/bench

memory: ## fails when memory or the second process's wait miss their aims by more than half
	$(GO) run ./internal/bench -check memory,wait

gen: ## docs/cli, docs/man and completions from the command tree
	$(GO) run ./internal/gen .

lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l cmd internal)" || { gofmt -l cmd internal; echo "gofmt: the files above"; exit 1; }
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

cross: ## two targets that are not this machine's
	GOOS=windows GOARCH=amd64 $(GO) build -o /dev/null ./cmd/edrc
	GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null ./cmd/edrc

release-check: ## needs goreleaser
	goreleaser check

clean:
	rm -rf bin dist
