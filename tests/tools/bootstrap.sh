#!/usr/bin/env bash
# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes .venv, which holds the runner of the test sessions. Needs Python 3.10 or newer with pip, nothing else.
# usage: bootstrap.sh [PYTHON]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

LOCK=tests/requirements/locks/bootstrap.txt
CHECK='import sys, venv; sys.exit(sys.version_info < (3, 10))'

fail() {
    echo "bootstrap: $*" >&2
    exit 1
}

find_python() {
    local name
    for name in "$@" python3.13 python3.12 python3.11 python3.10 python3.14 python3; do
        if [ -n "$name" ] && "$name" -c "$CHECK" >/dev/null 2>&1; then
            # By its path: "pip --python" knows no names.
            command -v "$name"
            return 0
        fi
    done
    return 1
}

command -v git >/dev/null || fail "git is missing; on Debian and Ubuntu: apt-get install git"
python=$(find_python "${1:-}") ||
    fail "no Python 3.10 or newer with its venv module was found; on Debian and Ubuntu: apt-get install python3 python3-venv"

echo "bootstrap: making .venv with $("$python" --version) ($python)"
rm -rf .venv
if "$python" -c 'import ensurepip' >/dev/null 2>&1; then
    "$python" -m venv .venv
    pip=(.venv/bin/python -m pip)
elif "$python" -m pip --python "$python" --version >/dev/null 2>&1; then
    # Debian's Python without python3-venv: an environment can be made, only pip has to come from outside.
    "$python" -m venv --without-pip .venv
    pip=("$python" -m pip --python .venv/bin/python)
else
    fail "$python can make no environment with pip; on Debian and Ubuntu: apt-get install python3-venv"
fi
"${pip[@]}" install --quiet --disable-pip-version-check --require-hashes --requirement "$LOCK" ||
    fail "pip could not install $LOCK; its message is above"
touch .venv/.ready
