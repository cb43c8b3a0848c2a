# rcni. `make help` lists the targets. `sudo make …` and `make …` as root are the same.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build demo demo-down test test-long lint bench bench-quick bench-long bench-codec fuzz packages-demo packages-test clean

CARGO      := .ci/cargo
CACHE      := $(or $(RCNI_CACHE),/var/cache/rcni)
TARGET     := $(shell uname -m)-unknown-linux-gnu
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
DIST       := target/dist
FUZZ_RUNS  ?= 200000
export RCNI_CACHE := $(CACHE)

# Debian packages by what needs them. cc and libc are there wherever Rust links anything.
PACKAGES_BUILD := gcc libc6-dev
PACKAGES_DEMO  := iproute2 iptables iputils-ping
PACKAGES_TEST  := $(PACKAGES_DEMO) debootstrap nftables procps tmux
PACKAGES_FUZZ  := g++

# install PACKAGES, those that are missing, and only those
define install
	missing=$$(for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done)
	if [ -n "$$missing" ]; then
		[ "$$(id -u)" = 0 ] || { echo "missing packages: $$missing: run this as root (sudo make …)" >&2; exit 1; }
		echo "installing" $$missing
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null
	fi
endef

define need_root
	[ "$$(id -u)" = 0 ] || { echo "make $@ makes network namespaces: run it as root (sudo make $@)" >&2; exit 1; }
endef

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

packages-demo:
	@$(call install,$(PACKAGES_BUILD) $(PACKAGES_DEMO))

packages-test:
	@$(call install,$(PACKAGES_BUILD) $(PACKAGES_TEST))

build: ## the programs, statically linked, in target/dist
	@$(call install,$(PACKAGES_BUILD))
	mkdir -p $(DIST)
	# One at a time: cargo unifies features among packages built together, and the plugin
	# must not carry what only the daemons need.
	for package in rcni-cni:rcni rcni-bgp:rcni-bgp rcni-bgp:rcni-bgpd rcni-bgp:rcni-bgp-watch felix-lite:felix-lite; do
		RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --locked --release --target $(TARGET) -p "$${package%:*}" --bin "$${package#*:}"
		install -m 755 "$(TARGET_DIR)/$(TARGET)/release/$${package#*:}" $(DIST)/
	done
	ls -l $(DIST)

demo: packages-demo build ## two nodes and a ToR in namespaces (KEEP=1: stays up)
	@$(need_root)
	$(CARGO) build --locked -p rcni-tests --bin rcni-lab
	RCNI_BIN_DIR="$(DIST)" "$(TARGET_DIR)/debug/rcni-lab" demo $(if $(KEEP),--keep)

demo-down: ## remove what `make demo KEEP=1` left
	@$(need_root)
	$(CARGO) build -q --locked -p rcni-tests --bin rcni-lab
	"$(TARGET_DIR)/debug/rcni-lab" demo-down

test: packages-test ## all tests (as root: they make network namespaces)
	@$(need_root)
	$(CARGO) build --locked --workspace --bins
	export RCNI_BIN_DIR="$$(cd "$(TARGET_DIR)/debug" && pwd)"
	"$$RCNI_BIN_DIR/rcni-lab" peers
	if $(CARGO) nextest --version >/dev/null 2>&1; then
		$(CARGO) nextest run --locked --workspace --all-features $(if $(CI),--profile ci)
	else
		$(CARGO) test --locked --workspace --all-features --no-fail-fast
	fi

test-long: packages-test ## newer routers (Debian's trixie and sid), and BFD under load for minutes
	@$(need_root)
	$(CARGO) build --locked --workspace --bins
	export RCNI_BIN_DIR="$$(cd "$(TARGET_DIR)/debug" && pwd)"
	# The default trees too: a node that stands behind the router uses one.
	"$$RCNI_BIN_DIR/rcni-lab" peers
	for tree in trixie sid; do "$$RCNI_BIN_DIR/rcni-lab" peers --tree $$tree; done
	# Three times 50 ms while 100,000 routes come and go.
	RCNI_BFD_ROUTES=100000 RCNI_BFD_SECONDS=120 $(CARGO) test --locked -p rcni-bgp --test bfd load
	if $(CARGO) nextest --version >/dev/null 2>&1; then
		$(CARGO) nextest run --locked --workspace --all-features --test routers_long $(if $(CI),--profile ci)
	else
		$(CARGO) test --locked --workspace --all-features --no-fail-fast --test routers_long
	fi

lint: ## rustfmt, clippy, dependencies, arrows between crates
	@$(call install,$(PACKAGES_BUILD))
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	[ -x "$(CACHE)/tools/bin/cargo-deny" ] || $(CARGO) install -q --locked --root "$(CACHE)/tools" cargo-deny
	"$(CACHE)/tools/bin/cargo-deny" --all-features --config .deny.toml --log-level error check bans licenses sources
	.ci/lint

bench: packages-test build ## rcni beside BIRD, FRR, ptp and the kernel (WRITE=1: tables into README.md; BENCH=fib: one group)
	@$(need_root)
	$(CARGO) build --locked --profile tools -p rcni-tests --bins
	export RCNI_BIN_DIR="$$(cd $(DIST) && pwd)"
	"$(TARGET_DIR)/tools/rcni-lab" peers
	"$(TARGET_DIR)/tools/rcni-bench" $(BENCH) $(if $(WRITE),--write README.md)

bench-quick: BENCH := --quick
bench-quick: bench ## the same with small numbers: does it still work?

bench-long: packages-test build ## packets lost when something fails, beside BIRD (10 repetitions; goes on where it was interrupted)
	@$(need_root)
	$(CARGO) build --locked --profile tools -p rcni-tests --bins
	export RCNI_BIN_DIR="$$(cd $(DIST) && pwd)"
	"$(TARGET_DIR)/tools/rcni-lab" peers
	# What is kept there is of these programs: another version begins anew.
	kept="$(TARGET_DIR)/failover-$$(sha256sum $(DIST)/* | sha256sum | cut -c1-12).jsonl"
	"$(TARGET_DIR)/tools/rcni-bench" failover --repeat $(or $(REPEAT),10) --resume "$$kept" --plot "$(if $(WRITE),tests/topologies/failover/failover.svg,$(TARGET_DIR)/failover.svg)" $(if $(WRITE),--write README.md)

bench-codec: ## what the codec and the decision cost, in this machine's time
	$(CARGO) bench --locked -p rcni-bgp-proto $(if $(LONG),-- --sample-size 1000 --measurement-time 60)

fuzz: ## every fuzz target, FUZZ_RUNS runs each, on the nightly toolchain
	@$(call install,$(PACKAGES_BUILD) $(PACKAGES_FUZZ))
	[ -x "$(CACHE)/tools/bin/cargo-fuzz" ] || $(CARGO) install -q --locked --root "$(CACHE)/tools" cargo-fuzz
	export PATH="$(CACHE)/tools/bin:$$PATH"
	cargo="$$PWD/$(CARGO)"
	top=$$PWD
	for crate in bgp/proto config; do
		cd "$$top/$$crate"
		for target in $$("$$cargo" +nightly fuzz list); do
			# One run of these is a hundred times the work of a message.
			case $$target in speaker|configuration) runs=$$(( $(FUZZ_RUNS) / 20 ));; *) runs=$(FUZZ_RUNS);; esac
			echo "fuzz $$target, $$runs runs"
			# Seeds are read from the checked-in corpus and findings go elsewhere, so that a run leaves no trace.
			work=$$(mktemp -d); cp -r "fuzz/corpus/$$target/." "$$work"
			"$$cargo" +nightly fuzz run "$$target" "$$work" -- -runs=$$runs -seed=1 -max_len=8192 -verbosity=0
			rm -rf "$$work"
		done
	done

clean: ## what the build left
	$(CARGO) clean
