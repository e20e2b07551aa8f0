# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels: forward proxies whose client chooses the exit by its user name, behind its password, or by headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .access import OptionError, ProxyAccess, ProxyRequest

LABEL_HEADER, TTL_HEADER = "proxy-tunnelid", "proxy-ttl"
TUNNEL_HEADERS = (LABEL_HEADER, TTL_HEADER)
VALUES = {
    "A": re.compile(r"[A-Za-z]{2}|[0-9]{6}"),
    "T": re.compile(r"[1-9][0-9]{0,5}"),
    "S": re.compile(r"[A-Za-z0-9_.-]{1,64}"),
}
"""Allowed values by option: area, seconds, and label. In a user name, a hyphen separates: no label there has one."""
AREA_OR_SECONDS = re.compile(f"A({VALUES['A'].pattern})|T{VALUES['T'].pattern}")
PASSWORD_CODES = {"A": "A", "T": "T", "C": "S"}
"""Options by their codes behind the password."""


@dataclass(frozen=True)
class ExitOptions:
    """What a client asks of its exit."""

    area: str | None = None
    ttl: float | None = None
    label: str | None = None


def _valid(options: Mapping[str, str], text: str) -> Mapping[str, str]:
    """Return the options, or refuse the text that contains them."""
    if all(name in VALUES and VALUES[name].fullmatch(value) for name, value in options.items()):
        return options
    raise OptionError(f"malformed tunnel options {text!r}")


def parse_user(user: str, key: str) -> Mapping[str, str]:
    """Return the options in a user name: ``KEY-A-440100-T-60-S-label``, in any order."""
    text = user.removeprefix(key)
    parts = text.split("-")[1:]
    options = dict(zip(parts[::2], parts[1::2], strict=False))
    return _valid(options if len(parts) == 2 * len(options) else {"": ""}, text)


def split_password(text: str, password: str) -> tuple[str, str | None]:
    """Return the password that a client sent and the text of the options behind it, or None if it sent no options."""
    own, colon, options = text.partition(":")
    if text == password or text.startswith(f"{password}:"):
        own, colon, options = password, text[len(password) :][:1], text[len(password) + 1 :]
    return own, options if colon else None


def parse_password_options(text: str) -> Mapping[str, str]:
    """Return options from behind a password.

    They are codes (``Cchannel-1:T60:A990100``, in any order), or a label and seconds (``channel-1:60``).
    """
    parts = text.split(":")
    if len(parts) == 2 and VALUES["T"].fullmatch(parts[1]) and not AREA_OR_SECONDS.fullmatch(parts[0]):
        # A label can begin like the code of a label. The meaning of another code before bare seconds is unknown.
        return _valid({"S": parts[0], "T": parts[1]}, text)
    options = {PASSWORD_CODES.get(part[:1], ""): part[1:] for part in parts}
    return _valid(options if len(options) == len(parts) else {"": ""}, text)


def parse_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    names = {"S": LABEL_HEADER, "T": TTL_HEADER}
    options = {option: headers[name].strip() for option, name in names.items() if name in headers}
    return _valid(options, ", ".join(f"{names[option]}: {value}" for option, value in options.items()))


class TunnelProxyAccess(ProxyAccess):
    """Access to the tunnel of one key."""

    def authorizes(self, request: ProxyRequest) -> bool:
        key, user = self._find_key(self._key), request.user
        if key is None or (user != key.key and user is not None and not user.startswith(f"{key.key}-")):
            return False
        request = replace(request, password=split_password(request.password, key.pwd)[0])
        return self._authorizes(key, request, None if user is None else key.key)

    def exit_for(self, request: ProxyRequest) -> str | None:
        key = self._find_key(self._key)
        if key is None or key.tunnel is None or not self.authorizes(request):
            return None
        return key.tunnel.exit_address(self._clock.now(), self._options(request, key.pwd))

    def _options(self, request: ProxyRequest, password: str) -> ExitOptions:
        """Return the options of a request.

        If several forms contain the same option, that of the user name counts, then that of the password.
        """
        behind_password = split_password(request.password, password)[1]
        options = {
            **parse_headers(request.headers),
            **({} if behind_password is None else parse_password_options(behind_password)),
            **({} if request.user is None else parse_user(request.user, self._key)),
        }
        area, seconds = options.get("A"), options.get("T")
        return ExitOptions(
            None if area is None else area.upper(), None if seconds is None else float(seconds), options.get("S")
        )
