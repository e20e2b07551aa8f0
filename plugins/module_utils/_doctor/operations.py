# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of qg_doctor_info."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils import ansible_release

from .._api.deadline_session import REQUESTS_IMPORT_ERROR
from .._core.text import describe, format_sample
from .._core.version import VERSION
from .._task.operation import Mode, Operation
from .._task.options import EGRESS_OPTIONS, PRODUCT_OPTIONS, PROXY_API_OPTIONS
from .._task.sources import Spec, shared_options
from . import findings
from .examination import Examination

_SPEC: Spec = {
    "through_proxy": {"type": "str"},
    "url": {"type": "str"},
    "sources": EGRESS_OPTIONS["sources"],
    "inventory_id": {"type": "str"},
    **PRODUCT_OPTIONS,
    **PROXY_API_OPTIONS,
    "key": {**PROXY_API_OPTIONS["key"], "required": False},
}


def installed_versions() -> dict[str, str | None]:
    """Return the versions of what the collection runs on; None for a library that is missing."""
    requests = None if REQUESTS_IMPORT_ERROR else getattr(sys.modules.get("requests"), "__version__", None)
    return {
        "ansible-core": ansible_release.__version__,
        "Python": platform.python_version(),
        "requests": requests,
        "qingguo.qgnet": VERSION,
    }


def _option_sources(params: Mapping[str, Any], origin: Callable[[str], str | None]) -> list[dict[str, Any]]:
    """Return where the value of each connection option comes from; the values of secrets are left out."""
    found = []
    for name in shared_options(_SPEC):
        option, value = _SPEC[name], params[name]
        default = option.get("default")
        if option["type"] == "path" and default:
            default = os.path.expanduser(default)
        source = origin(name) or ("default" if value == default else "task or module_defaults")
        if value is not None:
            found.append({"name": name, "source": source, "value": _shown(option, value)})
    return found


def _shown(option: Mapping[str, Any], value: Any) -> Any:
    """Return the value of an option for people; None for a secret, and URLs without what may be a credential."""
    if option.get("no_log"):
        return None
    if isinstance(value, list):
        return [describe(item).strip("'") for item in value]
    return describe(value).strip("'") if option["type"] == "str" and not option.get("choices") else value


def _run(params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    versions = installed_versions()
    found = list(findings.of_versions(versions, sys.executable))
    exam = Examination(params, mode.announcer, found)
    if versions["requests"] is not None:
        exam.run()
    options = _option_sources(params, mode.origin)
    cause, command = (found[0].cause, found[0].command) if found else (None, _next_command(exam))
    return {
        "changed": False,
        "healthy": not found,
        "cause": cause,
        "next_command": command,
        "findings": [vars(finding) for finding in found],
        "versions": {name.lower().replace("-", "_").replace(".", "_"): value for name, value in versions.items()},
        "options": options,
        "product": exam.product,
        "quota": exam.quota,
        "leases_count": None if exam.leases is None else len(exam.leases),
        "whitelist": exam.whitelist,
        "unowned": exam.unowned,
        "registrations": [
            {"inventory_id": inventory, "hosts": hosts, "own": inventory == params["inventory_id"]}
            for inventory, hosts in (exam.registered or {}).items()
        ],
        "egress_ip": exam.egress_ip,
        "egress_is_listed": exam.is_listed,
        "proxy": exam.proxy,
        "report": _report(exam, params, versions, options, cause, command),
        "api": exam.usage,
    }


def _next_command(exam: Examination) -> str:
    """Return the next step if nothing is wrong."""
    if not exam.whitelist:
        return "ansible-playbook qingguo.qgnet.register"
    if not exam.leases:
        return "ansible-playbook qingguo.qgnet.ensure_leases"
    return "ansible-playbook qingguo.qgnet.report"


def _report(
    exam: Examination,
    params: Mapping[str, Any],
    versions: Mapping[str, str | None],
    options: list[dict[str, Any]],
    cause: str | None,
    command: str,
) -> list[str]:
    """Return lines for people: the cause and the next command first."""
    lines = [f"cause      {cause or 'Nothing is wrong.'}", f"next       {command}"]
    lines += [f"also       {finding.cause} Next: {finding.command}" for finding in exam.found[1:]]
    lines.append("versions   " + ", ".join(f"{name} {version or 'is missing'}" for name, version in versions.items()))
    rows = {
        "product": exam.product,
        "quota": exam.quota and f"{exam.quota['available']} {exam.quota['unit']} free",
        "leases": None if exam.leases is None else f"{len(exam.leases)} held",
        "whitelist": _whitelist(exam),
        "hosts": _registrations(exam, params["inventory_id"]),
        "egress": exam.egress_ip and f"{exam.egress_ip}, {_LISTED[exam.is_listed]}",
        "proxy": _proxy(exam),
    }
    lines += [f"{name:10} {text or 'not known'}" for name, text in rows.items()]
    shown = [(one["name"], "set" if one["value"] is None else one["value"], one["source"]) for one in options]
    return lines + [f"option     {name}: {value} (from {source})" for name, value, source in shown]


_LISTED = {True: "on the whitelist", False: "not on the whitelist", None: "the whitelist is not known"}


def _proxy(exam: Examination) -> str | None:
    if exam.proxy is None:
        return "no lease to try" if exam.leases == [] else None
    return f"{exam.proxy['server']}: {exam.proxy['error'] or 'exit ' + exam.proxy['exit_ip']}"


def _whitelist(exam: Examination) -> str | None:
    if exam.whitelist is None or exam.unowned is None:
        return None
    without = f", {len(exam.unowned)} without a registered host: {format_sample(exam.unowned)}" if exam.unowned else ""
    return f"{len(exam.whitelist)} {'entry' if len(exam.whitelist) == 1 else 'entries'}{without}"


def _registrations(exam: Examination, inventory_id: str | None) -> str | None:
    """Return the number of hosts that are registered by this inventory and by others."""
    if exam.registered is None:
        return None
    others = {name: hosts for name, hosts in exam.registered.items() if name != inventory_id}
    own = f"{len(exam.registered.get(inventory_id or '', ()))} registered by this inventory"
    return "; ".join([own, *(f"{len(hosts)} by {name}: {format_sample(hosts)}" for name, hosts in others.items())])


DOCTOR_INFO = Operation(spec=_SPEC, run=_run, needs_requests=False)
