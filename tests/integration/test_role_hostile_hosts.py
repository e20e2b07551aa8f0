# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that hold a task: each ends at a limit of the control node, leaves no process there, and delays no other host.

No assertion depends on the speed of the machine: without a limit, the playbook would never end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fleet import DETECT, REGISTER, Fleet, public
from support.inventory_hosts import reached_by_program, with_curl, with_login
from support.playbooks import Playground, assert_one_sentence

#: Marks the processes of the hosts beside their folder: how long they would sleep.
SECONDS = "987654"
LATE = "did not complete within "
LOUD = "printed more than 8 MiB"


def processes(folder: Path) -> list[str]:
    """The command lines of this machine that belong to the hosts in the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line or SECONDS in line:
            found.append(line)
    return found


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Hosts that misbehave in different ways, with inventory variables; the names say how."""
    forever = f"sleep {SECONDS}"
    yield {
        "sleeping_curl": with_curl(tmp_path / "a", f"exec {forever}"),
        "endless_output": with_login(tmp_path / "b", f"exec yes {tmp_path}"),
        "endless_errors": with_login(tmp_path / "c", f"exec yes {tmp_path} >&2"),
        "child_holds_pipe": reached_by_program(tmp_path / "d", f'(setsid {forever} &)\nexec sh -c "$1"'),
        "ignores_signals": with_login(tmp_path / "e", f"trap '' TERM HUP INT PIPE\nwhile :; do {forever}; done"),
        "stops_itself": with_login(tmp_path / "f", "kill -STOP $$"),
        "dripping_line": with_login(tmp_path / "g", "while :; do printf .; sleep 1; done"),
        "hangs_at_login": with_login(tmp_path / "h", f"exec {forever}"),
        "many_children": reached_by_program(tmp_path / "i", f"for n in 1 2 3; do setsid {forever} & done\nwait"),
        "silent_connection": "ansible_connection=qg_silent",
        "huge_numbers": with_curl(tmp_path / "j", "printf '\\033[2J%0900d\\r\\n' 9"),
    }
    assert processes(tmp_path) == []


@pytest.mark.nightly
def test_hostile_hosts_do_not_keep_the_others_from_being_registered(fleet: Fleet, hosts: dict[str, str]) -> None:
    honest = list(fleet.lines)
    fleet.lines |= {host: f"{variables} ansible_timeout=1" for host, variables in hosts.items()}
    run = fleet.run(arguments=["--forks", "30"], timeout=1)
    assert run.registered == {host: [public(int(host[1:]))] for host in honest}
    assert set(fleet.sim.whitelist()) == set(fleet.all_addresses)
    asked = run.by_host(DETECT)
    assert {host: asked[host].status for host in hosts} == dict.fromkeys(hosts, "failed")
    said = {host: asked[host].result["msg"] for host in hosts}
    for host, message in said.items():
        assert_one_sentence(message)
        assert len(message) < 700, host
    loud = {"endless_output", "endless_errors"}
    slow = set(hosts) - loud - {"huge_numbers"}
    assert {host for host, message in said.items() if LATE in message} == slow
    assert {host for host, message in said.items() if LOUD in message} == loud
    assert "which is not an address" in said["huge_numbers"]
    for host in slow | loud:
        assert said[host].startswith(f"The detection of the egress address of {host} ")
    # The timeout of two sources, that of the connection, and 30 seconds.
    assert f"{LATE}33 seconds" in said["hangs_at_login"]
    assert "raise timeout" in said["hangs_at_login"]
    assert set(run.by_host(REGISTER)) == set(honest)


QUESTIONS = """
- hosts: all
  gather_facts: false
  tasks:
    - name: check
      qingguo.qgnet.qg_proxy_check: {proxies: ["127.0.0.1:1"], url: "http://127.0.0.1:1/", timeout: 1}
      when: inventory_hostname == 'endless_output'
      ignore_errors: true
    - name: keyword
      qingguo.qgnet.qg_egress_ip_info: {sources: ["http://127.0.0.1:1/"], timeout: 300}
      timeout: 2
      when: inventory_hostname != 'endless_output'
      ignore_errors: true
"""


def test_a_check_of_proxies_is_limited_and_the_keyword_timeout_leaves_no_process(
    playground: Playground, hosts: dict[str, str]
) -> None:
    """The fixture finds what is left on the control node."""
    inventory = "".join(f"{host} {hosts[host]}\n" for host in ("endless_output", "many_children", "ignores_signals"))
    run = playground.play(QUESTIONS, inventory=inventory)
    message = run.of("check", "endless_output").result["msg"]
    assert message.startswith(f"The check of proxies from endless_output {LOUD}")
    for host in ("many_children", "ignores_signals"):
        # ansible-core names the seconds of the keyword, in other words in each release.
        assert re.search(r"\b2 second|\(2\)", run.of("keyword", host).result["msg"])
