# make            lists what can be made
# make render     renders example/xr.yaml, or XR=... with SECRETS=...
# make diff       tells what a change of DittoServers does, from OLD=... to NEW=...
# make test       runs the checks that a commit must pass
# make up         brings up a Kubernetes with Crossplane and DittoServers
#
# Tools are Go modules of exact versions below test/tools. Go keeps those that only make
# runs; the binaries of the others are built once per go.sum, into a cache outside this
# repository: CACHE.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/function-dittoserver
OUTPUT := _output

export CGO_ENABLED ?= 0
GO_BUILD = go build -trimpath -ldflags='-s -w $(LDFLAGS)'

# The function's own version is that of its package, and nothing else tells of where it
# was built: the same commit gives the same bytes. grpcnotrace leaves out gRPC's traces for
# a debug page that is not served, and with them what keeps the linker from dropping code.
FUNCTION_BUILD = CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags=grpcnotrace -ldflags='-s -w -X main.version=$(VERSION)'

# Version of the packages: that of the commit's tag, else one that sorts by time.
# A suffix tells whether files have changed since.
COMMIT = $(shell git describe --tags --exact-match 2>/dev/null || TZ=UTC git log -1 --abbrev=12 --date=format-local:%Y%m%d%H%M%S --format=v0.0.0-%cd-%h)
CHANGES = $(shell { git diff HEAD; git ls-files --others --exclude-standard -z | xargs -0 -r cat; } | sha256sum | cut -c1-12)
VERSION ?= $(COMMIT)$(if $(shell git status --porcelain),-$(CHANGES))

CONTROLLER_GEN := go tool -modfile=test/tools/codegen/go.mod controller-gen
# A cache of this checkout: one of another has that one's paths in it, which the rules of .golangci.yml do not match.
GOLANGCI_LINT := GOLANGCI_LINT_CACHE=$(CURDIR)/$(OUTPUT)/lint go tool -modfile=test/tools/lint/go.mod golangci-lint
CYCLONEDX := go tool -modfile=test/tools/sbom/go.mod cyclonedx-gomod
GOVULNCHECK := go tool -modfile=test/tools/vuln/go.mod govulncheck

# The other tools must be files: a program gets their paths, or the linker writes into them.
# Those of a module are rebuilt when its go.sum changes.
tools = $(CACHE)/$(notdir $(1))-$(firstword $(shell sha256sum test/$(1)/go.sum))
CROSSPLANE_TOOLS := $(call tools,tools/crossplane)
KUBERNETES_TOOLS := $(call tools,tools/kubernetes)

# Versions of Crossplane and of provider-kubernetes in the real stack. There is a tools module for
# each, whose folder has no version if it is the usual one.
CROSSPLANE ?= v2.4.0
PROVIDER_VERSION ?= v1.3.1
versioned = $(call tools,tools/$(notdir $(or $(wildcard test/tools/$(1)-$(2)),$(1))))

CROSSPLANE_CLI := $(CROSSPLANE_TOOLS)/crossplane
CORE := $(CROSSPLANE_TOOLS)/core
STACK_CORE := $(call versioned,crossplane,$(CROSSPLANE))/core
KUBERNETES := $(addprefix $(KUBERNETES_TOOLS)/,kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
COREDNS := $(call tools,tools/coredns)/coredns
HELM := $(call tools,tools/helm)/helm
CRANE := $(call tools,tools/oci)/crane
PROVIDER := $(call versioned,provider-kubernetes,$(PROVIDER_VERSION))/provider
DFS := $(call tools,contract)/dfs
KWOK := $(call tools,tools/kwok)/kwok
CORES := $(sort $(CORE) $(STACK_CORE))

# The folder's name without its checksum, and the tool of the file's name.
MODULE = $(patsubst %-$(lastword $(subst -, ,$(@D))),%,$(notdir $(@D)))
PACKAGE = $$(go list tool | grep '/$(@F)$$')
$(CROSSPLANE_CLI): PACKAGE := github.com/crossplane/cli/v2/cmd/crossplane
$(CORES): PACKAGE := github.com/crossplane/crossplane/v2/cmd/crossplane
$(CORES): LDFLAGS = $(foreach p,crossplane/v2/internal crossplane-runtime/v2/pkg,-X github.com/crossplane/$(p)/version.version=$(call module_version,$(MODULE),github.com/crossplane/crossplane/v2))
$(KUBERNETES): LDFLAGS = -X k8s.io/component-base/version.gitVersion=$(call module_version,kubernetes,k8s.io/kubernetes)
# As a process it shares its port with others: it takes one that is free.
$(PROVIDER): LDFLAGS = -X sigs.k8s.io/controller-runtime/pkg/metrics/server.DefaultBindAddress=127.0.0.1:0

$(CROSSPLANE_CLI) $(CORES) $(KUBERNETES) $(COREDNS) $(HELM) $(CRANE) $(PROVIDER) $(DFS) $(KWOK):
	@echo "Building $(@F) (once)" >&2
	@cd $(firstword $(wildcard test/tools/$(MODULE) test/$(MODULE))) && $(GO_BUILD) -o $@ $(PACKAGE)

# Version and folder of a module that a tools module requires.
module_version = $(shell cd test/tools/$(1) && go list -m -f '{{.Version}}' $(2))
module_dir = $(shell cd test/tools/$(1) && go mod download $(2) && go list -m -f '{{.Dir}}' $(2))

##@ Main job

.PHONY: render
XR ?= example/xr.yaml
SECRETS ?= example/secrets.yaml
COMPOSITION ?= example/composition.yaml
FUNCTIONS ?= example/functions.yaml
OBSERVED ?=
render: build $(CROSSPLANE_CLI) $(CORE) ## Render XR (example/xr.yaml) with SECRETS (example/secrets.yaml) to standard output
	@$(OUTPUT)/render --function=$(OUTPUT)/function --crossplane=$(CROSSPLANE_CLI) --core=$(CORE) \
		--xr=$(XR) --secrets=$(SECRETS) --composition=$(COMPOSITION) --functions=$(FUNCTIONS) $(if $(OBSERVED),--observed=$(OBSERVED))

.PHONY: clis
clis: build $(CROSSPLANE_CLI) $(CORE) ## Render the examples with every Crossplane CLI from v1.16 on, compare the pods, and write the table of docs/rendering.md
	@go run ./test/clis --function=$(OUTPUT)/function --newest=$(CROSSPLANE_CLI) --core=$(CORE) --cache=$(CACHE) --page=docs/rendering.md

# The function of another commit.
function_of = $(OUTPUT)/ref/$(or $(shell git rev-parse --verify --quiet '$(1)^{commit}'),$(error no commit $(1)))/function

# From and to: DittoServers, and whatever else may change. docs/diff.md has examples.
.PHONY: diff
OLD ?=
NEW ?= $(OLD)
OLD_COMPOSITION ?= $(COMPOSITION)
NEW_COMPOSITION ?= $(OLD_COMPOSITION)
OLD_SECRETS ?=
NEW_SECRETS ?= $(OLD_SECRETS)
OLD_REF ?=
NEW_REF ?=
OLD_FUNCTION ?= $(if $(OLD_REF),$(call function_of,$(OLD_REF)),$(OUTPUT)/function)
NEW_FUNCTION ?= $(if $(NEW_REF),$(call function_of,$(NEW_REF)),$(OUTPUT)/function)
EXIT_CODE ?=
diff: build $(if $(OLD_REF),$(call function_of,$(OLD_REF))) $(if $(NEW_REF),$(call function_of,$(NEW_REF))) ## Tell what the change from OLD to NEW (YAML files) does to each DittoServer: what changes, whether it restarts, and why
	@test -n "$(OLD)" || { echo "name the files: make diff OLD=a.yaml NEW=b.yaml" >&2; exit 1; }
	@$(OUTPUT)/diff --old=$(OLD) --new=$(NEW) --old-composition=$(OLD_COMPOSITION) --new-composition=$(NEW_COMPOSITION) \
		--old-function=$(OLD_FUNCTION) --new-function=$(NEW_FUNCTION) \
		$(if $(OLD_SECRETS),--old-secrets=$(OLD_SECRETS)) $(if $(NEW_SECRETS),--new-secrets=$(NEW_SECRETS)) \
		$(if $(OBSERVED),--observed=$(OBSERVED)) $(if $(EXIT_CODE),--exit-code)

# Built once, as this tree's is: an older commit passes over flags that it does not know.
$(OUTPUT)/ref/%/function: override VERSION = $*
$(OUTPUT)/ref/%/function:
	@echo "Building the function of $*" >&2
	@rm -rf $(@D) && mkdir -p $(@D)/source && git archive $* | tar -x -C $(@D)/source
	@cd $(@D)/source && $(FUNCTION_BUILD) -o ../function .
	@rm -r $(@D)/source

.PHONY: build
build: ## Build the function, and the tools that render and compare with it
	@echo "Building the function" >&2
	@$(FUNCTION_BUILD) -o $(OUTPUT)/function .
	@$(GO_BUILD) -o $(OUTPUT)/render ./cmd/render
	@$(GO_BUILD) -o $(OUTPUT)/diff ./cmd/diff

##@ Checks

.PHONY: test
test: generated vet lint unit podrules gitops alerts ## Run the checks that a commit must pass, without contract and e2e

# What the golden renders run, and the schemas of the other kinds in the examples: only
# files of modules, which are not built.
RENDERERS = CROSSPLANE=$(CROSSPLANE_CLI) CORE=$(CORE) FUNCTION=$(CURDIR)/$(OUTPUT)/function SCHEMAS=$(subst $(space),$(comma),$(strip $(SCHEMAS)))
SCHEMAS = \
	$(call module_dir,crossplane,github.com/crossplane/crossplane/v2)/cluster/crds \
	$(call module_dir,provider-kubernetes,github.com/crossplane-contrib/provider-kubernetes)/package/crds \
	$(call module_dir,schemas,github.com/cert-manager/cert-manager)/deploy/crds \
	$(call module_dir,schemas,github.com/external-secrets/external-secrets)/config/crds/bases/external-secrets.io_externalsecrets.yaml \
	$(call module_dir,schemas,github.com/fluxcd/kustomize-controller)/config/crd/bases \
	$(call module_dir,schemas,github.com/prometheus-operator/prometheus-operator)/example/prometheus-operator-crd \
	$(call module_dir,schemas,sigs.k8s.io/gateway-api)/config/crd/standard

# Whole histories take some twenty times as long with the race detector, which sees in one
# of each flavour, side by side, what there is to see.
.PHONY: unit
unit: build $(CROSSPLANE_CLI) $(CORE) ## Run the tests with the race detector, the golden renders and the fuzz seeds
	go test -run '^(TestHistories|TestDiffAgreesWithWorld|TestRestarts|TestGuards)$$' .
	CGO_ENABLED=1 HISTORIES=1 $(RENDERERS) go test -race -skip '^(TestDiffAgreesWithWorld|TestRestarts|TestGuards)$$' -timeout 30m ./...

# A module of its own, for Kubernetes. -count=1 since rules outside of it change.
.PHONY: podrules
podrules: ## Compare the rules of pods with those of Kubernetes' API server
	cd test/podrules && go vet -trimpath ./... && go test -trimpath -count=1 ./...

# Another one, for the interpreters of Argo CD and Flux. -count=1 since golden files outside of
# it change.
.PHONY: gitops
gitops: ## Check the health that Argo CD and Flux see of DittoServers in every state
	cd test/gitops && go vet -trimpath ./... && go test -trimpath -count=1 ./...

# Another one, for Prometheus' interpreter.
.PHONY: alerts
alerts: ## Fire the Prometheus alerts of the examples with the function's own counters
	cd test/alerts && go vet -trimpath ./... && go test -trimpath -count=1 ./...

.PHONY: golden
golden: build $(CROSSPLANE_CLI) $(CORE) ## Update the golden files. Review them as code: changed bytes restart servers
	$(RENDERERS) go test $$(grep -l --include='*_test.go' -r 'flag.Bool("update"' . | xargs -n1 dirname | sort -u) -run Golden -update

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

# The real server, and the packages that are tested against it. Both are built with -trimpath, so
# that each package is built once. -count=1 since go test does not see changes of golden files
# outside the module.
.PHONY: contract
contract: $(DFS) ## Check config.yaml, the environment and the rules for Secrets with the real DittoFS server
	cd test/contract && go vet -trimpath ./... && DFS=$(DFS) go test -trimpath -count=1 ./...

# BEFORE is another build of the function, to compare with.
.PHONY: bench
ROUNDS ?= 5
BEFORE ?=
bench: build ## Measure the function: a call by itself, and calls next to what gRPC and protobuf alone cost, into docs/performance.md
	go test -run '^$$' -bench . -benchmem . ./internal/...
	@$(GO_BUILD) -o $(OUTPUT)/floor ./test/bench/floor
	@$(GO_BUILD) -o $(OUTPUT)/bench ./test/bench
	@$(OUTPUT)/bench --function=$(OUTPUT)/function $(if $(BEFORE),--before=$(BEFORE)) $(if $(GO_TEMPLATING),--go-templating=$(GO_TEMPLATING)) \
		$(if $(PATCH_AND_TRANSFORM),--patch-and-transform=$(PATCH_AND_TRANSFORM)) --floor=$(OUTPUT)/floor --rounds=$(ROUNDS) \
		--page=docs/performance.md --plot=docs/images/performance.svg

# Minutes, and root for the cgroup whose memory is bounded.
.PHONY: worst
worst: build ## Look for the requests that cost most, and measure other tenants' calls beside them, into docs/security.md
	@$(GO_BUILD) -o $(OUTPUT)/bench ./test/bench
	@$(OUTPUT)/bench worst --function=$(OUTPUT)/function $(if $(BEFORE),--before=$(BEFORE)) \
		--definition=configuration/namespaced/definition.yaml --example=example/full.yaml --page=docs/security.md

.PHONY: vet
vet: ## Run go vet
	go vet ./...
	cd test/e2e && go vet ./...
	cd test/tools/oci && go vet ./...

.PHONY: lint
lint: ## Run golangci-lint
	$(GOLANGCI_LINT) run

##@ Generated files

.PHONY: generate
generate: ## Generate deepcopy functions, the XRDs, the input's CRD, docs/api.md and the tables of docs/reference.md
	@$(MAKE) --no-print-directory generate-into DIR=.

# DIR receives configuration/ and package/; Go files are generated in place.
.PHONY: generate-into
generate-into:
	@mkdir -p $(OUTPUT) $(DIR)/configuration/namespaced $(DIR)/configuration/claims $(DIR)/package/input $(DIR)/docs
	@$(CONTROLLER_GEN) object paths=./apis/v1alpha1 output:object:dir=$(DIR)/apis/v1alpha1
	@$(CONTROLLER_GEN) object paths=./input/v1beta1 output:object:dir=$(DIR)/input/v1beta1
	@$(CONTROLLER_GEN) crd:crdVersions=v1 paths=./input/v1beta1 output:crd:stdout > $(OUTPUT)/schema.yaml
	@go run ./apis/generate input < $(OUTPUT)/schema.yaml > $(OUTPUT)/generating && mv $(OUTPUT)/generating $(DIR)/package/input/dittoserver.fn.crossplane.io_inputs.yaml
	@$(CONTROLLER_GEN) crd:crdVersions=v1,allowDangerousTypes=true paths=./apis/v1alpha1 output:crd:stdout > $(OUTPUT)/schema.yaml
	@for flavour in $(FLAVOURS); do \
		go run ./apis/generate $$flavour < $(OUTPUT)/schema.yaml > $(OUTPUT)/generating && mv $(OUTPUT)/generating $(DIR)/configuration/$$flavour/definition.yaml || exit 1; done
	@go run ./apis/generate reference < $(OUTPUT)/schema.yaml > $(OUTPUT)/generating && mv $(OUTPUT)/generating $(DIR)/docs/api.md
	@cp docs/reference.md $(OUTPUT)/generating && go run . --help | go run ./cmd/reference --page=$(OUTPUT)/generating && mv $(OUTPUT)/generating $(DIR)/docs/reference.md

FLAVOURS := namespaced claims
GENERATED := $(FLAVOURS:%=configuration/%/definition.yaml) \
	apis/v1alpha1/zz_generated.deepcopy.go input/v1beta1/zz_generated.deepcopy.go \
	package/input/dittoserver.fn.crossplane.io_inputs.yaml docs/api.md docs/reference.md

.PHONY: generated
generated: ## Check that generated files are up to date
	@rm -rf $(OUTPUT)/generated
	@$(MAKE) --no-print-directory generate-into DIR=$(OUTPUT)/generated
	@for f in $(GENERATED); do diff -u $$f $(OUTPUT)/generated/$$f || { echo "$$f is stale: run make generate" >&2; exit 1; }; done

##@ Packages

XPKG := $(OUTPUT)/xpkg
GOARCH := $(shell go env GOARCH)
ARCHITECTURES ?= amd64 arm64

FUNCTION_XPKGS := $(ARCHITECTURES:%=$(XPKG)/function-dittoserver-%.xpkg)
CONFIGURATION_XPKGS := $(XPKG)/configuration-dittoserver.xpkg $(XPKG)/configuration-dittoserver-claims.xpkg

# The marketplace shows these examples of DittoServers.
PACKAGE_EXAMPLES := minimal production postgres metrics-smb nodeport stopped

.PHONY: xpkg
xpkg: $(FUNCTION_XPKGS) $(CONFIGURATION_XPKGS) ## Build the function's (for each of ARCHITECTURES) and the Configurations' packages into _output/xpkg

$(sort $(FUNCTION_XPKGS) $(XPKG)/function-dittoserver-$(GOARCH).xpkg): $(XPKG)/function-dittoserver-%.xpkg: FORCE image $(CROSSPLANE_CLI)
	@mkdir -p $(XPKG)/$*
	@GOOS=linux GOARCH=$* $(FUNCTION_BUILD) -o $(XPKG)/$*/function .
	@$(OUTPUT)/image --output=$(XPKG)/$*/runtime.tar --platform=linux/$* \
		--add=$(XPKG)/$*/function=/function --entrypoint=/function --user=65532:65532 --port=9443/tcp
	@$(CROSSPLANE_CLI) xpkg build --package-root=package --embed-runtime-image-tarball=$(XPKG)/$*/runtime.tar --package-file=$@

$(XPKG)/configuration-dittoserver.xpkg: FORCE $(CROSSPLANE_CLI)
	@mkdir -p $(XPKG)
	@rm -rf $(XPKG)/examples && mkdir $(XPKG)/examples && cp $(PACKAGE_EXAMPLES:%=example/%.yaml) $(XPKG)/examples
	@$(CROSSPLANE_CLI) xpkg build --package-root=configuration/namespaced --examples-root=$(XPKG)/examples --package-file=$@

$(XPKG)/configuration-dittoserver-claims.xpkg: FORCE $(CROSSPLANE_CLI)
	@mkdir -p $(XPKG)
	@$(CROSSPLANE_CLI) xpkg build --package-root=configuration/claims --examples-root=example/claims --package-file=$@

# For files whose tools know themselves what is stale.
.PHONY: FORCE
FORCE:

comma := ,
empty :=
space := $(empty) $(empty)

.PHONY: xpkg-push
REGISTRY ?=
xpkg-push: xpkg ## Push the packages to REGISTRY (host/organization), as VERSION
	@test -n "$(REGISTRY)" || { echo "name the registry: make xpkg-push REGISTRY=registry.example.org/dittofs" >&2; exit 1; }
	$(CROSSPLANE_CLI) xpkg push --package-files=$(subst $(space),$(comma),$(FUNCTION_XPKGS)) $(REGISTRY)/function-dittoserver:$(VERSION)
	@for c in $(CONFIGURATION_XPKGS:$(XPKG)/%.xpkg=%); do \
		echo "$(CROSSPLANE_CLI) xpkg push --package-files=$(XPKG)/$$c.xpkg $(REGISTRY)/$$c:$(VERSION)"; \
		$(CROSSPLANE_CLI) xpkg push --package-files=$(XPKG)/$$c.xpkg $(REGISTRY)/$$c:$(VERSION) || exit 1; done

.PHONY: image
image:
	@cd test/tools/oci && $(GO_BUILD) -o $(CURDIR)/$(OUTPUT)/image ./image

# The digest of a package that was pushed: NAME, and PLATFORM of one that has several.
.PHONY: digest
digest: $(CRANE)
	@$(CRANE) digest $(if $(PLATFORM),--platform=$(PLATFORM)) $(REGISTRY)/$(NAME):$(VERSION)

# Of what the linker put into the binaries, not of what go.mod might bring.
.PHONY: sbom
sbom: $(FUNCTION_XPKGS) ## Write a bill of materials (CycloneDX) of each architecture's binary beside the packages
	@for arch in $(ARCHITECTURES); do \
		$(CYCLONEDX) bin -json -std -noserial -version $(VERSION) -output $(XPKG)/function-dittoserver-$$arch.cdx.json $(XPKG)/$$arch/function || exit 1; done

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities in what the function calls. Needs the vulnerability database, VULNDB (https://vuln.go.dev)
	$(GOVULNCHECK) $(if $(VULNDB),-db $(VULNDB)) .

##@ The real thing

# provider-kubernetes as a package, from its own files.
PROVIDER_XPKG := $(dir $(PROVIDER))provider-kubernetes.xpkg
$(PROVIDER_XPKG): $(PROVIDER) $(CROSSPLANE_CLI) | image
	@$(OUTPUT)/image --output=$@.tar --platform=linux/$(GOARCH) --add=$(PROVIDER)=/provider --entrypoint=/provider --user=65532:65532
	@$(CROSSPLANE_CLI) xpkg build --package-file=$@ --embed-runtime-image-tarball=$@.tar \
		--package-root=$(call module_dir,$(MODULE),github.com/crossplane-contrib/provider-kubernetes)/package
	@rm $@.tar

# Debian's packages are unpacked into a folder: nothing is installed, no service starts.
DEBIAN_PACKAGES := etcd-server containerd runc containernetworking-plugins nftables libnfs-utils smbclient slapd krb5-kdc krb5-admin-server krb5-user samba samba-ad-dc samba-ad-provision samba-dsdb-modules postgresql-15 postgresql-client-15
DEBIAN := $(CACHE)/debian-$(firstword $(shell . /etc/os-release; echo "$$VERSION_CODENAME $(DEBIAN_PACKAGES)" | sha256sum))
DEBIAN_GET = apt-get install --yes --quiet --quiet --download-only --reinstall --no-install-recommends \
	-o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Dir::Cache::archives=$@.new/archives $(DEBIAN_PACKAGES)
$(DEBIAN):
	@echo "Fetching Debian packages (once)" >&2
	@rm -rf $@.new && mkdir -p $@.new/archives/partial
	@$(DEBIAN_GET) >/dev/null || { apt-get update --quiet --quiet && $(DEBIAN_GET) >/dev/null; }
	@for deb in $@.new/archives/*.deb; do dpkg --extract $$deb $@.new || exit 1; done
	@rm -r $@.new/archives && mv $@.new $@

# A database server's root file system, for its image.
POSTGRES := $(DEBIAN)-postgres
$(POSTGRES): $(DEBIAN) test/e2e/postgres.sh
	@test/e2e/postgres.sh $@.new $(DEBIAN)
	@rm -rf $@ && mv $@.new $@ && touch $@

DEBIAN_LIBRARIES := $(DEBIAN)/usr/lib/$(shell uname -m)-linux-gnu
# The programs that stack and the tests run by name, and the settings of both.
STACK_PATH = $(CURDIR)/$(OUTPUT):$(subst $(space),:,$(dir $(STACK_CORE) $(CROSSPLANE_CLI) $(firstword $(KUBERNETES)) $(COREDNS) $(HELM) $(CRANE) $(PROVIDER) $(DFS) $(KWOK) $(DEBIAN)/usr/bin/ $(DEBIAN)/usr/sbin/)):$$PATH
STACK_ENV = PATH=$(STACK_PATH) DEBIAN_LIBRARIES=$(DEBIAN_LIBRARIES):$(DEBIAN_LIBRARIES)/samba \
	STACK=$(STACK) STACK_NODE=$(if $(NODE),false,true) STACK_FLEET=$(if $(filter kwok,$(NODE)),true,false) STACK_FLAVOUR=$(FLAVOUR) \
	STACK_CROSSPLANE=$(CROSSPLANE) STACK_PROVIDER=$(PROVIDER_VERSION) STACK_VERSION=$(VERSION) STACK_POSTGRES=$(POSTGRES)

.PHONY: stack
stack: image
	@cd test/e2e && $(GO_BUILD) -o $(CURDIR)/$(OUTPUT)/stack ./stack

# All of it is below one folder, and stops with one process. NODE=none does without a
# node, and so without root: the function is a process then, and no server runs. NODE=kwok
# is the same, and KWOK plays a node: pods are ready, and do nothing.
NODE ?=
STACK ?= $(CACHE)/stack$(if $(NODE),-$(NODE))

# namespaced, native or claims. The tests of native DittoServers add what they need to a
# stack of namespaced ones.
FLAVOUR ?= namespaced

CONTROL_PLANE := $(addprefix $(KUBERNETES_TOOLS)/,kube-apiserver kube-controller-manager kubectl)
NODES := $(if $(filter kwok,$(NODE)),$(KUBERNETES_TOOLS)/kube-scheduler $(KWOK)) $(if $(NODE),,$(KUBERNETES) $(COREDNS) $(POSTGRES))

.PHONY: up
up: $(XPKG)/function-dittoserver-$(GOARCH).xpkg $(CONFIGURATION_XPKGS) stack $(CONTROL_PLANE) $(NODES) $(HELM) $(CRANE) $(STACK_CORE) $(PROVIDER_XPKG) $(DFS) $(DEBIAN) ## Bring up a local Kubernetes with CROSSPLANE (v2.4.0), PROVIDER_VERSION (v1.3.1), the function and DittoServers of a FLAVOUR (namespaced, claims). Needs root, or NODE=none
	@$(STACK_ENV) stack up

.PHONY: down
down: stack ## Stop the local Kubernetes, and remove what it left
	@$(STACK_ENV) stack down

.PHONY: e2e
RUN ?= .
e2e: up ## Run the end-to-end tests of a FLAVOUR (namespaced, native, claims), or those whose names match RUN, on the local Kubernetes. Needs root, or NODE=none
	@cd test/e2e && $(STACK_ENV) KUBECONFIG=$(STACK)/kubeconfig \
		go test -count=1 -timeout 60m -parallel 8 -v -run '$(RUN)' .

# One way of composing at a time: object, native, or the function of others, whose binary is
# PEER. Results are added to docs/fleet.json, and those that are complete there are not measured again.
.PHONY: fleet
SERVERS ?= 300
AT_ONCE ?= 100
COMPOSE ?= object
REST ?= 10m
TTL ?= 1m
REPLICAS ?= 1
PEER ?=
fleet: ## Measure what SERVERS (300) DittoServers, composed by COMPOSE (object, native, go-templating, patch-and-transform), cost a control plane, into docs/performance.md
	@test $(FLAVOUR) = namespaced || { echo "fleets are of namespaced DittoServers: leave FLAVOUR out" >&2; exit 1; }
	@trap '$(MAKE) --no-print-directory down NODE=kwok' EXIT; $(MAKE) --no-print-directory up NODE=kwok && $(MAKE) --no-print-directory measure NODE=kwok

.PHONY: measure
measure: stack
	@$(STACK_ENV) stack measure --servers=$(SERVERS) --at-once=$(AT_ONCE) --compose=$(COMPOSE) --rest=$(REST) --ttl=$(TTL) --replicas=$(REPLICAS) $(if $(PEER),--peer=$(PEER)) \
		--results=docs/fleet.json --page=docs/performance.md --plot=docs/images/fleet.svg

.PHONY: picture
picture: up ## Run the tutorial, and write docs/images/tutorial.svg
	@cd test/e2e && $(STACK_ENV) KUBECONFIG=$(STACK)/kubeconfig \
		go test -count=1 -v -run TestTutorial . -picture=$(CURDIR)/docs/images/tutorial.svg

##@ Other

.PHONY: clean
clean: ## Remove what was built. The cache of tools stays
	rm -rf $(OUTPUT)

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile
