# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters in plays: in templates, in ``environment``, and as a command that a shell runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from integration.inventory_hosts import with_login
from integration.module_tasks import IGNORE, play
from integration.playground import Playground, Run, lease_elsewhere
from qgnet_simulator.running import Simulator
from support import phrases
from support.documents import plugin

EXIT = "198.51.100.200"
PASSWORD = "p@ss: w%rd'"
QUOTED = "p%40ss%3A%20w%25rd%27"

HAPROXY = """\
backend qg
    mode tcp
    {{ leases | qingguo.qgnet.proxy_haproxy(options='check inter 5s') | indent(4) }}
backend none
    {{ [] | qingguo.qgnet.proxy_haproxy }}
backend last
    mode tcp
"""

PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    leases: "{{ given }}"
  tasks:
    - name: haproxy
      ansible.builtin.template: {src: haproxy.j2, dest: haproxy.cfg, mode: "0600"}
    - name: haproxy, in another order
      ansible.builtin.debug:
        msg: "{{ (leases | qingguo.qgnet.proxy_haproxy) == (leases | reverse | list | qingguo.qgnet.proxy_haproxy) }}"
    - name: environment
      ansible.builtin.command: {argv: [curl, --silent, "{{ page }}"]}
      changed_when: false
      environment: "{{ lease | qingguo.qgnet.proxy_environment(no_proxy=[]) }}"
    - name: environment that leaves out this machine
      ansible.builtin.command: {argv: [curl, --silent, "{{ page }}"]}
      changed_when: false
      environment: "{{ lease | qingguo.qgnet.proxy_environment }}"
"""


@pytest.fixture
def lease(sim: Simulator) -> dict[str, Any]:
    """A lease that the simulator's proxy stands in for, with credentials."""
    sim.configure(whitelist=[], pwd=PASSWORD, exit=EXIT)
    assert sim.proxy_url is not None
    server = sim.proxy_url.removeprefix("http://").rstrip("/")
    return {
        "ip": EXIT,
        "server": server,
        "task_id": "",
        "proxy_url": f"http://{sim.key}:{QUOTED}@{server}",
    }


def test_the_filters_in_a_play(
    sim: Simulator, playground: Playground, lease: dict[str, Any]
) -> None:
    playground.write("haproxy.j2", HAPROXY)
    variables = {
        "lease": lease,
        "page": f"{sim.api_url}/ip",
        "given": [
            lease,
            "tunnel.qg.example:3434",
            {"server": "198.51.100.8:21504"},
            lease["server"],
        ],
    }
    run = playground.play(PLAY, variables=variables).ok()
    port = lease["server"].partition(":")[2]
    assert (playground.root / "play" / "haproxy.cfg").read_text(encoding="utf-8") == (
        "backend qg\n"
        "    mode tcp\n"
        f"    server qg-127.0.0.1-{port} 127.0.0.1:{port} check inter 5s\n"
        "    server qg-198.51.100.8-21504 198.51.100.8:21504 check inter 5s\n"
        "    server qg-tunnel.qg.example-3434 tunnel.qg.example:3434 check inter 5s\n"
        "backend none\n"
        "    \n"
        "backend last\n"
        "    mode tcp\n"
    )
    assert run.of("haproxy, in another order").result["msg"] is True
    assert run.of("environment").result["stdout"] == EXIT
    assert run.of("environment that leaves out this machine").result["stdout"] == "127.0.0.1"


LOOKED_UP = """
- hosts: localhost
  gather_facts: false
  vars:
    tunnel: {key: QGDEMO01, password: word}
    one: "{{ FUNCTION('qingguo.qgnet.proxy', form=form, limit=1, at_least=0) }}"
    all: "{{ FUNCTION('qingguo.qgnet.proxy', form=form, at_least=0) }}"
  tasks:
    - name: FUNCTION
      ansible.builtin.set_fact:
        found:
          environment: "{{ one | qingguo.qgnet.proxy_environment }}"
          tunnel: "{{ one | qingguo.qgnet.proxy_tunnel('a', key='QGDEMO01', password='word') }}"
          haproxy: "{{ all | qingguo.qgnet.proxy_haproxy }}"
          none: "{{ FUNCTION('qingguo.qgnet.proxy', isp='bgp', at_least=0) | qingguo.qgnet.proxy_haproxy }}"
      loop: [server, url, lease]
      loop_control: {loop_var: form}
"""


def test_lookup_and_query_give_each_filter_the_same(sim: Simulator, playground: Playground) -> None:
    sim.configure(whitelist=["127.0.0.1"], pwd=PASSWORD)
    lease_elsewhere(sim, Pwd=PASSWORD, Num=3)
    environment = {"QG_KEY": sim.key, "QG_PASSWORD": PASSWORD, "QG_API_URL": sim.api_url}
    text = "".join(LOOKED_UP.replace("FUNCTION", function) for function in ("lookup", "query"))
    run = playground.play(text, environment=environment).ok()
    results = [
        [item["ansible_facts"]["found"] for item in run.of(function).result["results"]]
        for function in ("lookup", "query")
    ]
    assert results[0] == results[1]
    for found, form in zip(results[0], ("server", "url", "lease"), strict=True):
        assert len(found["haproxy"].splitlines()) == 3
        assert (QUOTED in found["environment"]["http_proxy"]) is (form == "url")
        assert found["none"] == ""


def show(name: str, expression: str) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.debug": {"msg": f"{{{{ {expression} }}}}"}}


def test_what_cannot_be_used_is_reported_without_the_password(
    playground: Playground, lease: dict[str, Any]
) -> None:
    """What is undefined is reported as elsewhere, and a bad address by the filter itself."""
    undefined = [
        "[lease.server, missing] | qingguo.qgnet.proxy_haproxy",
        "{'server': missing} | qingguo.qgnet.proxy_environment",
    ]
    tasks = [show(f"undefined {number}", expression) for number, expression in enumerate(undefined)]
    tasks.append(show("broken", "[broken] | qingguo.qgnet.proxy_haproxy"))
    variables = {"lease": lease, "broken": {**lease, "server": "198.51.100.8:70000"}}
    run = playground.play(play(*tasks, hosts="localhost", **IGNORE), variables=variables).ok()
    *failed, broken = run.tasks
    assert [done.status for done in run.tasks] == ["failed"] * 3
    for done in failed:
        assert "'missing' is undefined" in done.result["msg"], done.name
    assert phrases.NO_ADDRESS_FOR_HAPROXY in broken.result["msg"]
    assert QUOTED not in run.output


def test_a_vaulted_lease(playground: Playground, lease: dict[str, Any]) -> None:
    vault = VaultLib([("default", VaultSecret(b"opened"))])
    playground.write("password", "opened\n")
    lines = vault.encrypt(lease["proxy_url"]).decode("ascii").splitlines()
    playground.write(
        "secret.yml",
        f"lease:\n  server: {lease['server']}\n  proxy_url: !vault |\n"
        + "".join(f"    {line}\n" for line in lines),
    )
    # Since ansible-core 2.22, Ansible replaces the secret itself in all that it shows.
    shown = show("it", "(lease | qingguo.qgnet.proxy_environment).https_proxy | hash('sha256')")
    arguments = ["--vault-password-file", "password", "--extra-vars", "@secret.yml"]
    run = playground.play(play(shown, hosts="localhost"), arguments=arguments).ok()
    assert run.of("it").result["msg"] == hashlib.sha256(lease["proxy_url"].encode()).hexdigest()


#: The password in a URL, and the parts of it that survive each way of writing it.
SECRET = "p+w/SECRETPWD&9=SECRETEND"
WORDS = ("SECRETPWD", "SECRETEND")
#: The tasks of the documentation that give a program the credentials.
SAFE = [
    "Return the leases with the key and its password",
    "Write the variables into a file, since -vvv shows the environment of a task",
    "Run a program with the variables of the file",
]


def safe_tasks(folder: Path, program: str) -> list[dict[str, Any]]:
    """The tasks of the documentation, for a program and a folder of each host, without another
    user.
    """
    examples = plugin("filter", "proxy_environment").EXAMPLES
    own = f"{folder}/{{{{ inventory_hostname }}}}"
    text = examples.replace("/etc/crawler", own).replace("/opt/crawler/run", program)
    tasks = {task["name"]: task for task in yaml.safe_load(text)}
    chosen = [tasks[name] for name in SAFE]
    for task in chosen:
        task.pop("become", None)
        task.pop("become_user", None)
        task.get("ansible.builtin.copy", {}).pop("owner", None)
    return chosen


@pytest.fixture
def hosts(tmp_path: Path) -> dict[str, str]:
    """Inventory variables of hosts that are reached in different ways, and for each a folder."""
    login = with_login(tmp_path / "programs", 'exec sh -c "$last"')
    connections = {
        "local": "ansible_connection=local ansible_pipelining=false",
        "pipelined": "ansible_connection=local ansible_pipelining=true",
        "ssh": f"{login} ansible_ssh_transfer_method=piped",
    }
    for name in connections:
        (tmp_path / name).mkdir()
    return connections


def play_with_credentials(
    sim: Simulator,
    playground: Playground,
    hosts: Mapping[str, str],
    *tasks: dict[str, Any],
    verbosity: str,
) -> Run:
    """Run tasks for hosts that are not on the whitelist, with a password whose parts are found
    again.
    """
    sim.configure(whitelist=[], pwd=SECRET, api_auth=True)
    lease_elsewhere(sim, Pwd=SECRET)
    return playground.play(
        play(*tasks, hosts="all"),
        inventory="".join(f"{name} {variables}\n" for name, variables in hosts.items()),
        arguments=[verbosity, "--diff"],
        environment={
            "ANSIBLE_LOG_PATH": str(playground.root / "ansible.log"),
            "QG_API_URL": sim.api_url,
            "QG_KEY": sim.key,
            "QG_PASSWORD": SECRET,
        },
    )


def test_credentials_reach_a_program_by_a_file_and_are_in_no_output(
    sim: Simulator, playground: Playground, hosts: dict[str, str], tmp_path: Path
) -> None:
    """As the documentation of the filter shows it."""
    tasks = safe_tasks(tmp_path, f"curl --silent --noproxy '' {sim.api_url}/ip")

    run = play_with_credentials(sim, playground, hosts, *tasks, verbosity="-vvvv").ok()

    for host in hosts:
        assert [task.name for task in run.tasks if task.host == host] == SAFE
        assert run.of(SAFE[2], host).result["stdout"] == sim.leases()[0]["ip"]
        file = tmp_path / host / "proxy.env"
        assert file.stat().st_mode & 0o777 == 0o600
        assert "SECRETPWD" in file.read_text(encoding="utf-8")
    playground.assert_nowhere(WORDS, run)


def test_credentials_in_the_environment_of_a_task_are_shown_in_spite_of_no_log(
    sim: Simulator, playground: Playground, hosts: dict[str, str]
) -> None:
    """What the documentation warns of. Should Ansible hide it one day, the warnings can go."""
    look_up, _write, _run = safe_tasks(Path("unused"), "true")
    shown = {
        "name": "shown",
        "ansible.builtin.command": "true",
        "environment": "{{ proxies.leases[0] | qingguo.qgnet.proxy_environment }}",
        "no_log": True,
    }
    playground.is_checked = False
    tasks = (look_up, shown)
    run = play_with_credentials(sim, playground, hosts, *tasks, verbosity="-vvv").ok()
    assert "SECRETPWD" in run.stdout
