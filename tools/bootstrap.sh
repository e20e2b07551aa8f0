#!/usr/bin/env bash
# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes .venv, which runs the sessions, with a Python from 3.10 on that has pip, or else the module venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for name in python3.13 python3.12 python3.11 python3.10 python3; do
    python=$(command -v "$name") && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && break
    python=
done
if [ -z "$python" ] || ! command -v git >/dev/null; then
    echo "bootstrap: git or Python 3.10 is missing; on Debian and Ubuntu: apt-get install git python3 python3-pip" >&2
    exit 1
fi
rm -rf .venv .cache/bootstrap
pip=("$python" -m pip)
if ! "${pip[@]}" --version >/dev/null 2>&1; then
    "$python" -m venv .cache/bootstrap
    pip=(.cache/bootstrap/bin/python -m pip)
fi
export PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
uv=$(sed -n 's/^required-version = "\(.*\)"$/\1/p' pyproject.toml)
"${pip[@]}" install --quiet --target .cache/bootstrap/uv "uv$uv"
# Debian's Python makes an environment without the package python3-venv, only pip has to come from outside.
"$python" -m venv --without-pip .venv
.cache/bootstrap/uv/bin/uv export --quiet --frozen --no-header --only-group nox --output-file .venv/locked.txt
"${pip[@]}" --python .venv/bin/python install --quiet --require-hashes --requirement .venv/locked.txt
touch .venv/.ready
