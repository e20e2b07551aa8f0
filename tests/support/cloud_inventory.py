# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin qg_cloud as a user runs it, with ansible-inventory, against an account of the simulator."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from simulator.fixture import Simulator
from support.ansible_launcher import READ_BY_IMPORT
from support.playground import LAUNCHER, PLAY_SECONDS, Playground, calls

PATH = "/api/cloud-business/getDetail"
PLUGIN = "plugin: qingguo.qgnet.qg_cloud\n"
Options = Mapping[str, Any]


def service(suid: str, **changes: Any) -> dict[str, Any]:
    """One as the vendor returns it."""
    return {
        "Suid": suid,
        "line_no": "ap-shanghai",
        "area_no": "ap-shanghai-1",
        "spec_no": "S1.SMALL2",
        "spec_name": "标准型",
        "Host_id": "1",
        "Host_name": "node-1",
        "Ip": f"198.51.100.{suid[-1]}",
        "Local_ip": f"192.0.2.{suid[-1]}",
        "Run_status": "1",
        "Order_status": "1",
        "Bandwidth": "5",
        "System_no": "img",
        "System_name": "CentOS 7.9 64位",
        "Adsl_name": "",
        "Adsl_password": f"secret-adsl-{suid}",
        "Business_password": f"secret-business-{suid}",
        "Login_password": f"secret-login-{suid}",
        **changes,
    }


def document(text: str) -> Any:
    """The JSON behind what Ansible prints with ``-v``; it marks what is no template, since 2.19 all of the vendor's."""

    def unmarked(item: dict[str, Any]) -> Any:
        return item.get("__ansible_unsafe", item)

    return json.loads(re.split(r"^(?=\{$)", text, maxsplit=1, flags=re.MULTILINE)[1], object_hook=unmarked)


class Cloud:
    """An account at the simulator, and ansible-inventory that reads it."""

    def __init__(self, sim: Simulator, playground: Playground) -> None:
        self.sim = sim
        self.playground = playground
        self.environment = {"QG_APP_ID": sim.app_id, "QG_APP_KEY": sim.app_key, "QG_ACCOUNT_URL": sim.account_url}

    def file(self, options: Options | str, name: str = "site.qg_cloud.yml") -> Path:
        text = options if isinstance(options, str) else yaml.safe_dump(dict(options), allow_unicode=True)
        return self.playground.write(name, PLUGIN + (text if options else ""))

    def run(
        self, options: Options | str, *arguments: str, name: str = "site.qg_cloud.yml", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        named = {
            **self.playground.ansible_environment(self.playground.root / "record", self.playground.root / "spy"),
            **self.environment,
            **environment,
        }
        command = str(Path(sys.executable).parent / "ansible-inventory")
        return LAUNCHER.run(
            [command, "-i", str(self.file(options, name)), *(arguments or ("--list",))],
            self.playground.root / "play",
            {variable: value for variable, value in named.items() if value},
            PLAY_SECONDS,
            fresh=any(variable.startswith(READ_BY_IMPORT) for variable in environment),
        )

    def listed(self, options: Options | str, *arguments: str, **environment: str) -> dict[str, Any]:
        """Host variables, and groups with their hosts, of an inventory that could be read."""
        run = self.run(options, "--list", *arguments, **environment)
        assert run.returncode == 0, run.stderr
        assert "Failed to parse" not in run.stderr, run.stderr
        reported = document(run.stdout)
        return {
            "hosts": reported["_meta"]["hostvars"],
            "groups": {
                name: group.get("hosts", []) for name, group in reported.items() if name not in ("_meta", "all")
            },
            "stderr": " ".join(run.stderr.split()),
            "output": run.stdout + run.stderr,
        }

    def refused(self, options: Options | str, *arguments: str, **environment: str) -> str:
        """The sentence of an inventory that could not be read; no host comes of it."""
        run = self.run(options, "--list", *arguments, **environment)
        assert "Traceback" not in run.stderr, run.stderr
        assert not document(run.stdout)["_meta"]["hostvars"], run.stdout
        return " ".join((run.stdout + run.stderr).split())

    def calls(self) -> int:
        """Page calls since this was asked last."""
        number = len(calls(self.sim, PATH))
        self.sim.control("DELETE", "/journal")
        return number


@pytest.fixture(name="cloud")
def cloud_fixture(sim: Simulator, playground: Playground) -> Cloud:
    return Cloud(sim, playground)


def cached(playground: Playground) -> dict[str, Any]:
    return {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(playground.root / "cache"),
    }


def cache_files(playground: Playground) -> list[Path]:
    return [path for path in (playground.root / "cache").rglob("*") if path.is_file()]


def assert_nothing_of(words: Iterable[str], text: str, where: object) -> None:
    for word in words:
        assert word not in text, f"{where} holds {word}"
