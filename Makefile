# Targets are listed by "make help". Everything needs Go and git only; what the tests drive is
# fetched into .cache by scripts/testdeps, and nothing is installed.

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)

.DEFAULT_GOAL := help
.PHONY: help build package generate check-generate demo test test-kernels simulate lint bench bench-million clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## static bin/vtep, and its links vtep-ctl, ovs-vtep, ovsdb-server, ovsdb-tool, ovsdb-client
	@mkdir -p bin
	CGO_ENABLED=0 go build -buildvcs=false -trimpath -gcflags=all=-dwarf=false -ldflags '$(LDFLAGS)' -o bin/vtep ./cmd/vtep
	@for link in vtep-ctl ovs-vtep ovsdb-server ovsdb-tool ovsdb-client; do ln -sf vtep bin/$$link; done

package: ## .deb, .rpm and bill of materials in dist/
	@scripts/package

demo: build ## a VTEP at work, in network namespaces (root); KEEP=1 leaves it up
	@bin/vtep lab demo $(if $(KEEP),--keep)

test: ## fetch what the tests drive, then lint and test everything
	@scripts/test

test-kernels: ## the tests of the eBPF plane on Linux 6.1 and 6.12, in QEMU; takes an hour
	@scripts/testkernels
	VTEP_TEST_EFFORT=2 go test -count=1 -timeout 4h -v ./test/kernels

simulate: ## 10,000 runs of a simulation with faults, or SEEDS=N of them; SEED=N simulates that one again and again
	@go test -count=1 -timeout $(or $(TIMEOUT),4h) ./test/simulation $(if $(SEED),-v) -run '^TestSeeds$$' \
	  -args $(if $(SEED),-seed=$(SEED) -seeds=1 -again=20 -trace,-seeds=$(or $(SEEDS),10000))

bench: build ## figures, as ratios to peers in the same run (root)
	@scripts/bench

bench-million: build ## figures with a million MACs and rows (root); VTEP_BENCH_BEFORE=PATH beside an older vtep
	@scripts/bench --million

lint: ## gofmt, go vet, staticcheck, deadcode
	@scripts/lint

generate: ## remake the generated files (needs clang; scripts/testdeps fetches one)
	@scripts/generate

check-generate: ## fail if the generated files are not up to date
	@scripts/generate --check

clean: ## remove what make made
	rm -rf bin dist .cache/testbin
