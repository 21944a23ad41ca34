# moult: build, test, demo. `make help` lists what there is.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
# The agent is to be small, and forges and web servers speak HTTP/1.1: HTTP/2 would cost it 0.6 MB.
BUILD    := CGO_ENABLED=0 $(GO) build -trimpath -tags nethttpomithttp2 -ldflags '$(LDFLAGS)'
LINT     := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PROGRAMS := moult moult-agent

.PHONY: help build test fast demo bench pairs vectors deps format vet lint cross fuzz micropython clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

build: ## build moult and moult-agent into bin/
	$(BUILD) -o bin/ $(PROGRAMS:%=./cmd/%)

test: deps ## install what the tests need, and run them all
	./scripts/test.sh

fast: deps ## the tests without the long loops
	./scripts/test.sh -short

demo: build ## the main job on real input, without a network
	./scripts/demo.sh

bench: deps build ## the figures of docs/benchmarks.md
	$(GO) test -run '^$$' -bench . -benchmem ./...

pairs: deps ## bytes of updates between real releases, beside git, rsync, tar.gz and bsdiff (docs/benchmarks.md)
	$(GO) run ./bench/pairs

vectors: ## write testdata/vectors again
	$(GO) test ./pack ./trust -run Vectors -update

deps: ## install what the tests need: Debian's packages and npm's
	./scripts/test-deps.sh

format: ## refuse files that gofmt would change
	@files=$$(gofmt -l .); test -z "$$files" || { echo "gofmt these files: $$files" >&2; exit 1; }

vet:
	$(GO) vet ./...

lint: ## staticcheck
	$(GO) run $(LINT) ./...

cross: ## build for every kind of board
	@set -e; for target in linux/amd64 linux/arm64 linux/arm/6 linux/arm/7 linux/riscv64; do \
		$(MAKE) --no-print-directory cross-one TARGET=$$target WHAT="$(PROGRAMS:%=./cmd/%)"; done
	@$(MAKE) --no-print-directory cross-one TARGET=linux/mipsle/softfloat WHAT=./cmd/moult-agent

.PHONY: cross-one
cross-one:
	@set -e; IFS=/; target="$(TARGET)"; set -- $$target; export GOOS=$$1 GOARCH=$$2; \
	case $$2 in arm) export GOARM=$$3;; mipsle) export GOMIPS=$$3;; esac; unset IFS; \
	out=bin/$$1-$$2$${3:+-$$3}; mkdir -p $$out; $(BUILD) -o $$out/ $(WHAT); ls -l $$out | awk -v t=$$out 'NR>1 {print t "/" $$9, $$5}'

fuzz: ## each fuzz target for FUZZTIME (default 10s)
	./scripts/fuzz.sh

micropython: deps ## the board's package as .mpy files in bin/mpy, and bin/ca.pem, the authorities that it trusts
	node scripts/mpy.js micropython/lib bin/mpy
	./scripts/board-ca.sh >bin/ca.pem

clean: ## remove what was built
	rm -rf bin
