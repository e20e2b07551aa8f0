# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role proxy_list: leases as files that other programs read."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.documents import role_options
from support.playground import Playground, Run, calls

#: The password of the simulator's proxies.
PWD = "0123456789ab"
PLAY = """
- hosts: all
  gather_facts: false
  strategy: "{{ pace | default('linear') }}"
  roles: [qingguo.qgnet.proxy_list]
  handlers:
    - name: Note the change
      ansible.builtin.copy:
        content: changed
        dest: "{{ proxy_list_path }}.changed"
        mode: "0644"
      listen: proxy_list changed
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "proxies"


def write(
    sim: Simulator, playground: Playground, path: Path, play: str = PLAY, verbosity: str = "-v", **variables: Any
) -> Run:
    """Run the role for two hosts, which share a file here."""
    return playground.play(
        play,
        inventory="one ansible_connection=local\ntwo ansible_connection=local\n",
        variables={"proxy_list_path": str(path), "proxy_list_count": 2, "proxy_list_drain": 5, **variables},
        arguments=["--diff", verbosity],
        environment={"QG_KEY": sim.key, "QG_PASSWORD": PWD, "QG_API_URL": sim.api_url},
    )


def servers(sim: Simulator) -> list[str]:
    return sorted(lease["host"] for lease in sim.leases())


@pytest.mark.parametrize("pace", ["linear", "free"])
def test_a_file_of_servers_is_written_with_one_lease_call_for_all_hosts(
    sim: Simulator, playground: Playground, path: Path, pace: str
) -> None:
    run = write(sim, playground, path, pace=pace).ok()
    assert len(sim.leases()) == 2
    assert path.read_text().splitlines() == servers(sim)
    assert path.stat().st_mode & 0o777 == 0o644
    assert calls(sim, "/allocate") == ["/allocate"]
    assert "Note the change" in run.output
    again = write(sim, playground, path, "qingguo.qgnet.refresh_proxies", qg_refresh="list").ok()
    assert {task.result["changed"] for task in again.by_host("Write the list").values()} == {False}
    assert calls(sim, "/allocate") == ["/allocate"]


def test_leases_that_may_outlast_their_deadline_are_kept_without_naming_the_product(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    sim.configure(plan={"kind": "longterm", "lifetime": 30}, options={"lease_proxies": False})
    write(sim, playground, path, proxy_list_drain=1200).ok()
    held = servers(sim)
    sim.advance(900)
    # By their deadline, they have less than proxy_list_drain left.
    write(sim, playground, path, proxy_list_drain=1200).ok()
    assert path.read_text().splitlines() == held
    assert calls(sim, "/longterm/get") == ["/longterm/get"]


def test_each_format_has_the_leases(sim: Simulator, playground: Playground, path: Path) -> None:
    write(sim, playground, path, proxy_list_format="urls", proxy_list_scheme="socks5h").ok()
    assert path.read_text().splitlines() == [f"socks5h://{server}" for server in servers(sim)]
    write(sim, playground, path, proxy_list_format="json").ok()
    rows = json.loads(path.read_text())
    assert [row["server"] for row in rows] == servers(sim)
    assert {tuple(sorted(row)) for row in rows} == {("expires_at", "ip", "isp", "region", "server", "url")}
    assert all(row["expires_at"].endswith("+08:00") for row in rows)
    write(sim, playground, path, proxy_list_format="environment").ok()
    variables = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert variables["http_proxy"] == variables["HTTPS_PROXY"]
    assert variables["http_proxy"].removeprefix("http://") in servers(sim)
    own = playground.write("own.j2", "{% for lease in leases %}[{{ lease.ip }}]{% endfor %}")
    write(sim, playground, path, proxy_list_template=str(own)).ok()
    assert path.read_text() == "".join(
        f"[{lease['ip']}]" for lease in sorted(sim.leases(), key=lambda one: one["host"])
    )


def test_credentials_are_in_a_file_of_the_owner_and_in_no_output(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    secret = {"proxy_list_credentials": True, "proxy_list_format": "urls"}
    run = write(sim, playground, path, verbosity="-vvvv", **secret).ok()
    assert path.read_text().splitlines() == [f"http://{sim.key}:{PWD}@{server}" for server in servers(sim)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert PWD not in run.output
    # Nobody can write there, which is only found when it is tried. Of that, ansible-core 2.16 shows a stack of Python.
    playground.is_checked = False
    refused = write(sim, playground, Path("/proc/proxies.txt"), verbosity="-vvvv", **secret)
    assert [task.status for task in refused.by_host("Write the list").values()] == ["failed", "failed"]
    assert PWD not in refused.output


@pytest.mark.measured
def test_an_existing_file_is_kept_while_the_vendor_fails_and_each_run_fails(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    write(sim, playground, path).ok()
    kept = path.read_text()
    sim.fault(path="/query", kind="code", code=-13, times=-1)
    for play in (PLAY, "qingguo.qgnet.refresh_proxies"):
        run = write(sim, playground, path, play, qg_refresh="list")
        assert run.rc == 2
        assert f"{path} of one: " in " ".join(run.output.split())
    assert path.read_text() == kept


@pytest.mark.measured
def test_what_can_be_had_is_written_and_the_run_fails(sim: Simulator, playground: Playground, path: Path) -> None:
    sim.configure(plan={"channels": 2})
    run = write(sim, playground, path, proxy_list_count=3)
    assert run.rc == 2
    assert "proxy_list_count=3" in run.output
    assert path.read_text().splitlines() == servers(sim)
    assert len(servers(sim)) == 2


# --- options


def hosts(cases: Mapping[str, Mapping[str, Any]]) -> str:
    """An inventory with a host for each case, which has variables of its own."""
    local = {"ansible_connection": "local"}
    return json.dumps({"all": {"hosts": {name: {**local, **variables} for name, variables in cases.items()}}})


def write_all(
    sim: Simulator, playground: Playground, path: Path, cases: Mapping[str, Mapping[str, Any]], **environment: str
) -> Run:
    """Run the role once for all cases, each of which has a file of its own."""
    own = {name: {"proxy_list_path": str(path.with_name(name)), **case} for name, case in cases.items()}
    return playground.play(
        PLAY.partition("  handlers:")[0],
        inventory=hosts(own),
        environment={"QG_KEY": sim.key, "QG_API_URL": sim.api_url, **environment},
    )


def test_each_option_can_be_set_as_its_type_and_as_text_of_a_command_line(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    sim.configure(plan={"channels": 50})
    template = playground.write("own.j2", "{{ leases | map(attribute='ip') | join(' ') }} {{ urls[0] }}")
    values: dict[str, Any] = {
        "state": "present",
        "path": str(path.with_name("path")),
        "format": "json",
        "template": str(template),
        "scheme": "socks5h",
        "credentials": True,
        "owner": getpass.getuser(),
        "command": "true --quietly",
        "count": 2,
        "areas": [350500],
        "isp": "telecom",
        "keep_alive": 5,
        "drain": 20,
    }
    assert values.keys() == {name.removeprefix("proxy_list_") for name in role_options("proxy_list")}
    as_text = {name: str(value) for name, value in values.items() if isinstance(value, int)}
    as_text |= {"areas": "350500", "keep_alive": "1h"}
    cases = {name: {f"proxy_list_{name}": value} for name, value in values.items()}
    cases |= {f"{name}-text": {f"proxy_list_{name}": value} for name, value in as_text.items()}

    run = write_all(sim, playground, path, cases, QG_PASSWORD=PWD).ok()

    assert {name for name in cases if not path.with_name(name).read_text()} == set()
    assert len(path.with_name("count").read_text().splitlines()) == 2
    assert {path.with_name(name).stat().st_mode & 0o777 for name in ("credentials", "credentials-text")} == {0o600}
    assert PWD not in run.output


def test_a_mistake_is_found_before_anything_is_leased(sim: Simulator, playground: Playground, path: Path) -> None:
    broken = playground.write("broken.j2", "{% for lease in leases %}")
    misspelt = playground.write("misspelt.j2", "{% for lease in leases %}{{ lease.adress }}{% endfor %}")
    mistakes: dict[str, tuple[dict[str, Any], str]] = {
        "relative": ({"path": "proxies.txt"}, 'proxy_list_path="proxies.txt" is not the absolute path of a file: give'),
        "empty": ({"path": ""}, 'proxy_list_path="" is not the absolute path of a file: give one, such as /etc/'),
        "slash": ({"path": f"{path.parent}/"}, "is not the absolute path of a file"),
        "folder": ({"path": str(path.parent.parent)}, f"proxy_list_path={path.parent.parent} is a directory: name a"),
        "nowhere": ({"template": "nope.j2"}, "proxy_list_template=nope.j2 cannot be used, and nothing was leased: "),
        "broken": ({"template": str(broken)}, f"proxy_list_template={broken} cannot be used, and nothing was leased:"),
        "misspelt": ({"template": str(misspelt)}, "adress"),
        "owner": (
            {"owner": "nobody-here"},
            "proxy_list_owner=nobody-here cannot own the file: name a user of the host",
        ),
        "command": ({"command": "/none/such --now"}, "proxy_list_command begins with /none/such, which the host does"),
        "count": ({"count": "three"}, "proxy_list_count"),
        "format": ({"format": "xml"}, "proxy_list_format must be one of"),
    }
    cases = {
        name: {f"proxy_list_{option}": value for option, value in options.items()}
        for name, (options, _words) in mistakes.items()
    }

    run = write_all(sim, playground, path, cases)

    failures = {task.host: str(task.result["msg"]) for task in run.tasks if task.status == "failed"}
    assert {name: failures[name] for name, (_options, words) in mistakes.items() if words not in failures[name]} == {}
    assert calls(sim) == []


def test_credentials_without_a_password_are_refused_before_anything_is_leased(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    run = write_all(sim, playground, path, {"one": {"proxy_list_credentials": True}})
    assert run.rc == 2
    assert "Pool proxy_list of one: credentials=true needs password" in " ".join(run.output.split())
    assert calls(sim) == []


def test_an_empty_key_never_takes_the_key_of_the_environment(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    run = write_all(sim, playground, path, {"one": {"qg_key": ""}})
    assert run.rc == 2
    assert "Pool proxy_list of one: key is empty (''), which never means another key" in " ".join(run.output.split())
    assert calls(sim) == []


def test_a_list_is_removed(sim: Simulator, playground: Playground, path: Path) -> None:
    write(sim, playground, path).ok()
    write(sim, playground, path, proxy_list_state="absent").ok()
    assert not path.exists()
    assert len(sim.leases()) == 2
