# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Failures of a call, by the effect that it may have had."""

from __future__ import annotations

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, TransportError


def failure(effect: Effect, *, retryable: bool = True) -> TransportError:
    return TransportError(f"it failed: {effect.name}", endpoint="/order", effect=effect, retryable=retryable)


LOST, REJECTED = failure(Effect.UNKNOWN), failure(Effect.REJECTED)
IN_FLIGHT = failure(Effect.IN_FLIGHT)
