# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every target is a session of noxfile.py. ARGS passes arguments on: make unit ARGS="tests/unit -k pacing"

NOX := .venv/bin/nox
REST := $(if $(ARGS),-- $(ARGS))

.DEFAULT_GOAL := help
.PHONY: help test test-all _tests _checks lint unit integration molecule docs demo simulator release clean

help:
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.venv/.ready: uv.lock tools/bootstrap.sh
	@tools/bootstrap.sh

# Two lanes, since one core waits for half of its time; the output of the second is shown when it has ended.
test: .venv/.ready ## what each change must pass, on the newest ansible-core
	@$(MAKE) --no-print-directory -j2 _tests _checks

test-all: export QGNET_ALL = 1
test-all: test ## what CI runs: also slow tests, coverage, the oldest ansible-core, all scenarios, documents, the archive

_tests:
	@$(NOX) -s "unit(2.21)" "integration(2.21)" $(if $(QGNET_ALL),"unit(2.16)" "integration(2.16)" coverage)

_checks:
	@$(NOX) -s "sanity(2.21)" molecule lint $(if $(QGNET_ALL),eda "sanity(2.16)" docs docs-check license-check extra-checks build-import-check) >.cache/checks.log 2>&1; code=$$?; cat .cache/checks.log; exit $$code

lint: .venv/.ready ## style, types, changelog, licenses (ARGS="ruff mypy": these alone)
	@$(NOX) -s lint $(REST)

unit: .venv/.ready ## unit tests on the newest and the oldest ansible-core
	@$(NOX) -s "unit(2.21)" "unit(2.16)" $(REST)

integration: .venv/.ready ## playbooks over HTTP against the simulator, on the newest and the oldest ansible-core
	@$(NOX) -s "integration(2.21)" "integration(2.16)" $(REST)

molecule: .venv/.ready ## a scenario of the role on hosts reached by SSH (root, or user namespaces; ARGS="--all")
	@$(NOX) -s molecule $(REST)

docs: .venv/.ready ## the site of the documentation, in .cache/docs/build/html
	@$(NOX) -s docs

demo: .venv/.ready ## the whole story on this machine, against the simulator (ARGS=gateway: crawlers behind gateways)
	@$(NOX) -s demo $(REST)

simulator: .venv/.ready ## the simulator of QG.net in the foreground (ARGS="--help" lists its options)
	@$(NOX) -s simulator $(REST)

release: .venv/.ready ## VERSION=x.y.z: version, changelog, commit and tag, and the archive in dist/
	@$(NOX) -s release -- $(VERSION)

clean:
	rm -rf .venv .nox .cache dist .ansible tests/output
