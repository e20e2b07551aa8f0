# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook probe_vendor, as in an installed collection."""

from __future__ import annotations

from pathlib import Path

from simulator.fixture import Simulator
from support.playbooks import Playground

PROBE = "qingguo.qgnet.probe_vendor"


def probe(sim: Simulator, playground: Playground, *arguments: str) -> tuple[int, str, list[Path]]:
    """Return the exit code, what the playbook shows, and the recordings."""
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "PWD": str(playground.root / "play")}
    run = playground.play(PROBE, variables={"qg_probe_arguments": list(arguments)}, environment=environment)
    assert sim.key not in run.output
    recordings = [path for path in playground.left_behind() if path.name.startswith("live-")]
    return run.rc, "\n".join(run.of("Show the answers").result["msg"]) if run.rc == 0 else run.output, recordings


def test_by_default_it_only_reads_and_finds_no_difference(sim: Simulator, playground: Playground) -> None:
    rc, shown, (recording,) = probe(sim, playground)
    assert (rc, recording.parent) == (0, playground.root / "play")
    assert ", 0 differently from the simulator." in shown
    assert {call["path"] for call in sim.journal()} == {"/query", "/info/quota", "/resources", "/whitelist/query"}


def test_a_difference_is_no_failure(sim: Simulator, playground: Playground) -> None:
    sim.configure(options={"present_add": "full"})
    rc, shown, _recordings = probe(sim, playground, "--write")
    assert rc == 0
    assert "set options.present_add=full." in shown
    assert sim.whitelist() == []


def test_a_vendor_that_does_not_respond_is_a_failure(sim: Simulator, playground: Playground) -> None:
    rc, shown, _recordings = probe(sim, playground, "--api-url", "http://127.0.0.1:1", "--timeout", "1")
    assert rc == 2
    assert "No response: " in shown
