# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes and runs on a host what it is to serve: a gateway and lists."""

from __future__ import annotations

import base64
import secrets
import shlex
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.operations import why_left
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import (
    GATEWAY,
    LIST,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import plain
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._gateway_host import (
    CHANGED,
    NO_ANSWER,
    UNREADABLE,
    UNWRITABLE,
    command_script,
    leases_script,
    reason,
    run_script,
    seen_script,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._gateway_variables import (
    GatewayVariables,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._list_file import list_text

#: The variables that the tasks register: what is recorded for all hosts, what this host has, and
#: what was leased for all hosts.
FOUND = "proxy_gateway__found"
LOOK = "proxy_gateway__look"
LEASED = "proxy_gateway__leased"
_TEMPLATES = Path(__file__).resolve().parents[2] / "roles" / "proxy_gateway" / "templates"


class LeftError(QgError):
    """Another run has written or removed what this one was to write."""

    def __init__(self, each: Mapping[str, Any]) -> None:
        super().__init__(why_left(each["kind"], each.get("name") or each["path"], each["host"]))


class ServingAction(GatewayVariables):
    """The base of an action that lets a host serve leases, over its connection."""

    def _serve(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Write and run what this host is to serve.

        The first time, these are the leases of before, and then those of this run.
        """
        served = self._variables[LOOK]["serve"]
        if not params["configures"]:
            served = self._variables[LEASED]["hosts"].get(self._host, [])
        served = [each for each in served if not each["is_left_alone"]]
        changed = False
        diffs: list[dict[str, Any]] = []
        warnings = []
        for each in served:
            try:
                result = self._serve_one(each, params)
            except LeftError as error:
                warnings.append(error.message)
                continue
            except QgError as error:
                if changed:
                    error.details["changed"] = True
                raise
            changed = changed or result["changed"]
            diffs += result["diff"]
        return {"changed": changed, "diff": diffs, "warnings": warnings}

    def _serve_one(self, each: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        """Write and run a gateway or a list."""
        if each["kind"] == GATEWAY:
            return self._serve_gateway(each, params)
        if self._is_predicted(each):
            return {"changed": True, "diff": []}
        if each["leases"]:
            return self._write_list(each, params)
        return {"changed": False, "diff": []}

    def _recorded_ids(self, host: str) -> list[str]:
        """Return the identifiers of what was recorded for a host when the run began."""
        return [row["id"] for row in self._variables[FOUND]["installations"].get(host, ())]

    def _serve_gateway(
        self, gateway: Mapping[str, Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Write the leases of a gateway, and the first time its configuration, and let its process
        use them.
        """
        is_changed = gateway["text"] != gateway["before"]
        if params["configures"]:
            has_new_secrets = self._write_secrets(gateway, params)
            written = self._configure(gateway)
            is_configured = has_new_secrets or bool(written.get("changed"))
            is_stale = is_configured or params["is_restart"] or not gateway["serves"]
            if not self._task.check_mode:
                if is_changed:
                    self._write_leases(gateway, leases_script(gateway, _mark()))
                if is_stale:
                    self._run_gateway(gateway)
            return {"changed": is_stale or is_changed, "diff": self._diffs(written)}
        is_needed = is_changed or not gateway["serves"]
        if not self._task.check_mode and (is_needed or not params["refresh"]):
            self._serve_leases(gateway, params)
        diff = []
        if is_changed and self._task.diff:
            header = f"{gateway['file']}.leases"
            diff.append(
                {
                    "before_header": header,
                    "before": gateway["before"],
                    "after_header": header,
                    "after": gateway["text"],
                }
            )
        return {"changed": is_needed, "diff": diff}

    def _configure(self, gateway: Mapping[str, Any]) -> dict[str, Any]:
        """Write what does not depend on leases; raises QgError if HAProxy does not take it."""
        arguments = {
            "src": str(_TEMPLATES / "haproxy.cfg.j2"),
            "dest": f"{gateway['file']}.cfg",
            "mode": "0600",
            "validate": "haproxy -c -f %s",
        }
        written = self._act("ansible.builtin.template", arguments, gateway=gateway)
        if written.get("failed"):
            output = "\n".join(
                str(written.get(name) or "")
                for name in ("stderr", "stdout", "module_stderr", "msg")
            )
            why = reason(output) or _failure(written)
            raise QgError(
                f"The configuration of the gateway {gateway['name']} cannot be used: {why}"
            )
        return written

    def _serve_leases(self, gateway: Mapping[str, Any], params: Mapping[str, Any]) -> None:
        """Write the leases of a gateway that is configured, and let its process use them.

        A refresh raises LeftError if the host is not as it was, since another run has been there.
        The role configures the gateway again, which a refresh has restored as it was recorded.
        """
        seen = self._seen(gateway) if params["refresh"] else ()
        script = leases_script(gateway, _mark(), seen=seen, asks=True)
        code = self._write_leases(gateway, script)
        if code == CHANGED:
            if params["refresh"]:
                raise LeftError(gateway)
            self._serve_gateway({**gateway, "before": ""}, {**params, "configures": True})
        elif code != 0:
            # A process that does not answer is started again, which shows why it does not run.
            self._run_gateway(gateway)

    def _seen(self, each: Mapping[str, Any]) -> list[str]:
        """Return the digests of what a file may contain that this run knows: what it had at the
        look, what the look itself has restored, and what it is to have.
        """
        looked = self._variables.get(LOOK) or {"serve": ()}
        digests = [each["seen"]]
        for known in (each, *looked["serve"]):
            if known["id"] == each["id"] and "text" in known:
                digests.append(sha256(known["text"].encode()).hexdigest())
        return digests

    def _write_leases(self, gateway: Mapping[str, Any], script: str) -> int:
        """Run the script that writes the file of leases, and return its code; raises QgError if it
        cannot write.
        """
        done = self._low_level_execute_command(script, executable="/bin/sh")
        if done["rc"] == UNWRITABLE:
            said = one_line(done["stderr"])[:200]
            raise QgError(
                f"{gateway['file']}.leases cannot be written: {said}. The gateway serves as before."
            )
        _check_answer(gateway, done["rc"])
        return int(done["rc"])

    def _write_secrets(self, gateway: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
        """Write what only root can read: the credentials that pools send, and the salt with which
        labels are hashed in the log.

        All gateways of a store have the same salt, so that a label has the same digest on all
        hosts. Returns whether anything has changed, which HAProxy reads only when it starts.
        """
        head = "# Made by the role qingguo.qgnet.proxy_gateway.\n"
        lines = []
        if gateway["log"]:
            with self._store(params) as store:
                salt = store.digest("labels in logs")
            lines.append(f"log.salt {salt}\n")
        for pool in gateway["pools"]:
            if pool["credentials"]:
                login = self._login(GATEWAY, pool["name"])
                text = base64.b64encode(f"{login.key}:{login.password}".encode()).decode()
                lines.append(f"{pool['name']} Basic {text}\n")
        path = f"{gateway['file']}.map"
        if lines:
            file = {"content": "".join([head, *lines]), "dest": path, "mode": "0600"}
            written = self._act("ansible.builtin.copy", file)
            if written.get("failed"):
                raise QgError(f"{path} cannot be written: {_failure(written)}.")
            return bool(written.get("changed"))
        if not self._task.check_mode:
            # The file may be left from when a pool sent credentials.
            self._low_level_execute_command(f"rm -f {shlex.quote(path)}", executable="/bin/sh")
        return False

    def _run_gateway(self, gateway: Mapping[str, Any]) -> None:
        """Let the process of a gateway serve its files; raises QgError with HAProxy's reason if it
        does not.
        """
        done = self._low_level_execute_command(run_script(gateway), executable="/bin/sh")
        if done["rc"] == 0:
            return
        _check_answer(gateway, done["rc"])
        if UNREADABLE in done["stdout"].splitlines():
            directory = gateway["file"].rpartition("/")[0]
            raise QgError(
                f"proxy_gateway_directory={directory} cannot be used, since HAProxy runs as the "
                f"user haproxy, who cannot read {gateway['file']}.leases: give a directory that "
                "all users may enter, or let them enter it and its parents.",
                changed=True,
            )
        log = f"journalctl --unit={gateway['name']}"
        if gateway["service"] != "systemd":
            log = (
                "grep haproxy /var/log/syslog, or on a host without a system log haproxy -d -f "
                f"{gateway['file']}.cfg"
            )
        why = reason(done["stdout"]) or f"it gave no reason; to see its log, type {log}"
        raise QgError(
            f"HAProxy does not serve {gateway['file']}.cfg: {why}. If it ran before, it serves as "
            "before.",
            changed=True,
        )

    def _order_of(self, proxies: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what this host has reported of a list."""
        orders: list[Mapping[str, Any]] = self._variables[LOOK]["orders"]
        return next(order for order in orders if order["installation"]["id"] == proxies["id"])

    def _is_predicted(self, proxies: Mapping[str, Any]) -> bool:
        """Whether a list would change in a way that check mode cannot try: since leases would be
        bought, or since its directory does not exist.
        """
        if not self._task.check_mode or proxies["leases"] is None:
            return False
        would_lease = (
            len(proxies["leases"]) < proxies["pools"][0]["count"] and not proxies["problem"]
        )
        return would_lease or "folder" not in self._order_of(proxies)["look"]["flags"]

    def _write_list(self, proxies: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        """Write a list, and from the role the mark beside it, and run the command if either has
        changed, or if it has failed after the last change.

        A refresh raises LeftError if the list is not as it was, since another run has been there.
        """
        if params["refresh"]:
            script = seen_script(proxies["path"], self._seen(proxies))
            if self._low_level_execute_command(script, executable="/bin/sh")["rc"] == CHANGED:
                raise LeftError(proxies)
        login = self._login(LIST, proxies["pools"][0]["name"])
        # Texts are read from the look: in what was leased, their braces were made safe to show.
        order = self._order_of(proxies)
        template = plain(order["declaration"]["template"])
        command = plain(order["declaration"]["command"])
        text = list_text({**proxies, "template": template}, proxies["leases"], login, self._host)
        files = []
        if not params["refresh"]:
            content = f"installation {proxies['id']}\n{command}\n"
            files.append({"content": content, "dest": proxies["mark"], "mode": "0600"})
        file = {
            "content": text,
            "dest": proxies["path"],
            "mode": "0600" if proxies["credentials"] else "0644",
        }
        if proxies["owner"]:
            file["owner"] = proxies["owner"]
        files.append(file)
        changed = False
        for arguments in files:
            written = self._act("ansible.builtin.copy", arguments)
            if written.get("failed"):
                raise QgError(f"The list {proxies['path']} cannot be written: {_failure(written)}.")
            changed |= bool(written.get("changed"))
        is_pending = bool(proxies["command"]) and "pending" in order["look"]["flags"]
        changed |= is_pending
        if changed and proxies["command"] and not self._task.check_mode:
            done = self._low_level_execute_command(command_script(proxies))
            if done["rc"] != 0:
                said = one_line(done["stderr"] or done["stdout"])[:200]
                raise QgError(
                    f"proxy_list_command={proxies['command']} has failed with {done['rc']}: "
                    f"{said}. The list is written, and the next run tries the command again. "
                    "If the program does not run yet, name a command that then does nothing, "
                    "such as systemctl try-reload-or-restart crawler.",
                    changed=True,
                )
        return {"changed": changed, "diff": [] if proxies["credentials"] else self._diffs(written)}

    def _diffs(self, written: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the differences of a file that was written, if the task shows them."""
        diffs = written.get("diff") if self._task.diff else None
        if not diffs:
            return []
        return list(diffs) if isinstance(diffs, list) else [diffs]

    def _act(self, name: str, arguments: Mapping[str, Any], **variables: Any) -> dict[str, Any]:
        """Return the result of another action on this host."""
        task = self._task.copy()
        task.args = dict(arguments)
        action = self._shared_loader_obj.action_loader.get(
            name,
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        result: dict[str, Any] = action.run(task_vars={**self._variables, **variables})
        return result


def _mark() -> str:
    """Return a word that nobody can guess."""
    return f"qg{secrets.token_hex(8)}"


def _check_answer(gateway: Mapping[str, Any], code: int) -> None:
    """Raise QgError if a script has ended because HAProxy has not answered in time."""
    if code == NO_ANSWER:
        raise QgError(
            f"HAProxy of the gateway {gateway['name']} does not answer, as if it were stopped: "
            "end its processes, and run this again.",
            changed=True,
        )


def _failure(result: Mapping[str, Any]) -> str:
    """Return why an action has failed.

    Since ansible-core 2.19, the message alone may lack what the module said.
    """
    event = getattr(result.get("exception"), "event", None)
    return one_line(
        str(result.get("msg") or getattr(event, "msg", "") or "the module gave no reason")
    ).rstrip(".")
