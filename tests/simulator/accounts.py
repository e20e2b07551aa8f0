# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State per key, and the picture of the network that the vendor sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from . import codes

STATUS_CODES: dict[str, int] = {
    "ok": codes.OK,
    "blocked": codes.KEY_BLOCKED,
    "unauthorised": codes.SOURCE_NOT_AUTHORISED,
    "no_permission": codes.NO_PERMISSION,
    "expired": codes.NO_PLAN,
}

OPTION_CHOICES: dict[str, tuple[str, ...]] = {
    "overflow": ("refuse", "partial"),
    "bound": ("refuse", "partial"),
    "present_add": ("ok", "zero", "full"),
    "absent_del": ("zero", "error"),
    "empty_data": ("list", "null", "absent"),
    "numbers": ("int", "string"),
    "post": ("ok", "refuse", "ignore_body"),
}


class Invalid(ValueError):
    """A control call asks for something that does not exist."""


@dataclass
class Options:
    """How the vendor behaves for one key where its documents leave a choice."""

    overflow: str = "refuse"
    bound: str = "refuse"
    present_add: str = "ok"
    absent_del: str = "zero"
    empty_data: str = "list"
    numbers: str = "int"
    msg: bool = True
    error_status: int = 200
    post: str = "ok"

    def change(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self._check(name, value)
        for name, value in values.items():
            setattr(self, name, value)

    @staticmethod
    def _check(name: str, value: object) -> None:
        known = [item.name for item in fields(Options)]
        if name not in known:
            raise Invalid(f"unknown option {name!r}, known: {', '.join(known)}")
        choices = OPTION_CHOICES.get(name)
        if choices is not None and value not in choices:
            raise Invalid(f"option {name}: {value!r} is none of {', '.join(choices)}")
        if name == "msg" and not isinstance(value, bool):
            raise Invalid("option msg: true or false expected")
        if name == "error_status" and (isinstance(value, bool) or not isinstance(value, int) or not 200 <= value < 600):
            raise Invalid("option error_status: an HTTP status from 200 to 599 expected")


@dataclass
class Account:
    """One key."""

    key: str
    whitelist: list[str] = field(default_factory=list)
    capacity: int = 256
    channels: int = 5
    used: int = 0
    pwd: str | None = None
    status: str = "ok"
    options: Options = field(default_factory=Options)
    exit: str = "198.51.100.1"
    proxy_url: str | None = None

    def change(self, values: Mapping[str, Any]) -> None:
        """Apply the fields of a control call; nothing is changed when one of them is wrong."""
        for name, value in values.items():
            self._check(name, value)
        self.options.change(values.get("options", {}))
        for name, value in values.items():
            if name == "whitelist":
                self.whitelist = list(dict.fromkeys(value))
            elif name != "options":
                setattr(self, name, value)

    @staticmethod
    def _check(name: str, value: object) -> None:
        problem: str | None = None
        if name == "whitelist":
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                problem = "a list of addresses expected"
        elif name in ("capacity", "channels", "used"):
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                problem = "a number from 0 expected"
        elif name == "pwd":
            if value is not None and not isinstance(value, str):
                problem = "text or null expected"
        elif name == "status":
            if value not in STATUS_CODES:
                problem = f"one of {', '.join(STATUS_CODES)} expected"
        elif name == "exit":
            if not isinstance(value, str) or not value:
                problem = "an address expected"
        elif name == "options":
            if not isinstance(value, dict):
                problem = "an object expected"
        else:
            problem = "no such field"
        if problem is not None:
            raise Invalid(f"{name}: {problem}")

    def describe(self) -> dict[str, Any]:
        description = asdict(self)
        del description["key"]
        return description


class Vendor:
    """All keys, and the map from a caller's source address to its public one."""

    def __init__(self, keys: Iterable[str], public: Mapping[str, str]) -> None:
        self._first_keys = list(keys)
        self._first_map = dict(public)
        self.accounts: dict[str, Account] = {}
        self.map: dict[str, str] = {}
        self.first_proxies: dict[str, str] = {}
        """URL of each forward proxy that was there from the start, by key."""
        self.through_proxy: dict[tuple[str, int], str] = {}
        """Local end of each connection that a forward proxy holds, and the proxy's key."""
        self.reset()

    def reset(self) -> None:
        self.accounts = {name: Account(name, proxy_url=self.first_proxies.get(name)) for name in self._first_keys}
        self.map = dict(self._first_map)

    def account(self, name: str) -> Account:
        """The account for a control call, made when it is new."""
        return self.accounts.setdefault(name, Account(name))

    def owner(self, address: str) -> Account | None:
        """The account that has this address on its whitelist."""
        for account in self.accounts.values():
            if address in account.whitelist:
                return account
        return None

    def public_address(self, source: str, port: int) -> str:
        """The address under which the vendor sees a connection."""
        key = self.through_proxy.get((source, port))
        if key is not None and key in self.accounts:
            return self.accounts[key].exit
        return self.map.get(source, source)
