# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a host can have what is declared for it, before anything is changed or paid for."""

from __future__ import annotations

from collections.abc import Collection

from .._core.errors import OptionError, QgError
from .._core.runtime import playbook_command
from .._store.installations import GATEWAY, Installation
from .._store.registrations import inventory_name
from .declaration import Declaration, Gateway
from .exits import Look
from .timings import names_for


def why_not_refreshed(installation: Installation, look: Look) -> str:
    """Return why nothing can be refreshed on a host, which may have another installation; empty if
    it can.
    """
    what = f"The {installation.kind} {installation.name}"
    if look.identifier == installation.id:
        if "room" in look.flags:
            return ""
        # What is leased could not be served, and would be paid for in each run.
        return (
            f"{what} on {installation.host} cannot be written, since the disk is full or "
            "read-only, or the play lacks become, so nothing was leased: make room there, or set "
            "become. It serves as before."
        )
    if not look.identifier:
        host = inventory_name(installation.host)
        return (
            f"{what} is recorded for {installation.host}, but the host does not have it, or the "
            "play lacks become to read it, so nothing was leased. If the host was installed anew, "
            f"run the role proxy_{installation.kind} again; if it is gone for good, "
            f"type: {playbook_command('deregister', qg_forget=host)}"
        )
    return (
        f"{what} on {installation.host} was installed by another inventory or under another name "
        f"of the host, so nothing was leased: run the role proxy_{installation.kind} again to "
        "take it over."
    )


def check_host(declaration: Declaration, host: str, flags: Collection[str]) -> None:
    """Raise QgError if something cannot be installed on its host, before anything is changed."""
    if isinstance(declaration, Gateway):
        if declaration.service == "systemd" and not {"root", "systemd"}.issubset(flags):
            raise QgError(
                "proxy_gateway_service=systemd needs a host that runs systemd, and a play that "
                "sets become. Without both, set proxy_gateway_service=daemon."
            )
        if "directory" not in flags:
            raise QgError(
                f"proxy_gateway_directory={declaration.directory} does not exist on {host}: create "
                "it, or name another directory."
            )
        _check_addresses(declaration, host, flags)
        return
    path = f"proxy_list_path={declaration.path}"
    if "closed" in flags:
        raise QgError(f"{path} cannot be written by this user: set become, or name another file.")
    if "owner" in flags:
        raise QgError(
            f"proxy_list_owner={declaration.owner} cannot own the file: name a user of the host, "
            "and set become."
        )
    if "command" in flags and declaration.command:
        program = declaration.command.split()[0]
        raise QgError(
            f"proxy_list_command begins with {program}, which the host does not have: install it, "
            "or name another command."
        )


def check_place(installed: Declaration, declared: Declaration) -> None:
    """Raise OptionError if a gateway is to move, or its process to be run by another program: the
    process would go on as it was installed, and keep the ports.
    """
    if not isinstance(installed, Gateway) or not isinstance(declared, Gateway):
        return
    for option in ("directory", "service"):
        before = getattr(installed, option)
        after = getattr(declared, option)
        if before != after:
            raise OptionError(
                f"proxy_gateway_{option}",
                f"={after} is not {before}, with which the gateway {installed.name} is installed",
                "remove it with proxy_gateway_state=absent first, or set the option back",
            )


def _check_addresses(gateway: Gateway, host: str, flags: Collection[str]) -> None:
    """Refuse an address on which HAProxy could not listen, as a flag of a look says."""
    places = []
    if gateway.metrics:
        places.append(("proxy_gateway_metrics", gateway.metrics, gateway.metrics))
    for pool in gateway.pools:
        option = names_for(GATEWAY, pool).of("port")
        places += [(option, str(pool.port), f"{gateway.bind}:{port}") for port in pool.ports]
    reasons = {}
    for flag in flags:
        name, _equals, refusal = flag.partition("=")
        if name == "refused":
            refused, _equals, reason = refusal.partition("=")
            reasons[refused] = reason.replace("_", " ")
    for option, value, address in places:
        if address in reasons:
            raise OptionError(
                option,
                f"={value} cannot be used, because HAProxy could not listen on {address} of {host} "
                f"({reasons[address]})",
                "give a port that is free, and an address of the host",
            )
