# make            lists what can be made
# make render     renders example/xr.yaml, or XR=... with SECRETS=...
# make test       runs every check
#
# Tools are Go modules of exact versions below test/tools. Their binaries are
# built once per go.sum, into a cache outside this repository: CACHE.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/function-dittoserver
OUTPUT := _output

export CGO_ENABLED ?= 0
GO_BUILD := go build -trimpath -ldflags='-s -w'

# tools of a module are rebuilt when its go.sum changes.
tools = $(CACHE)/$(1)-$(firstword $(shell sha256sum test/tools/$(1)/go.sum))
CROSSPLANE_TOOLS := $(call tools,crossplane)
CODEGEN_TOOLS := $(call tools,codegen)
LINT_TOOLS := $(call tools,lint)

CROSSPLANE := $(CROSSPLANE_TOOLS)/crossplane
CORE := $(CROSSPLANE_TOOLS)/core
CONTROLLER_GEN := $(CODEGEN_TOOLS)/controller-gen
GOLANGCI_LINT := $(LINT_TOOLS)/golangci-lint

$(CROSSPLANE): PACKAGE := github.com/crossplane/cli/v2/cmd/crossplane
$(CROSSPLANE): MODULE := crossplane
$(CORE): PACKAGE := github.com/crossplane/crossplane/v2/cmd/crossplane
$(CORE): MODULE := crossplane
$(CONTROLLER_GEN): PACKAGE := sigs.k8s.io/controller-tools/cmd/controller-gen
$(CONTROLLER_GEN): MODULE := codegen
$(GOLANGCI_LINT): PACKAGE := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(GOLANGCI_LINT): MODULE := lint

$(CROSSPLANE) $(CORE) $(CONTROLLER_GEN) $(GOLANGCI_LINT):
	@echo "Building $(@F) (once)" >&2
	@cd test/tools/$(MODULE) && $(GO_BUILD) -o $@ $(PACKAGE)

##@ Main job

.PHONY: render
XR ?= example/xr.yaml
SECRETS ?= example/secrets.yaml
COMPOSITION ?= example/composition.yaml
FUNCTIONS ?= example/functions.yaml
OBSERVED ?=
render: build $(CROSSPLANE) $(CORE) ## Render XR (example/xr.yaml) with SECRETS (example/secrets.yaml) to standard output
	@$(OUTPUT)/render --function=$(OUTPUT)/function --crossplane=$(CROSSPLANE) --core=$(CORE) \
		--xr=$(XR) --secrets=$(SECRETS) --composition=$(COMPOSITION) --functions=$(FUNCTIONS) $(if $(OBSERVED),--observed=$(OBSERVED))

.PHONY: build
build: ## Build the function, and what renders with it
	@echo "Building the function" >&2
	@$(GO_BUILD) -o $(OUTPUT)/function .
	@$(GO_BUILD) -o $(OUTPUT)/render ./test/render

##@ Checks

.PHONY: test
test: generated vet lint unit ## Run every check

# What the golden renders run.
RENDERERS := CROSSPLANE=$(CROSSPLANE) CORE=$(CORE) FUNCTION=$(CURDIR)/$(OUTPUT)/function

.PHONY: unit
unit: build $(CROSSPLANE) $(CORE) ## Run the tests with the race detector, the golden renders and the fuzz seeds
	CGO_ENABLED=1 $(RENDERERS) go test -race ./...

.PHONY: golden
golden: build $(CROSSPLANE) $(CORE) ## Write the golden files anew. Review them as code: changed bytes restart servers
	$(RENDERERS) go test $$(grep -l --include='*_test.go' -r 'flag.Bool("update"' . | xargs -n1 dirname | sort -u) -update

.PHONY: simulate
HISTORIES ?= 3000
simulate: ## Drive the function through HISTORIES (3000) random histories; SEED=n replays one
	HISTORIES=$(HISTORIES) SEED=$(SEED) go test -v -timeout 60m -run '^TestHistories$$' . | grep -v -e '^=== ' -e '^ *--- PASS'

.PHONY: fuzz
FUZZTIME ?= 1m
fuzz: ## Fuzz each decoder for FUZZTIME (1m)
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		for f in $$(sed -n 's/^func \(Fuzz[A-Za-z]*\)(.*/\1/p' $$file); do \
			go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./$$(dirname $$file) || exit 1; \
		done; \
	done

# The real server, and the packages that are tested against it. Both are built with
# -trimpath, so that each package is built once. go test would not see changes of
# golden files outside the module, hence -count=1.
DFS := $(CACHE)/contract-$(firstword $(shell sha256sum test/contract/go.sum))/dfs
$(DFS):
	@echo "Building $(@F) (once)" >&2
	@cd test/contract && $(GO_BUILD) -o $@ github.com/marmos91/dittofs/cmd/dfs

.PHONY: contract
contract: $(DFS) ## Hold config.yaml, environment and checks against the real DittoFS server
	cd test/contract && go vet -trimpath ./... && DFS=$(DFS) go test -trimpath -count=1 ./...

.PHONY: vet
vet: ## Run go vet
	go vet ./...

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run golangci-lint
	$(GOLANGCI_LINT) run

##@ Generated files

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate deepcopy functions, the XRD and the input's CRD
	@$(MAKE) --no-print-directory generate-into DIR=.

# DIR receives configuration/ and package/; Go files are generated in place.
.PHONY: generate-into
generate-into: $(CONTROLLER_GEN)
	@mkdir -p $(DIR)/configuration/namespaced $(DIR)/package/input
	@$(CONTROLLER_GEN) object paths=./apis/v1alpha1 output:object:dir=$(DIR)/apis/v1alpha1
	@$(CONTROLLER_GEN) object paths=./input/v1beta1 output:object:dir=$(DIR)/input/v1beta1
	@$(CONTROLLER_GEN) crd:crdVersions=v1 paths=./input/v1beta1 output:crd:dir=$(DIR)/package/input
	@$(CONTROLLER_GEN) crd:crdVersions=v1,allowDangerousTypes=true paths=./apis/v1alpha1 output:crd:stdout | \
		go run ./apis/generate > $(DIR)/configuration/namespaced/definition.yaml

GENERATED := apis/v1alpha1/zz_generated.deepcopy.go input/v1beta1/zz_generated.deepcopy.go \
	package/input/dittoserver.fn.crossplane.io_inputs.yaml configuration/namespaced/definition.yaml

.PHONY: generated
generated: $(CONTROLLER_GEN) ## Check that generated files are up to date
	@rm -rf $(OUTPUT)/generated
	@$(MAKE) --no-print-directory generate-into DIR=$(OUTPUT)/generated
	@for f in $(GENERATED); do diff -u $$f $(OUTPUT)/generated/$$f || { echo "$$f is stale: run make generate" >&2; exit 1; }; done

##@ Other

.PHONY: clean
clean: ## Remove what was built. The cache of tools stays
	rm -rf $(OUTPUT)

.PHONY: help
help: ## List what can be made
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile
