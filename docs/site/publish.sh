#!/usr/bin/env bash
# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Add the built site to the branch gh-pages of a repository, as the folder of its version; what was there of other
# versions stays. The first page leads to the newest release, or to main before the first one.
#
# usage: publish.sh REPOSITORY VERSION
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
repository=$1 version=$2 site=.cache/docs/html
pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
git clone --quiet --depth=1 --branch=gh-pages "$repository" "$pages" 2>/dev/null || {
    git init --quiet --initial-branch=gh-pages "$pages"
    git -C "$pages" remote add origin "$repository"
}
rm -rf "${pages:?}/$version"
cp -R "$site" "$pages/$version"
touch "$pages/.nojekyll" # else folders whose names begin with an underscore are not served
releases=$(find "$pages" -maxdepth 1 -type d -name "[0-9]*.[0-9]*.[0-9]*" -printf "%f\n" | sort --version-sort)
newest=$(tail --lines=1 <<<"${releases:-main}")
printf '<!doctype html><meta http-equiv="refresh" content="0; url=%s/"><a href="%s/">%s</a>\n' \
    "$newest" "$newest" "$newest" >"$pages/index.html"
git -C "$pages" add --all
git -C "$pages" -c user.name=documentation -c user.email=noreply@github.com commit --quiet --allow-empty \
    --message "Publish the documentation of $version"
git -C "$pages" push --quiet origin gh-pages
