# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose turn it is: who leads, for which claims, and what is left of processes that die."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError, WaitBudgetExceeded
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.processes import run_id
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import Wait
from ansible_collections.qingguo.qgnet.plugins.module_utils._store import claims
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import WAITER_TTL, Claim, Claims, RunClaims
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.turns import Decision, TurnPolicy, Turns
from support.machine_clock import MachineClock
from support.processes import process_until_killed, run_together, threads, wait_for
from support.stores import open_store, quick_over_both

pytestmark = pytest.mark.usefixtures("every_store")


def turns(directory: Path, key: str = "k", access: str = "", *, check: bool = False, **how: Any) -> Turns:
    return Turns(Claims(open_store(directory), key, access, check=check), **how)


def host(name: str, run: str = "run", inventory: str = "f", max_wait: float = 5, *, in_sync: bool = False) -> Claim:
    identity = {"id": f"{run}/{name}", "run": run, "host": name, "inventory": inventory}
    return Claim({"ips": [f"ip-{name}"]}, max_wait, 1, in_sync=in_sync, **identity)


def task(name: str, max_wait: float = 5) -> Claim:
    return Claim({"ips": [name]}, max_wait, 1)


def work(batch: list[Claim]) -> Decision:
    return Decision({"ips": [ip for claim in batch for ip in claim.wanted["ips"]]}, batch)


class Recorder:
    """A leader that records the requests of each batch."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []

    def __call__(self, batch: list[Claim]) -> Decision:
        self.rounds.append([claim.host or claim.wanted["ips"][0] for claim in batch])
        return work(batch)


def rows(directory: Path, table: str = "claims") -> int:
    count: int = open_store(directory).rows(f"SELECT count(*) FROM {table}")[0][0]
    return count


def waiting(directory: Path) -> int:
    """The number of requests whose processes wait."""
    return rows(directory, "claims WHERE renewed_at IS NOT NULL")


def hosts_of(mine: Turns, run: str) -> set[str]:
    return {host for (host,) in mine.claims.store.rows("SELECT host FROM claims WHERE run = ?", run)}


def submit_behind_a_leader(directory: Path, *requests: Claim, write: Recorder) -> list[Any]:
    """The results of requests that wait in threads while another one writes; then one of them writes for the rest."""
    results: list[Any] = []

    def submit(request: Claim) -> None:
        results.append(turns(directory, access=request.wanted.get("access", "")).take(request, write))

    with threads(*(partial(submit, request) for request in requests)) as start:

        def hold(held: list[Claim]) -> Decision:
            start()
            wait_for(lambda: waiting(directory) == sum(not request.exclusive for request in requests))
            return work(held)

        turns(directory).take(task("holder"), hold)
    return results


# --- who writes for whom --------------------------------------------------------------------------------------------


@quick_over_both
def test_the_first_host_writes_for_all_and_the_others_find_their_result(tmp_path: Path) -> None:
    write = Recorder()
    mine = turns(tmp_path)
    for name in "abc":
        mine.claims.make(host(name))
    assert mine.take(host("b"), write) is None
    for name in "ac":
        assert mine.take(host(name), write) == {"ips": ["ip-b", "ip-a", "ip-c"]}
    assert [sorted(names) for names in write.rounds] == [["a", "b", "c"]]
    assert write.rounds[0][0] == "b", "the leader comes first"
    assert hosts_of(mine, "run") == {"a", "b", "c"}


def test_a_request_is_found_for_its_own_key_run_and_inventory_only(tmp_path: Path) -> None:
    mine = turns(tmp_path)
    mine.claims.make(host("a"))
    assert mine.claims.of_host("run", "a", "f") == host("a")
    for run, inventory in (("x", "f"), ("run", "x")):
        assert mine.claims.of_host(run, "a", inventory) is None
    assert turns(tmp_path, key="x").claims.of_host("run", "a", "f") is None
    mine.claims.cancel("run", "a")
    assert mine.claims.of_host("run", "a", "f") is None


def test_a_host_that_comes_later_writes_again_for_itself_alone(tmp_path: Path) -> None:
    write = Recorder()
    mine = turns(tmp_path)
    for name in "aba":
        mine.claims.make(host(name))
        mine.take(host(name), write)
    assert write.rounds == [["a"], ["b"], ["a"]]


def test_requests_of_other_runs_and_inventories_are_not_written_unless_they_wait(tmp_path: Path) -> None:
    write = Recorder()
    mine = turns(tmp_path)
    for request in (host("a"), host("b", run="other"), host("c", inventory="other")):
        mine.claims.make(request)
    for n, other in enumerate([turns(tmp_path, key="x"), turns(tmp_path, access="x"), turns(tmp_path, check=True)]):
        other.claims.make(host(f"d{n}"))
    mine.take(host("a"), write)
    assert write.rounds == [["a"]]


def test_a_single_task_does_not_write_to_the_database(tmp_path: Path) -> None:
    mine = turns(tmp_path)
    transactions: list[bool] = []
    mine.claims.store.transaction = lambda: transactions.append(True)
    assert mine.take(task("1"), work) is None
    assert transactions == []
    assert rows(tmp_path) == 0


@quick_over_both
def test_all_waiting_requests_of_hosts_and_tasks_are_one_batch(tmp_path: Path) -> None:
    write = Recorder()
    mine = turns(tmp_path)
    hosts = [host("a"), host("b", run="other", inventory="x")]
    for request in (*hosts, host("idle", run="third")):
        mine.claims.make(request)
    requests = [*hosts, *(task(str(n)) for n in range(6))]
    results = submit_behind_a_leader(tmp_path, *requests, write=write)
    assert [sorted(names) for names in write.rounds] == [["0", "1", "2", "3", "4", "5", "a", "b"]]
    found = [sorted(result["ips"]) for result in results if result is not None]
    assert found == [["0", "1", "2", "3", "4", "5", "ip-a", "ip-b"]] * 7, "all but the leader"
    # The requests of hosts are kept as long as their run; those of tasks are not.
    assert rows(tmp_path) == 3


def test_the_batch_includes_requests_that_come_within_the_window(tmp_path: Path) -> None:
    write, waited = Recorder(), list[float]()

    def batch_window() -> float:
        start_late()
        return 0.5

    def come(name: str) -> None:
        mine = turns(tmp_path)
        if mine.take(task(name), write, batch_window) is None:
            waited.append(mine.waited)

    late, others = threads(partial(come, "late")), threads(partial(come, "a"), partial(come, "b"))
    with late as start_late, others as start, open_store(tmp_path).try_lock("whitelist-k"):
        start()
        wait_for(lambda: rows(tmp_path) == 2)
    assert [sorted(names) for names in write.rounds] == [["a", "b", "late"]]
    assert [seconds >= 0.5 for seconds in waited] == [True]


def test_there_is_no_batch_window_unless_others_wait(tmp_path: Path) -> None:
    def batch_window() -> float:
        raise AssertionError("no other request waits")

    write, mine = Recorder(), turns(tmp_path)
    for name in "ab":
        mine.claims.make(host(name))
    for request in (task("1"), host("a"), host("b")):
        mine.take(request, write, batch_window)
    assert write.rounds == [["1"], ["a", "b"]]


def test_incompatible_and_exclusive_requests_are_batches_of_their_own(tmp_path: Path) -> None:
    write = Recorder()
    exclusive = Claim({"ips": ["exact"]}, 5, 1, exclusive=True)
    of_another = Claim({"ips": ["3"], "access": "other"}, 5, 1)
    submit_behind_a_leader(tmp_path, task("1"), task("2"), of_another, exclusive, write=write)
    assert sorted(sorted(names) for names in write.rounds) == [["1", "2"], ["3"], ["exact"]]


def test_a_request_that_the_leader_leaves_undecided_is_written_by_its_own_process(tmp_path: Path) -> None:
    class Alone(Recorder):
        def __call__(self, batch: list[Claim]) -> Decision:
            return super().__call__(batch[:1])

    write = Alone()
    submit_behind_a_leader(tmp_path, *(task(str(n)) for n in range(3)), write=write)
    assert sorted(write.rounds) == [["0"], ["1"], ["2"]]


def test_predictions_do_not_wait_for_leaders_that_write(tmp_path: Path) -> None:
    def hold(batch: list[Claim]) -> Decision:
        assert turns(tmp_path, check=True).take(task("1", max_wait=0), work) is None
        return work(batch)

    turns(tmp_path).take(task("holder"), hold)


# --- results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ips", [[], ["ip-b"]], ids=["another", "the same"])
def test_a_reading_does_not_decide_what_a_host_has_claimed_since_its_claim_was_read(
    tmp_path: Path, ips: list[str]
) -> None:
    """The host's task has ended meanwhile, and its ``rescue`` claims anew: nothing was done for that yet."""
    again = replace(host("b"), wanted={"ips": ips})
    mine, write = turns(tmp_path), Recorder()
    for name in "abc":
        mine.claims.make(host(name))

    def replaced(batch: list[Claim]) -> Decision:
        turns(tmp_path).claims.make(again)
        return write(batch)

    assert mine.take(host("a"), replaced) is None
    known = mine.claims.of_host("run", "b", "f")
    assert known is not None
    assert (known.wanted, mine.claims.decided_by(again)) == ({"ips": ips}, None)
    assert mine.take(host("c"), write) == {"ips": ["ip-a", "ip-b", "ip-c"]}
    assert mine.take(again, work) is None, "it writes for itself"
    assert turns(tmp_path).take(again, work) == {"ips": ips}


def test_a_claim_at_rest_stays_so_while_a_leader_writes_for_an_earlier_one(tmp_path: Path) -> None:
    mine = turns(tmp_path)
    for name in "ab":
        mine.claims.make(host(name))

    def replaced(batch: list[Claim]) -> Decision:
        turns(tmp_path).claims.make(host("b", in_sync=True))
        return work(batch)

    assert mine.take(host("a"), replaced) is None
    known = mine.claims.of_host("run", "b", "f")
    assert known is not None
    assert (known.in_sync, mine.claims.decided_by(known)) == (True, None)


def test_a_reading_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    mine, write = turns(tmp_path), Recorder()
    for name in "ab":
        mine.claims.make(host(name))
    mine.take(host("a"), write)
    mine.claims.store.execute("DELETE FROM readings")
    assert mine.take(host("b"), write) is None
    assert write.rounds == [["a", "b"], ["b"]]


def test_a_run_is_in_sync_if_nothing_had_to_be_done_for_any_of_its_hosts(tmp_path: Path) -> None:
    mine = turns(tmp_path)
    run = RunClaims(mine.claims.store, "run")
    assert not run.is_in_sync(), "nothing is known of it"
    for name in "ab":
        mine.claims.make(host(name, in_sync=True))
        assert run.is_in_sync()
    mine.claims.make(host("x", run="another"))
    assert run.is_in_sync()
    mine.claims.make(host("c"))
    assert not run.is_in_sync()
    mine.take(host("c"), work)
    assert mine.claims.decided_by(host("c")) is not None
    # Ansible asks for each host anew, and must get the same result while one task is under way.
    assert not run.is_in_sync()
    # The role comes again, and this time all is well.
    mine.claims.make(host("c", in_sync=True))
    assert run.is_in_sync()


# --- processes that die or hang -------------------------------------------------------------------------------------


def write_slowly(directory: Path, name: str, record: Path, dies: bool) -> None:
    mine = turns(directory)

    def write(batch: list[Claim]) -> Decision:
        with record.open("a", encoding="ascii") as file:
            file.write(" ".join(sorted(claim.host for claim in batch)) + "\n")
        time.sleep(0.2)
        return os._exit(9) if dies else work(batch)

    found = mine.take(host(name, max_wait=30), write)
    assert found is None or f"ip-{name}" in found["ips"]


@quick_over_both
def test_processes_that_start_together_write_once_and_survive_a_leader_that_dies(tmp_path: Path) -> None:
    names, record = [f"h{n}" for n in range(8)], tmp_path / "record"
    # A process closes its store before it creates children.
    with contextlib.closing(open_store(tmp_path)) as store:
        for name in names:
            Claims(store, "k").make(host(name))
    with process_until_killed(write_slowly, tmp_path, "h0", record, True) as leader:
        leader.join(20)
        assert leader.exitcode == 9
    run_together(write_slowly, *((tmp_path, name, record, False) for name in names))
    rounds = record.read_text(encoding="ascii").splitlines()
    assert len(rounds) == 2, "one that died, and one that wrote for all"
    assert set(rounds[1].split()) == set(names)


def test_the_request_of_a_process_that_was_killed_while_it_waited_is_never_written(tmp_path: Path) -> None:
    policy, write = TurnPolicy(renew_timeout=0.5), Recorder()

    def hold(batch: list[Claim]) -> Decision:
        dying = task("dead", max_wait=60)
        with process_until_killed(lambda: turns(tmp_path).take(dying, work)):
            wait_for(lambda: rows(tmp_path) == 1)
        return work(batch)

    turns(tmp_path).take(task("holder"), hold)
    assert rows(tmp_path) == 1
    mine = turns(tmp_path, policy=policy)
    mine.claims.make(host("a"))
    mine.take(host("a"), write)
    assert write.rounds == [["a"]]
    later = mine.claims.store.now() + WAITER_TTL + 1
    mine.claims.store.now = lambda: later
    mine.take(task("1"), write)
    mine.purge()
    assert rows(tmp_path) == 1, "that of the host"


def test_a_leader_does_not_wait_for_a_process_that_was_killed_long_ago(tmp_path: Path) -> None:
    write, mine = Recorder(), turns(tmp_path)
    mine.claims.make(task("dead"), waits=True)
    later = mine.claims.store.now() + TurnPolicy().renew_timeout + 1
    mine.claims.store.now = lambda: later
    mine.claims.store.wait_for_change = lambda _seconds, _wait: pytest.fail("it waits")
    mine.take(task("1"), write)
    assert write.rounds == [["1"]]


def test_a_request_that_was_dropped_while_its_process_was_stopped_is_enqueued_anew(tmp_path: Path) -> None:
    def wait() -> None:
        turns(tmp_path, policy=TurnPolicy(renew_interval=0.0)).take(task("1"), work)

    with threads(wait) as start, open_store(tmp_path).try_lock("whitelist-k"):
        start()
        wait_for(lambda: waiting(tmp_path) == 1)
        assert open_store(tmp_path).execute("DELETE FROM claims") == 1
        wait_for(lambda: waiting(tmp_path) == 1)


def test_a_request_is_withdrawn_when_its_process_gives_up(tmp_path: Path) -> None:
    mine = turns(tmp_path, policy=TurnPolicy(max_calls=0))
    mine.claims.make(host("a", max_wait=0))
    with open_store(tmp_path).try_lock("whitelist-k"):
        for request in (task("1", max_wait=0), host("a", max_wait=0)):
            with pytest.raises(WaitBudgetExceeded):
                mine.take(request, work)
    assert waiting(tmp_path) == 0
    assert hosts_of(mine, "run") == {"a"}, "its run may still write for it"


def test_a_leader_that_works_or_pauses_is_waited_for_beyond_max_wait(tmp_path: Path) -> None:
    results, readings = list[tuple[Any, float]](), list[float]()

    def clock() -> float:
        readings.append(time.monotonic())
        return readings[-1]

    def wait() -> None:
        mine = turns(tmp_path, policy=TurnPolicy(grace=0.0), clock=clock)
        results.append((mine.take(task("1", max_wait=0), work), mine.waited))

    with threads(wait) as start:

        def hold(batch: list[Claim]) -> Decision:
            start()
            wait_for(lambda: rows(tmp_path) == 1)
            # As the other process measures it: on a busy machine, it may begin late.
            wait_for(lambda: len(readings) > 0 and readings[-1] - readings[0] >= 0.3)
            return work(batch)

        turns(tmp_path).take(task("holder"), hold)
    ((result, waited),) = results
    assert result is None, "then it writes for itself"
    assert waited >= 0.3
    assert rows(tmp_path) == 0


def test_waiting_for_other_leaders_ends_at_the_deadline(tmp_path: Path) -> None:
    now = [0.0]

    def sleep(_seconds: float, _wait: Wait) -> None:
        now[0] += 1.0

    mine = turns(tmp_path, clock=lambda: now[0])
    mine.claims.store.wait_for_change = sleep
    message = f"the same whitelist for 35 seconds, at last process {os.getpid()}: run again later"
    with open_store(tmp_path).try_lock("whitelist-k"), pytest.raises(QgError, match=message):
        mine.take(task("1"), work)
    # max_wait is 5 s, and each of 10 calls may take 3 s.
    assert now == [36.0]


# --- what is kept, and for how long ---------------------------------------------------------------------------------


def test_old_requests_are_deleted(tmp_path: Path) -> None:
    mine = turns(tmp_path)
    mine.claims.make(host("a"))
    later = mine.claims.store.now() + 90000
    mine.claims.store.now = lambda: later
    mine.claims.make(host("b"))
    mine.purge()
    assert hosts_of(mine, "run") == {"b"}


def test_a_run_keeps_its_requests_and_results_if_the_wall_clock_is_set_by_days(tmp_path: Path) -> None:
    machine = MachineClock(lambda: 1_800_000_000.0)
    mine = Turns(Claims(open_store(tmp_path, machine=machine), "k"))
    mine.claims.make(host("a"))
    results = RunClaims(mine.claims.store, "run")
    results.begin("a", "play", "task", {"registered": ["ip-a"]}, final=True)
    machine.set_wall(2 * 86400)
    later = Turns(Claims(open_store(tmp_path, machine=machine), "k"))
    later.purge()
    assert hosts_of(later, "run") == {"a"}
    assert results.get("a") == {"registered": ["ip-a"]}


def test_the_number_of_claims_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MAX_CLAIMS", 20)
    for n in range(10):
        # Runs in other containers: their end cannot be seen from here.
        mine, run = turns(tmp_path), f"{n} 1 elsewhere"
        for name in "abcdef":
            mine.claims.make(host(name, run=run))
        mine.take(host("a", run=run), work)
        assert rows(tmp_path) <= 20
    assert hosts_of(mine, run) == set("abcdef")


def test_what_a_finished_run_has_left_is_deleted(tmp_path: Path) -> None:
    own = run_id()
    finished = f"99999999 {own.split(' ', 1)[1]}"
    mine = turns(tmp_path)
    for name, run in (("a", own), ("b", finished)):
        mine.claims.make(host(name, run=run))
        RunClaims(mine.claims.store, run).begin("a", "play", "task", {"ips": []}, final=True)
    mine.take(host("a", run=own), work)
    assert (hosts_of(mine, own), rows(tmp_path)) == ({"a"}, 1)
    assert RunClaims(mine.claims.store, own).get("a") == {"ips": []}
