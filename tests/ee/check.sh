#!/usr/bin/env bash
# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Build the execution environment with the archive of this checkout, and use the collection in it: ee_check of the
# certification. Needs a container engine and its registries. Arguments are those of "ansible-builder build", such as
# --build-arg=EE_BASE_IMAGE=localhost/image for a machine that reaches no registry.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python tests/tools/reproducible.py .cache/ee
cp .cache/ee/*.tar.gz extensions/execution_environment/qingguo-qgnet.tar.gz
engine=$(command -v podman || command -v docker) || {
    echo "ee: podman or docker is not on PATH" >&2
    exit 1
}
engine=$(basename "$engine")
ansible-builder build --container-runtime="$engine" --tag=qgnet-ee:check --context=.cache/ee/context \
    --file=extensions/execution_environment/execution-environment.yml "$@"
"$engine" run --rm --network=none qgnet-ee:check ansible-doc --type=module qingguo.qgnet.qg_whitelist
# Nobody listens there, so the module fails, with a message of its own.
said=$("$engine" run --rm --network=none qgnet-ee:check ansible localhost -m qingguo.qgnet.qg_quota_info \
    -a "key=QGDEMO01 product=classic api_url=http://127.0.0.1:1 retries=0") || true
grep "no usable response from 127.0.0.1:1: connection refused" <<<"$said" || {
    echo "ee: the module does not run: $said" >&2
    exit 1
}
