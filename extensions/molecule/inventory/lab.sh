#!/usr/bin/env bash
# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The hosts of the lab that the scenario "default" makes; none before it has run.
QGNET_LAB_NAME=molecule exec "$(dirname -- "${BASH_SOURCE[0]}")/../../../tools/lab/lab.sh" inventory
