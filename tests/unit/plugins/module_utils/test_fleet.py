# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One write for all hosts of a play, and the memory of what was registered."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._fleet import (
    Board,
    HostWish,
    Memory,
    Verdict,
    fleet_plan,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._state import State
from hypothesis import given
from hypothesis import strategies as st

POOL = [f"203.0.113.{n}" for n in range(1, 9)]
addresses = st.lists(st.sampled_from(POOL), max_size=3)
hosts = st.dictionaries(st.sampled_from("abcdef"), addresses, min_size=1)


@given(
    wanted=hosts, remembered=hosts, others=st.sets(st.sampled_from(POOL)), state=st.sampled_from(["present", "absent"])
)
def test_no_address_is_dropped_that_a_host_still_uses(
    wanted: dict[str, list[str]], remembered: dict[str, list[str]], others: set[str], state: str
) -> None:
    wishes = [HostWish(host, tuple(ips)) for host, ips in wanted.items()]
    made = fleet_plan(state, wishes, {host: set(ips) for host, ips in remembered.items()}, others)
    current = {ip for ips in wanted.values() for ip in ips}
    former = {ip for host in wanted for ip in remembered.get(host, ())}
    if state == "present":
        assert set(made.ips) == current
        assert set(made.obsolete) == former - current - others
    else:
        assert made.ips == ()
        assert set(made.obsolete) == (former | current) - others


def board(directory: Path, run: str = "run", key: str = "k", fleet: str = "f", wanted: str = "present") -> Board:
    return Board(State(str(directory)), run, key, fleet, wanted)


def verdicts(wishes: list[HostWish]) -> dict[str, Verdict]:
    return {wish.host: {"ips": list(wish.ips)} for wish in wishes}


def test_the_first_writes_for_all_and_the_others_find_their_verdict(tmp_path: Path) -> None:
    written = []

    def write(wishes: list[HostWish]) -> dict[str, Verdict]:
        written.append({wish.host for wish in wishes})
        return verdicts(wishes)

    mine = board(tmp_path)
    for host in "abc":
        mine.post(HostWish(host, (f"ip-{host}",)))
    assert mine.settle("b", write, 5) == ({"ips": ["ip-b"]}, True)
    assert mine.settle("a", write, 5) == ({"ips": ["ip-a"]}, False)
    assert mine.settle("c", write, 5) == ({"ips": ["ip-c"]}, False)
    assert written == [{"a", "b", "c"}]
    assert mine.hosts() == {"a", "b", "c"}


def test_a_host_that_comes_later_writes_again_for_itself_alone(tmp_path: Path) -> None:
    written = []

    def write(wishes: list[HostWish]) -> dict[str, Verdict]:
        written.append([wish.host for wish in wishes])
        return verdicts(wishes)

    mine = board(tmp_path)
    mine.post(HostWish("a", ()))
    mine.settle("a", write, 5)
    mine.post(HostWish("b", ()))
    mine.settle("b", write, 5)
    mine.post(HostWish("a", ()))
    mine.settle("a", write, 5)
    assert written == [["a"], ["b"], ["a"]]


def test_other_runs_keys_fleets_and_states_are_none_of_its_business(tmp_path: Path) -> None:
    mine = board(tmp_path)
    mine.post(HostWish("a", ()))
    for n, other in enumerate([{"run": "other"}, {"key": "other"}, {"fleet": "other"}, {"wanted": "absent"}]):
        board(tmp_path, **other).post(HostWish(f"stranger{n}", ()))
    taken: list[str] = []

    def write(wishes: list[HostWish]) -> dict[str, Verdict]:
        taken.extend(wish.host for wish in wishes)
        return verdicts(wishes)

    mine.settle("a", write, 5)
    assert taken == ["a"]


def test_a_host_that_was_not_detected_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(QgError, match="No egress address of a was put down in this run: run the step detect first"):
        board(tmp_path).settle("a", verdicts, 5)


def test_old_wishes_are_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = board(tmp_path)
    mine.post(HostWish("a", ()))
    later = time.time() + 90000
    monkeypatch.setattr(time, "time", lambda: later)
    mine.post(HostWish("b", ()))
    assert mine.hosts() == {"b"}


def _settle(directory: str, host: str, record: str, dies: bool) -> None:
    def write(wishes: list[HostWish]) -> dict[str, Verdict]:
        with open(record, "a", encoding="ascii") as file:
            file.write(" ".join(wish.host for wish in wishes) + "\n")
        time.sleep(0.2)
        if dies:
            os._exit(9)
        return verdicts(wishes)

    verdict, _wrote = board(Path(directory)).settle(host, write, 30)
    assert verdict == {"ips": [f"ip-{host}"]}


def test_processes_that_come_together_write_once_and_survive_a_writer_that_dies(tmp_path: Path) -> None:
    names = [f"h{n}" for n in range(12)]
    for name in names:
        board(tmp_path).post(HostWish(name, (f"ip-{name}",)))
    context = multiprocessing.get_context("fork")
    record = tmp_path / "record"
    first = context.Process(target=_settle, args=(str(tmp_path), "h0", str(record), True))
    first.start()
    first.join(10)
    assert first.exitcode == 9
    others = [context.Process(target=_settle, args=(str(tmp_path), name, str(record), False)) for name in names]
    for other in others:
        other.start()
    for other in others:
        other.join(30)
        assert other.exitcode == 0
    rounds = record.read_text(encoding="ascii").splitlines()
    assert len(rounds) == 2, "one that died, and one that wrote for all"
    assert set(rounds[1].split()) == set(names)


def test_waiting_for_another_writer_has_an_end(tmp_path: Path) -> None:
    mine = board(tmp_path)
    mine.post(HostWish("a", ()))
    with State(str(tmp_path)).try_lock("whitelist-k") as held:
        assert held
        with pytest.raises(QgError, match="Another process has been writing"):
            mine.settle("a", verdicts, 0.2)


def test_the_memory_tells_own_addresses_from_those_of_others(tmp_path: Path) -> None:
    state = State(str(tmp_path))
    here, there, other_key = Memory(state, "k", "f"), Memory(state, "k", "g"), Memory(state, "x", "f")
    here.note([("a", ["1"]), ("b", ["1", "2"])])
    there.note([("a", ["3"])])
    other_key.note([("a", ["4"])])
    assert here.recall({"a"}) == ({"a": {"1"}}, {"1", "2", "3"})
    assert here.recall({"a", "b", "new"}) == ({"a": {"1"}, "b": {"1", "2"}, "new": set()}, {"3"})
    here.note([("a", ["5"]), ("b", [])])
    assert here.recall({"a", "b"}) == ({"a": {"5"}, "b": set()}, {"3"})
