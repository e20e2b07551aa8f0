# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that read an account, as tasks: on the control node, and as modules on another
host.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
from integration.module_tasks import CHECK, NO_PYTHON, THERE, from_variables, play_tasks, task
from integration.playground import Playground, calls
from qgnet_simulator.running import Simulator
from support import vendor_pages as pages
from support.account_modules import READERS

pytestmark = pytest.mark.newest

PATHS = [reader.path for reader in READERS.values()]
ORDER = {"package_no": "1", "system_no": "1", "duration": "1m"}
#: The simulator shows other addresses than the vendor's page does.
INSTANCE: dict[str, Any] = {
    **pages.INSTANCE,
    "ip": "192.0.2.255",
    "local_ip": "198.19.255.1",
    "vendor": {**pages.INSTANCE["vendor"], "Ip": "192.0.2.255", "Local_ip": "198.19.255.1"},
}
#: What is reported of each, without what the account has beside it.
EXPECTED: dict[str, dict[str, Any]] = {
    "balance": {"balance": "12.34", "amount": 12.34},
    "plan": {"plan": pages.PLAN},
    "price": {"price": {**pages.PRICE, **ORDER}},
    "lines": {"lines": [pages.LINE]},
}


def signature(sim: Simulator, moment: str) -> str:
    """The signature that the vendor's page asks for."""
    text = f"{sim.app_id}www.qg.net{moment}{sim.app_key}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    "where", [{}, pytest.param(THERE, marks=pytest.mark.slow)], ids=["here", "delegated"]
)
def test_each_module_as_a_task(
    sim: Simulator, playground: Playground, where: dict[str, Any]
) -> None:
    before = int(time.time())
    credentials = {"app_id": sim.app_id, "app_key": sim.app_key, "account_url": sim.account_url}
    tasks = [task(name, reader.module, reader.options, **where) for name, reader in READERS.items()]
    checked = [{**each, **CHECK, "name": f"{each['name']} in check mode"} for each in tasks]
    # No Python is needed where nothing is sent.
    variables = credentials if where else {**credentials, **NO_PYTHON}
    defaults = from_variables(*credentials)

    run = play_tasks(playground, *tasks, *checked, defaults=defaults, variables=variables).ok()

    for mode in ("", " in check mode"):
        results = {name: run.of(f"{name}{mode}").result for name in READERS}
        assert not any(result["changed"] for result in results.values())
        for name, expected in EXPECTED.items():
            assert results[name].items() >= expected.items()
            assert results[name]["api"] == {"calls": 1, "retries": 0, "waited_seconds": 0.0}
        assert results["instances"]["instances"][0] == INSTANCE
        package = results["packages"]["ansible_facts"]["qg_cloud_packages"][0]
        assert package["package_no"] == pages.PACKAGE["package_no"]
        assert package["day_rate"] is None
    # The same is read in check mode, there is nothing to predict.
    assert calls(sim) == PATHS * 2
    for call in sim.journal():
        assert call["method"] == "GET"
        assert call["key"] == sim.app_id
        assert call["refusal"] is None
        assert before <= int(call["params"]["time"]) <= time.time()
        assert call["params"]["sign"] == signature(sim, call["params"]["time"])
    assert sim.app_key not in str(sim.journal())
    # Here, nothing at all is sent to the host; delegated, the module is.
    assert bool(run.spied) is bool(where)
