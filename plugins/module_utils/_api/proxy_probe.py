# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests of a URL through proxies, which show whether these work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import QgError, TransportError
from .proxies import AUTHENTICATION_REQUIRED
from .transport import Transport

#: The maximum number of simultaneous requests.
_PARALLEL = 20


@dataclass(frozen=True)
class ProxyProbe:
    """Requests ``url`` through proxies. ``tls`` are the options of a transport for the certificates."""

    url: str
    timeout: float
    tls: Mapping[str, Any] = field(default_factory=dict)

    def failures(self, proxies: Mapping[str, str], pause: Callable[[], None]) -> dict[str, str]:
        """Return why the proxies that do not work fail; ``proxies`` are their URLs by the names to return.

        Without a response, the request is repeated after a ``pause``, since a new proxy may need a moment. Raises
        QgError if all of them refuse this machine, which says nothing about them.
        """
        found = self._answers(proxies)
        silent = {name: proxies[name] for name, answer in found.items() if isinstance(answer, str)}
        if silent:
            pause()
            found |= self._answers(silent)
        if found and set(found.values()) == {AUTHENTICATION_REQUIRED}:
            raise QgError(
                f"{'All proxies refuse' if len(found) > 1 else 'The proxy refuses'} this control node (HTTP status "
                f"{AUTHENTICATION_REQUIRED}), so verify_url shows nothing: add its address to the whitelist with "
                "qg_egress_whitelist, or give password, the password that the proxies take together with the key."
            )
        reasons = {name: _reason(answer) for name, answer in found.items()}
        return {name: reason for name, reason in reasons.items() if reason}

    def _answers(self, proxies: Mapping[str, str]) -> dict[str, int | str]:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            return dict(zip(proxies, pool.map(self._answer, proxies.values()), strict=True))

    def _answer(self, proxy: str) -> int | str:
        """Return the status of the response through a proxy, or why there is none."""
        transport = Transport(timeout=self.timeout, proxy=proxy, url_option="verify_url", **self.tls)
        try:
            return transport.send("GET", self.url, {}, "verify_url").status
        except TransportError as error:
            status = error.details.get("http_status")
            return int(status) if status else error.message.rpartition(": ")[2].rstrip(".")


def _reason(answer: int | str) -> str:
    """Return why a proxy fails; empty if it works. A redirect is a response of the site, so it works."""
    if isinstance(answer, str):
        return answer
    return f"HTTP status {answer}" if answer >= 400 else ""
