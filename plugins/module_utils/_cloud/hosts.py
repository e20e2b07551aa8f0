# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of an inventory: the selection of services, and the names, addresses and groups of hosts.

All text in a row comes from the vendor. Names and addresses are checked, since they are used in command lines.
"""

from __future__ import annotations

import fnmatch
import hashlib
import ipaddress
import json
import re
import socket
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._api.account.models import ORDER_STATUS, RUN_STATUS, UNKNOWN, instances
from .._core.addresses import is_public, parse_address
from .._core.errors import OptionError
from .._core.text import format_sample, one_line, quote_word
from .._core.validation import check_range

Row = dict[str, Any]
#: "include" or "exclude", and the expression of a filter.
Filter = tuple[str, Any]
_EMPTY = instances([{"suid": "-"}], include_secrets=True)[0]
_PUBLIC = instances([{"suid": "-"}])[0]
#: The variables of a host: the requested brand, and all columns of a service.
COLUMNS = ("product_id", *(name for name in _PUBLIC if name != "vendor"))
#: The variables of a host that are added only on request.
SECRET_COLUMNS = tuple(name for name in _EMPTY if name not in _PUBLIC)
#: The default groups, and the column of each.
GROUPS = {
    "product": "product_id",
    "line": "line_no",
    "area": "area_no",
    "status": "run_status",
    "order": "order_status",
    "os": "os_family",
    "system": "system_name",
}
#: The possible values of these columns.
_WORDS: dict[str, tuple[str, ...]] = {
    "run_status": (*RUN_STATUS.values(), UNKNOWN),
    "order_status": (*ORDER_STATUS.values(), UNKNOWN),
    "os_family": ("linux", "windows"),
}
#: The column of each kind of address.
ADDRESSES = {"public": "ip", "local": "local_ip"}
#: The maximum length of a name, as in the DNS.
_MAX_NAME = 253
#: Names with another meaning in Ansible.
_TAKEN = frozenset({"all", "ungrouped", "_meta"})
#: Names of this machine, with any domain.
_THIS_MACHINE = frozenset({"localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback", "loopback"})
#: The descriptions of the types of options in messages.
_MEANT = {
    "str": "text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a dictionary",
}
_PARTS = {"str": "texts", "int": "whole numbers", "dict": "dictionaries"}
#: The number of services that a warning names.
_MAX_NAMED = 5


def check_config(config: Mapping[str, Any], definitions: Mapping[str, Mapping[str, Any]]) -> Row:
    """Return the options of an inventory file, converted to the types in their documentation (``definitions``)."""
    return {option: _typed(option, value, definitions) for option, value in config.items() if value is not None}


def _typed(option: str, value: Any, definitions: Mapping[str, Mapping[str, Any]]) -> Any:
    if option not in definitions:
        raise OptionError(f"{option} is not an option of this plugin: use some of {', '.join(definitions)}.")
    spec = {field: found for field in ("type", "elements", "choices") if (found := definitions[option].get(field))}
    if spec.get("type") == "boolean":
        spec["type"] = "bool"
    validation = ArgumentSpecValidator({option: spec}).validate({option: value})
    if validation.error_messages or not _is_text_if_required(value, spec):
        choices = f"some of {', '.join(spec['choices'])}" if "choices" in spec else ""
        choices += ", or [] for none" if choices and spec["type"] == "list" else ""
        parts = f" of {_PARTS[spec['elements']]}" if "elements" in spec else ""
        wanted = choices or _MEANT[spec.get("type", "str")] + parts
        is_shown = isinstance(value, str) and "@" not in value and (choices or spec.get("type") != "str")
        shown = f"={value!r}" if is_shown else ""
        raise OptionError(f"{option}{shown} cannot be used in the inventory file: give {wanted}.")
    return validation.validated_parameters[option]


def _is_text_if_required(value: Any, spec: Mapping[str, Any]) -> bool:
    """Whether text is given where text is required: Ansible would convert any other value to useless text."""
    if spec.get("elements") == "str" and isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    return spec.get("type", "str") != "str" or not isinstance(value, (dict, list))


def check_products(numbers: Iterable[int]) -> tuple[int | None, ...]:
    """Return each requested brand once; None stands for all brands."""
    return tuple(dict.fromkeys(int(check_range("product_ids", number, 1, 10**9)) for number in numbers)) or (None,)


def check_prefix(option: str, text: str) -> str:
    """Return a prefix; refuse text that no name of a variable or group can begin with."""
    if text and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise OptionError(
            f"{option}={quote_word(text)} cannot be used: give letters, digits and underscores, such as qg_."
        )
    return text


def check_simple_filters(filters: Mapping[str, Any]) -> dict[str, tuple[str | None, ...]]:
    """Return the patterns of each filtered column, one of which must match; None matches a service without a value."""
    return {column: _patterns(column, wanted) for column, wanted in filters.items()}


def _patterns(column: str, wanted: Any) -> tuple[str | None, ...]:
    if column not in COLUMNS:
        name = quote_word(str(column))
        raise OptionError(f"simple_filters contains {name}, which is not a column: use some of {', '.join(COLUMNS)}.")
    values = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    if not values or any(value is not None and not isinstance(value, (str, int, float)) for value in values):
        raise OptionError(f"simple_filters.{column} cannot be used: give one value, or a list of values.")
    # Of the characters with a meaning in fnmatch, only * and ? are documented.
    patterns = tuple(None if value is None else str(value).casefold().replace("[", "[[]") for value in values)
    words = _WORDS.get(column)
    for value, pattern in zip(values, patterns, strict=True):
        if words and pattern is not None and not fnmatch.filter(words, pattern):
            name = quote_word(str(value))
            raise OptionError(f"simple_filters.{column} contains {name}, which never occurs: use {', '.join(words)}.")
    return patterns


def parse_filters(filters: Iterable[Any]) -> list[Filter]:
    """Return the include and exclude filters; refuse an entry that is neither."""
    parsed: list[Filter] = []
    for number, given in enumerate(filters, start=1):
        action, condition = next(iter(given.items())) if isinstance(given, Mapping) and len(given) == 1 else ("", "")
        is_condition = isinstance(condition, bool) or (isinstance(condition, str) and condition.strip())
        if action not in ("include", "exclude") or not is_condition:
            raise OptionError(
                f"filters, entry {number}, cannot be used: give either include or exclude, each with an expression, "
                "such as include: qg_run_status == 'running'."
            )
        parsed.append((action, condition))
    return parsed


def check_hostnames(preferences: Sequence[str]) -> Sequence[str]:
    """Return the preferences for names; refuse text that is neither a column nor a template."""
    if not preferences:
        raise OptionError("hostnames is empty: give a column or a template for the names, such as suid.")
    for each in preferences:
        if not is_template(each) and each not in COLUMNS:
            raise OptionError(
                f"hostnames contains {quote_word(each)}: use a template in double braces, or some of "
                f"{', '.join(COLUMNS)}."
            )
    return preferences


def is_template(text: str) -> bool:
    """Whether a preference for names is a template, and not a column."""
    return "{{" in text or "{%" in text


def cache_key(params: Mapping[str, Any], products: Iterable[int | None]) -> str:
    """Return the key of the cache: a digest of the request, without app_key."""
    request = [*(params[name] for name in ("account_url", "app_id", "include_secrets")), *map(str, products)]
    return hashlib.sha256(json.dumps(request).encode()).hexdigest()[:20]


def collect(products: Iterable[int | None], fetch: Callable[[int | None], Iterable[Row]]) -> list[Row]:
    """Return the services of all brands, each once, with only the columns that become variables."""
    found: dict[str, Row] = {}
    for product in products:
        for row in fetch(product):
            columns = {name: value for name, value in row.items() if name != "vendor"}
            found.setdefault(row["suid"], {"product_id": product, **columns})
    return sorted(found.values(), key=lambda row: (len(row["suid"]), row["suid"]))


def is_collected(value: object) -> bool:
    """Whether a cached value is a result of :func:`collect` of this release."""
    return isinstance(value, list) and all(isinstance(row, dict) and set(COLUMNS) <= set(row) for row in value)


def matches(row: Row, filters: Mapping[str, Collection[str | None]]) -> bool:
    """Whether a service matches all filters of columns."""
    return all(_matches_pattern(row[column], patterns) for column, patterns in filters.items())


def _matches_pattern(value: Any, patterns: Collection[str | None]) -> bool:
    if value is None:
        return None in patterns
    text = str(value).casefold()
    return any(pattern is not None and fnmatch.fnmatchcase(text, pattern) for pattern in patterns)


def variables(row: Row, prefix: str) -> Row:
    """Return the variables of a host."""
    return {prefix + name: row[name] for name in (*COLUMNS, *SECRET_COLUMNS) if name in row}


def address(row: Row, column: str) -> tuple[str | None, str]:
    """Return the address of a host, or None and the reason; refuse addresses that no remote host can have."""
    text = row[column]
    state = ", ".join(row[name] for name in ("run_status", "order_status") if row[name] not in (None, "normal"))
    if text is None:
        return None, f"no {column}, {state}" if state else f"no {column}"
    try:
        parsed = parse_address(text)
    except ValueError:
        return None, f"{column} {text!a} is not an address"
    if not _is_remote(parsed):
        return None, f"{column} {text} is not an address of a remote host"
    if column == "ip" and not is_public(_embedded(parsed)):
        return None, f"{column} {text} is not an address of the public internet"
    return str(parsed), ""


def _embedded(parsed: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address in an IPv6 address of the form ::ffff:192.0.2.1; other addresses unchanged."""
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed


def _is_remote(parsed: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether another machine can have this address and be reached from other networks."""
    ip = _embedded(parsed)
    if ip.is_loopback or ip.is_unspecified or ip.is_link_local or ip.is_multicast or ip.is_reserved:
        return False
    return ip.packed[0] != 0 if isinstance(ip, ipaddress.IPv4Address) else not ip.is_site_local


def group_names(row: Row, kinds: Iterable[str], prefix: str) -> list[str]:
    """Return the default groups of a host; the group of an unknown family of systems is "unknown"."""
    values = {kind: row[GROUPS[kind]] for kind in kinds}
    if "os" in values:
        values["os"] = values["os"] or UNKNOWN
    parts = {kind: re.sub(r"\W+", "_", str(value).casefold()).strip("_") for kind, value in values.items() if value}
    return [f"{prefix}{kind}_{part}" for kind, part in parts.items() if part]


def is_name(text: str) -> bool:
    """Whether a host can have this name: letters, digits, dots, hyphens and underscores.

    Other characters have a meaning in patterns. Names of this machine in any form are refused.
    """
    name = unicodedata.normalize("NFKC", text).casefold().strip(".")
    labels = name.split(".")
    if len(text) > _MAX_NAME or not re.fullmatch(r"\w[\w.-]*", text):
        return False
    if name in _TAKEN or _THIS_MACHINE.intersection((labels[0], labels[-1])):
        return False
    try:
        # Some programs also treat shorter forms such as 127.1 as addresses.
        return len(labels) == 1 or _is_remote(ipaddress.IPv4Address(socket.inet_aton(name)))
    except (OSError, ValueError):
        return True


def first_name(suid: str, candidates: Iterable[Any]) -> str | None:
    """Return the first candidate that is a valid name, or the number of the service; None if none is valid."""
    texts = (str(each).strip() for each in (*candidates, suid) if each is not None)
    return next(filter(is_name, texts), None)


class HostnameAllocator:
    """Allocates unique names of hosts."""

    def __init__(self) -> None:
        self._allocated: set[str] = set()
        #: Services whose name was already allocated, each with the name that it got instead.
        self.renamed: list[tuple[str, str]] = []

    def allocate(self, suid: str, wanted: str) -> str:
        """Return the name, with the number of the service appended if the name is already allocated."""
        name, number = wanted, re.sub(r"[^\w.-]+", "_", suid)
        while name in self._allocated:
            name = f"{name}_{number}"
        if name != wanted:
            self.renamed.append((suid, name))
        self._allocated.add(name)
        return name


def describe_services(items: Sequence[tuple[str, str]]) -> str:
    """Return the first services for a warning, each with its remark, and the number of the others."""
    listed = format_sample([f"{one_line(suid)} ({one_line(remark)})" for suid, remark in items], _MAX_NAMED)
    return f"{listed}, all with -v" if len(items) > _MAX_NAMED else listed
