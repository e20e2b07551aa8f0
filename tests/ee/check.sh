#!/usr/bin/env bash
# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Build the execution environment with the archive of this checkout, and use the collection in it: ee_check of the
# certification. Needs a container engine and its registries.
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
    --file=extensions/execution_environment/execution-environment.yml
"$engine" run --rm qgnet-ee:check ansible-doc --type=module qingguo.qgnet.qg_whitelist
"$engine" run --rm qgnet-ee:check ansible localhost -m qingguo.qgnet.qg_quota_info -a "key=X api_url=http://127.0.0.1:1" |
    tee /dev/stderr | grep "127.0.0.1"
