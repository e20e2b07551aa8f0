# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels: forward proxies whose client chooses the exit by its user name, behind its password, or
by headers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .access import ProxyAccess, ProxyRequest, Reason, Refused

LABEL_HEADER = "proxy-tunnelid"
TTL_HEADER = "proxy-ttl"
TUNNEL_HEADERS = (LABEL_HEADER, TTL_HEADER)
VALUES = {
    "A": re.compile(r"[A-Za-z]{2}|[0-9]{6}"),
    "T": re.compile(r"[1-9][0-9]{0,5}"),
    "S": re.compile(r"[A-Za-z0-9_.-]{1,64}"),
}
"""Allowed values by option: area, seconds, and label. In a user name, a hyphen separates: no label
there has one.
"""
AREA_OR_SECONDS = re.compile(f"A({VALUES['A'].pattern})|T{VALUES['T'].pattern}")
PASSWORD_CODES = {"A": "A", "T": "T", "C": "S"}
"""Options by their codes behind the password."""


@dataclass(frozen=True)
class ExitOptions:
    """What a client asks of its exit."""

    area: str | None = None
    ttl: float | None = None
    label: str | None = None


def _valid(options: Mapping[str, str], text: str, is_complete: bool = True) -> Mapping[str, str]:
    """Return the options, or refuse the text that contains them, and maybe more."""
    for name, value in options.items():
        if name not in VALUES or not VALUES[name].fullmatch(value):
            is_complete = False
    if not is_complete:
        raise Refused(Reason.BAD_OPTIONS, f"malformed tunnel options {text!r}")
    return options


def parse_user(user: str, key: str) -> Mapping[str, str]:
    """Return the options in a user name: ``KEY-A-440100-T-60-S-label``, in any order."""
    text = user.removeprefix(key)
    parts = text.split("-")[1:]
    options = dict(zip(parts[::2], parts[1::2], strict=False))
    return _valid(options, text, len(parts) == 2 * len(options))


def split_password(text: str, password: str) -> tuple[str, str | None]:
    """Return the password that a client sent and the text of the options behind it, or None if it
    sent no options.
    """
    sent, colon, options = text.partition(":")
    if text == password or text.startswith(f"{password}:"):
        # A password can have a colon itself.
        sent = password
        _nothing, colon, options = text.removeprefix(password).partition(":")
    if not colon:
        return sent, None
    return sent, options


def parse_password_options(text: str) -> Mapping[str, str]:
    """Return options from behind a password.

    They are codes (``Cchannel-1:T60:A990100``, in any order), or a label and seconds
    (``channel-1:60``).
    """
    parts = text.split(":")
    if (
        len(parts) == 2
        and VALUES["T"].fullmatch(parts[1])
        and not AREA_OR_SECONDS.fullmatch(parts[0])
    ):
        # A label can begin like the code of a label. The meaning of another code before bare
        # seconds is unknown.
        return _valid({"S": parts[0], "T": parts[1]}, text)
    options = {PASSWORD_CODES.get(part[:1], ""): part[1:] for part in parts}
    return _valid(options, text, len(parts) == len(options))


def parse_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    options = {}
    shown = []
    for option, name in (("S", LABEL_HEADER), ("T", TTL_HEADER)):
        if name in headers:
            options[option] = headers[name].strip()
            shown.append(f"{name}: {options[option]}")
    return _valid(options, ", ".join(shown))


class TunnelProxyAccess(ProxyAccess):
    """Access to the tunnel of one key."""

    def authorizes(self, request: ProxyRequest) -> bool:
        name = self.key.key
        if request.user is None:
            return self._authorizes(request, None)
        if request.user != name and not request.user.startswith(f"{name}-"):
            return False
        password = split_password(request.password, self.key.pwd)[0]
        return self._authorizes(replace(request, password=password), name)

    def _exit(self, request: ProxyRequest) -> str:
        if self.key.tunnel is None:
            raise Refused(Reason.NOT_AUTHORIZED)
        return self.key.tunnel.exit_address(self._clock.now(), self._options(request))

    def _options(self, request: ProxyRequest) -> ExitOptions:
        """Return the options of a request.

        If several forms contain the same option, that of the user name counts, then that of the
        password.
        """
        options = dict(parse_headers(request.headers))
        behind_password = split_password(request.password, self.key.pwd)[1]
        if behind_password is not None:
            options |= parse_password_options(behind_password)
        if request.user is not None:
            options |= parse_user(request.user, self.key.key)
        ttl = None
        if "T" in options:
            ttl = float(options["T"])
        return ExitOptions(options.get("A", "").upper() or None, ttl, options.get("S"))
