# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels: forward proxies whose client chooses the exit by its user name, behind its password, or by headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from ..clock import Clock
from ..network import Network
from .access import KeyLookup, ProxyAccess, ProxyRequest

LABEL_HEADER, TTL_HEADER = "proxy-tunnelid", "proxy-ttl"
TUNNEL_HEADERS = (LABEL_HEADER, TTL_HEADER)
VALUES = {
    "A": re.compile(r"[A-Za-z]{2}|[0-9]{6}"),
    "T": re.compile(r"[1-9][0-9]{0,5}"),
    "S": re.compile(r"[A-Za-z0-9_.-]{1,64}"),
}
"""Allowed values by option: area, seconds, and label. In a user name, a hyphen separates: no label there has one."""
PASSWORD_CODES = {"A": "A", "T": "T", "C": "S"}
"""Options by their codes behind the password."""


@dataclass(frozen=True)
class ExitOptions:
    """What a client asks of its exit."""

    area: str | None = None
    ttl: float | None = None
    label: str | None = None


class TunnelExits(Protocol):
    """The part of a tunnel that chooses exits."""

    def exit_address(self, now: float, options: ExitOptions) -> str:
        """Return the exit address for a request; raises ``NoExitError`` if there is none."""


TunnelLookup = Callable[[str], TunnelExits | None]


def parse_user(user: str, key: str) -> Mapping[str, str] | None:
    """Return the options in a user name (``KEY-A-440100-T-60-S-label``, in any order); None if it has another form."""
    if user == key:
        return {}
    if not user.startswith(f"{key}-"):
        return None
    parts = user.removeprefix(f"{key}-").split("-")
    options = dict(zip(parts[::2], parts[1::2], strict=False))
    if len(parts) != 2 * len(options):
        return None
    return options if _are_valid(options) else None


def _are_valid(options: Mapping[str, str]) -> bool:
    return all(name in VALUES and VALUES[name].fullmatch(value) for name, value in options.items())


def split_password(text: str, password: str) -> tuple[str, str | None]:
    """Return the password that a client sent and the text of the options behind it, or None if it sent no options."""
    own, colon, options = text.partition(":")
    if text == password or text.startswith(f"{password}:"):
        own, colon, options = password, text[len(password) :][:1], text[len(password) + 1 :]
    return own, options if colon else None


def parse_password_options(text: str) -> Mapping[str, str] | None:
    """Return options from behind a password; None if they have another form.

    They are codes (``Cchannel-1:T60:A990100``, in any order), or a label and seconds (``channel-1:60``).
    """
    parts = text.split(":")
    codes = [(PASSWORD_CODES.get(part[:1], ""), part[1:]) for part in parts]
    options = dict(codes)
    if len(options) == len(parts) and _are_valid(options):
        return options
    # A label can begin like the code of a label. The meaning of another code before bare seconds is unknown.
    if len(parts) != 2 or (codes[0][0] in ("A", "T") and _are_valid(dict(codes[:1]))):
        return None
    options = {"S": parts[0], "T": parts[1]}
    return options if _are_valid(options) else None


def parse_headers(headers: Mapping[str, str]) -> Mapping[str, str] | None:
    names = {"S": LABEL_HEADER, "T": TTL_HEADER}
    options = {option: headers[name].strip() for option, name in names.items() if name in headers}
    return options if _are_valid(options) else None


class TunnelProxyAccess(ProxyAccess):
    """Access to the tunnel of one key."""

    def __init__(
        self, network: Network, clock: Clock, find_key: KeyLookup, key: str, find_tunnel: TunnelLookup
    ) -> None:
        super().__init__(network, clock, find_key, key)
        self._find_tunnel = find_tunnel

    def authorizes(self, request: ProxyRequest) -> bool:
        key = self._find_key(self._key)
        if key is None or self._options(request, key.pwd) is None:
            return False
        request = replace(request, password=split_password(request.password, key.pwd)[0])
        return self._authorizes(key, request, None if request.user is None else key.key)

    def exit_for(self, request: ProxyRequest) -> str | None:
        key, tunnel = self._find_key(self._key), self._find_tunnel(self._key)
        options = None if key is None else self._options(request, key.pwd)
        if options is None or tunnel is None or not self.authorizes(request):
            return None
        return tunnel.exit_address(self._clock.now(), options)

    def _options(self, request: ProxyRequest, password: str) -> ExitOptions | None:
        """Return the options of a request; None if some have a wrong form.

        If several forms contain the same option, that of the user name counts, then that of the password.
        """
        behind_password = split_password(request.password, password)[1]
        forms = (
            parse_headers(request.headers),
            {} if behind_password is None else parse_password_options(behind_password),
            {} if request.user is None else parse_user(request.user, self._key),
        )
        options: dict[str, str] = {}
        for form in forms:
            if form is None:
                return None
            options |= form
        area, seconds = options.get("A"), options.get("T")
        return ExitOptions(
            None if area is None else area.upper(), None if seconds is None else float(seconds), options.get("S")
        )
