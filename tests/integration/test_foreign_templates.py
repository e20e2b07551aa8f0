# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of the vendor is no template where a user trusts it: results, facts, the ledger, in a file
of variables.
"""

from __future__ import annotations

import json

import ansible.template
import pytest
from integration.playground import Playground
from qgnet_simulator.running import Simulator

#: Each runs a command in a template of Ansible, the second one as a literal of Python.
TRAPS = [
    "{{ lookup('ansible.builtin.pipe', 'touch TRAPPED') }}",
    r"""["\x7b\x7b lookup('ansible.builtin.pipe', 'touch TRAPPED') }}"]""",
    (
        "#jinja2: variable_start_string: '[', variable_end_string: "
        "']'\n[lookup('ansible.builtin.pipe', 'touch TRAPPED')]"
    ),
]
LEASE = {"IP": "192.0.2.1", "port": 80, "host": "192.0.2.1:80", "deadline": "2099-01-01 00:00:00"}

SAVE = """
- hosts: localhost
  gather_facts: false
  tasks:
    - {name: whitelist, qingguo.qgnet.qg_whitelist_info: , register: whitelist}
    - {name: quota, qingguo.qgnet.qg_quota_info: , register: quota, ignore_errors: true}
    - {name: lease, qingguo.qgnet.qg_proxy_allocate: {count: 2}, register: lease}
    - {name: leases, qingguo.qgnet.qg_proxy_info: , register: leases}
    - {name: ledger, qingguo.qgnet.qg_ledger_info: , register: ledger}
    - {name: packages, qingguo.qgnet.qg_cloud_package_facts: {product_id: 1}}
    - ansible.builtin.set_fact:
        kept: "{{ [whitelist, quota, lease, leases, ledger, ansible_facts['qg_cloud_packages'], looked_up] }}"
      vars:
        looked_up: "{{ query('qingguo.qgnet.proxy', form='lease') }}"
    - ansible.builtin.copy:
        content: "{{ {'saved': kept} | to_json }}"
        dest: "{{ file }}"
        mode: "0600"
    - {name: kept, ansible.builtin.debug: {var: kept}}
"""
#: The file is a user's own now.
TRUST = """
- hosts: localhost
  gather_facts: false
  vars_files: ["{{ file }}"]
  vars:
    texts: "{{ saved }}"
  tasks:
    - ansible.builtin.set_fact:
        again: "{{ texts }}"
    - {name: again, ansible.builtin.debug: {var: again}}
"""


#: Since ansible-core 2.19, templates are always native.
NATIVE = [False] if hasattr(ansible.template, "trust_as_template") else [False, True]


@pytest.mark.parametrize("native", NATIVE)
def test_what_was_registered_is_no_template_in_a_file_of_variables(
    sim: Simulator, playground: Playground, native: bool
) -> None:
    odd = {f"area{number}": trap for number, trap in enumerate(TRAPS)}
    leases = []
    for port, trap in enumerate(TRAPS, 81):
        leases.append({**LEASE, "region": trap, "port": str(port), "host": f"192.0.2.3:{port}"})
    bodies = {
        "/whitelist/query": {"Code": 0, "Data": ["192.0.2.1", *TRAPS]},
        "/info/quota": {"Code": -13, "Msg": TRAPS[0]},
        "/allocate": {
            "Code": 0,
            "TaskID": TRAPS[0],
            "Data": [{**LEASE, "IP": "192.0.2.2", "host": "192.0.2.2:80", "deadline": TRAPS[0]}],
        },
        "/query": {"Code": 0, "TaskList": [{"TaskID": TRAPS[0], "Data": leases}]},
        "/api/cloud-product/packageList": {
            "Code": 0,
            "Data": [{"Package_no": trap, **odd} for trap in TRAPS],
        },
    }
    for path, body in bodies.items():
        times = 1 if path == "/info/quota" else -1
        sim.fault(path=path, kind="garbage", body=json.dumps(body), times=times)
    named = {
        "QG_KEY": sim.key,
        "QG_API_URL": sim.api_url,
        "QG_APP_ID": sim.app_id,
        "QG_APP_KEY": sim.app_key,
    }
    named["QG_ACCOUNT_URL"] = sim.account_url
    if native:
        named["ANSIBLE_JINJA2_NATIVE"] = "true"
    variables = {"file": str(playground.root / "saved.json")}
    shown = playground.play(SAVE, variables=variables, environment=named).ok().of("kept").result
    trapped = [str(each).count("touch TRAPPED") > 0 for each in shown["kept"]]
    # The journal keeps no text of the vendor but names and times that can be read.
    assert trapped == [True, True, True, True, False, True, True]
    again = playground.play(TRUST, variables=variables, environment=named).ok().of("again").result
    assert again["again"] == shown["kept"]
    sim.fault(path="/info/quota", kind="garbage", body=json.dumps(bodies["/info/quota"]))
    variables = {"qg_metrics_file": str(playground.root / "qgnet.prom")}
    playground.play("qingguo.qgnet.metrics", variables=variables, environment=named)
    assert "touch TRAPPED" not in (playground.root / "qgnet.prom").read_text()
    assert not list(playground.root.rglob("TRAPPED"))
