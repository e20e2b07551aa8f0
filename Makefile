# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Thin: every target is a session of noxfile.py. ARGS passes arguments on: make unit ARGS="tests/unit -k pacing"

RUN := .venv/bin/python tests/tools/run.py
ifdef ARGS
REST := -- $(ARGS)
endif

CHOSEN := $(CORE:%=--core %)

.DEFAULT_GOAL := help
.PHONY: help test test-all test-rest lint antsibull unit machines fuzz mutation planted sanity units integration eda coverage molecule systemd simulator cluster demo release locks clean

help: ## show this list
	@grep -hE "^[a-z-]+:.*## " $(MAKEFILE_LIST) | sed -E "s/^([a-z-]+):.*## (.*)/make \1|\2/" | while IFS="|" read -r name text; do printf "%-20s %s\n" "$$name" "$$text"; done

.venv/.ready: tests/requirements/locks/bootstrap.txt tests/tools/bootstrap.sh
	@tests/tools/bootstrap.sh $(PYTHON)

test: .venv/.ready ## what each change must pass, in minutes: lint, sanity, unit, integration and a scenario of the role, on the newest ansible-core
	@QG_TESTS=quick $(RUN) test

test-all: .venv/.ready ## what CI and a release run: test, measured, and then test-rest
	@QG_MEASURE=1 QG_TESTS=quick $(RUN) test
	@QG_TESTS=thorough $(RUN) rest

test-rest: .venv/.ready ## what test-all runs after test: the oldest ansible-core, the archive, all scenarios, documents, thorough tests
	@QG_TESTS=thorough $(RUN) rest

lint: .venv/.ready ## style, types, changelog, licences (ARGS="ruff mypy": these alone)
	@$(RUN) lint $(REST)

antsibull: .venv/.ready ## antsibull-nox: references in documents, action group, unwanted files, whitespace (ARGS=docs-check: this session alone)
	@$(RUN) antsibull $(REST)

unit: .venv/.ready ## unit tests on the newest and the oldest ansible-core
	@$(RUN) unit $(REST)

machines: .venv/.ready ## the state machines for leases, resources, whitelist and prune, with all steps
	@$(RUN) machines $(REST)

fuzz: .venv/.ready ## 100,000 inputs for every reader of foreign text (ARGS="--hypothesis-seed=7" repeats a run)
	@$(RUN) fuzz $(REST)

mutation: .venv/.ready ## whether the unit tests notice changes of the pure parts; below 90 % it fails (ARGS="--help" lists its options)
	@$(RUN) mutation $(REST)

planted: .venv/.ready ## whether the unit tests find bugs that are planted one at a time (ARGS="lock": only these)
	@$(RUN) planted $(REST)

sanity: .venv/.ready ## ansible-test sanity of the checkout on the newest ansible-core, and of the archive on the oldest (CORE=2.18: on this one)
	@$(RUN) sanity $(CHOSEN) $(REST)

units: .venv/.ready ## ansible-test units on the newest and the oldest ansible-core (CORE=2.18: on this one)
	@$(RUN) units $(CHOSEN) $(REST)

integration: .venv/.ready ## playbooks over HTTP against the simulator
	@$(RUN) integration $(REST)

eda: .venv/.ready ## the event source and the rulebooks under ansible-rulebook (needs Java)
	@$(RUN) eda $(REST)

coverage: .venv/.ready ## share of plugins/ that the last unit and integration runs have gone through
	@$(RUN) coverage

molecule: .venv/.ready ## the role on hosts reached by SSH (root, or user namespaces)
	@$(RUN) molecule $(REST)

systemd: .venv/.ready ## the role proxy_gateway on a Debian with systemd: service, timer, a crawl of 150 s, removal (root and a Debian mirror)
	@$(RUN) systemd

simulator: .venv/.ready ## the simulator of the vendor in the foreground (ARGS="--help" lists its options)
	@$(RUN) simulator $(REST)

cluster: .venv/.ready ## PostgreSQL in the foreground, for QG_STATE_URL (ARGS="--help" lists its options)
	@$(RUN) cluster $(REST)

demo: .venv/.ready ## the whole story on this machine, against the simulator (ARGS=leases: with leased proxies; ARGS=gateway: crawlers behind gateways)
	@$(RUN) demo $(REST)

release: .venv/.ready ## VERSION=x.y.z: version, changelog, commit, tag and archive
	@$(RUN) release -- $(VERSION)

locks: .venv/.ready ## the newest versions of all tools, with hashes (ARGS=--keep: only what fits no longer)
	@$(RUN) locks $(REST)

clean: ## remove all that the other targets have made
	rm -rf .venv .nox .cache dist .ansible tests/output
