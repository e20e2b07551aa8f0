# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The write queue: who leads, for which requests, and what is left of processes that die."""

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
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import Wait
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.queue_policy import QueuePolicy
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.run_results import RunResults
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.runs import run_id
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.write_queue import (
    WAITER_TTL,
    Result,
    WriteQueue,
    WriteRequest,
    is_in_sync,
)
from support.machine_clock import MachineClock
from support.processes import process_until_killed, run_together, threads, wait_for
from support.stores import open_store, quick_over_both

pytestmark = pytest.mark.usefixtures("every_store")


def queue(directory: Path, key: str = "k", access: str = "", **how: Any) -> WriteQueue:
    return WriteQueue(open_store(directory), key, access, **how)


def host(name: str, run: str = "run", inventory: str = "f", max_wait: float = 5) -> WriteRequest:
    identity = {"id": f"{run}/{name}", "run": run, "host": name, "inventory": inventory}
    return WriteRequest({"ips": [f"ip-{name}"]}, max_wait, 1, **identity)


def task(name: str, max_wait: float = 5) -> WriteRequest:
    return WriteRequest({"ips": [name]}, max_wait, 1)


def work(requests: list[WriteRequest]) -> dict[str, Result]:
    return {request.id: {"ips": request.payload["ips"]} for request in requests}


class Recorder:
    """A leader that records the requests of each batch."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []

    def __call__(self, requests: list[WriteRequest]) -> dict[str, Result]:
        self.rounds.append([request.host or request.payload["ips"][0] for request in requests])
        return work(requests)


def rows(directory: Path, table: str = "write_requests") -> int:
    count: int = open_store(directory).rows(f"SELECT count(*) FROM {table}")[0][0]
    return count


def waiting(directory: Path) -> int:
    """The number of requests whose processes wait."""
    return rows(directory, "write_requests WHERE renewed_at IS NOT NULL")


def hosts_of(mine: WriteQueue, run: str) -> set[str]:
    return {host for (host,) in mine.store.rows("SELECT host FROM write_requests WHERE run = ?", run)}


def submit_behind_a_leader(directory: Path, *requests: WriteRequest, write: Recorder) -> list[Result | None]:
    """The results of requests that wait in threads while another one writes; then one of them writes for the rest."""
    results: list[Result | None] = []

    def submit(request: WriteRequest) -> None:
        results.append(queue(directory, access=request.payload.get("access", "")).submit(request, write))

    with threads(*(partial(submit, request) for request in requests)) as start:

        def hold(held: list[WriteRequest]) -> dict[str, Result]:
            start()
            wait_for(lambda: waiting(directory) == sum(not request.exclusive for request in requests))
            return work(held)

        queue(directory).submit(task("holder"), hold)
    return results


# --- who writes for whom --------------------------------------------------------------------------------------------


@quick_over_both
def test_the_first_host_writes_for_all_and_the_others_find_their_result(tmp_path: Path) -> None:
    write = Recorder()
    mine = queue(tmp_path)
    for name in "abc":
        mine.enqueue(host(name))
    assert mine.submit(host("b"), write) is None
    assert mine.submit(host("a"), write) == {"ips": ["ip-a"]}
    assert mine.submit(host("c"), write) == {"ips": ["ip-c"]}
    assert [sorted(names) for names in write.rounds] == [["a", "b", "c"]]
    assert write.rounds[0][0] == "b", "the leader comes first"
    assert hosts_of(mine, "run") == {"a", "b", "c"}


def test_a_request_is_found_for_its_own_key_run_and_inventory_only(tmp_path: Path) -> None:
    mine = queue(tmp_path)
    mine.enqueue(host("a"))
    assert mine.get_for_host("run", "a", "f") == host("a")
    for run, inventory in (("x", "f"), ("run", "x")):
        assert mine.get_for_host(run, "a", inventory) is None
    assert queue(tmp_path, key="x").get_for_host("run", "a", "f") is None
    mine.cancel("run", "a")
    assert mine.get_for_host("run", "a", "f") is None


def test_a_host_that_comes_later_writes_again_for_itself_alone(tmp_path: Path) -> None:
    write = Recorder()
    mine = queue(tmp_path)
    for name in "aba":
        mine.enqueue(host(name))
        mine.submit(host(name), write)
    assert write.rounds == [["a"], ["b"], ["a"]]


def test_requests_of_other_runs_and_inventories_are_not_written_unless_they_wait(tmp_path: Path) -> None:
    write = Recorder()
    mine = queue(tmp_path)
    for request in (host("a"), host("b", run="other"), host("c", inventory="other")):
        mine.enqueue(request)
    for n, other in enumerate([queue(tmp_path, key="x"), queue(tmp_path, access="x"), queue(tmp_path, check=True)]):
        other.enqueue(host(f"d{n}"))
    mine.submit(host("a"), write)
    assert write.rounds == [["a"]]


def test_a_single_task_does_not_write_to_the_database(tmp_path: Path) -> None:
    mine = queue(tmp_path)
    transactions: list[bool] = []
    mine.store.transaction = lambda: transactions.append(True)
    assert mine.submit(task("1"), work) is None
    assert transactions == []
    assert rows(tmp_path) == 0


@quick_over_both
def test_all_waiting_requests_of_hosts_and_tasks_are_one_batch(tmp_path: Path) -> None:
    write = Recorder()
    mine = queue(tmp_path)
    hosts = [host("a"), host("b", run="other", inventory="x")]
    for request in (*hosts, host("idle", run="third")):
        mine.enqueue(request)
    requests = [*hosts, *(task(str(n)) for n in range(6))]
    results = submit_behind_a_leader(tmp_path, *requests, write=write)
    assert [sorted(names) for names in write.rounds] == [["0", "1", "2", "3", "4", "5", "a", "b"]]
    left = [request.payload["ips"] for request in requests]
    for result in filter(None, results):
        left.remove(result["ips"])
    assert (len(left), len(results)) == (1, 8), "that of the leader"
    # The requests of hosts are kept as long as their run; those of tasks are not.
    assert rows(tmp_path) == 3


def test_the_batch_includes_requests_that_come_within_the_window(tmp_path: Path) -> None:
    write, waited = Recorder(), list[float]()

    def batch_window() -> float:
        start_late()
        return 0.5

    def come(name: str) -> None:
        mine = queue(tmp_path)
        if mine.submit(task(name), write, batch_window) is None:
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

    write, mine = Recorder(), queue(tmp_path)
    for name in "ab":
        mine.enqueue(host(name))
    for request in (task("1"), host("a"), host("b")):
        mine.submit(request, write, batch_window)
    assert write.rounds == [["1"], ["a", "b"]]


def test_incompatible_and_exclusive_requests_are_batches_of_their_own(tmp_path: Path) -> None:
    write = Recorder()
    exclusive = WriteRequest({"ips": ["exact"]}, 5, 1, exclusive=True)
    of_another = WriteRequest({"ips": ["3"], "access": "other"}, 5, 1)
    submit_behind_a_leader(tmp_path, task("1"), task("2"), of_another, exclusive, write=write)
    assert sorted(sorted(names) for names in write.rounds) == [["1", "2"], ["3"], ["exact"]]


def test_a_request_that_the_leader_leaves_undecided_is_written_by_its_own_process(tmp_path: Path) -> None:
    class Alone(Recorder):
        def __call__(self, requests: list[WriteRequest]) -> dict[str, Result]:
            return super().__call__(requests[:1])

    write = Alone()
    submit_behind_a_leader(tmp_path, *(task(str(n)) for n in range(3)), write=write)
    assert sorted(write.rounds) == [["0"], ["1"], ["2"]]


def test_predictions_do_not_wait_for_leaders_that_write(tmp_path: Path) -> None:
    def hold(requests: list[WriteRequest]) -> dict[str, Result]:
        assert queue(tmp_path, check=True).submit(task("1", max_wait=0), work) is None
        return work(requests)

    queue(tmp_path).submit(task("holder"), hold)


# --- results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before the intent is recorded", "afterwards"])
@pytest.mark.parametrize("ips", [[], ["ip-b"]], ids=["another", "the same"])
def test_a_result_is_not_for_what_a_host_has_submitted_since_its_request_was_read(
    tmp_path: Path, moment: str, ips: list[str]
) -> None:
    """The host's task has ended meanwhile, and its ``rescue`` submits anew: nothing was done for that yet."""
    again = replace(host("b"), payload={"ips": ips})
    mine, write = queue(tmp_path), Recorder()
    for name in "abc":
        mine.enqueue(host(name))

    def replaced(requests: list[WriteRequest]) -> dict[str, Result]:
        if moment != "afterwards":
            queue(tmp_path).enqueue(again)
        mine.record_intent((request, request.payload["ips"]) for request in requests)
        if moment == "afterwards":
            queue(tmp_path).enqueue(again)
        return write(requests)

    assert mine.submit(host("a"), replaced) is None
    known = mine.get_for_host("run", "b", "f")
    assert known is not None
    assert (known.payload, known.seen, mine.result(again)) == ({"ips": ips}, (), None)
    assert mine.submit(host("c"), write) == {"ips": ["ip-c"]}
    assert mine.submit(again, work) is None, "it writes for itself"
    assert mine.result(again) == {"ips": ips}


def test_a_result_that_needs_no_write_is_kept_while_a_leader_writes_for_an_earlier_request(tmp_path: Path) -> None:
    mine = queue(tmp_path)
    for name in "ab":
        mine.enqueue(host(name))

    def replaced(requests: list[WriteRequest]) -> dict[str, Result]:
        queue(tmp_path).enqueue(host("b"), result={"ips": ["kept"]})
        mine.record_intent((request, request.payload["ips"]) for request in requests)
        return work(requests)

    assert mine.submit(host("a"), replaced) is None
    assert mine.result(host("b")) == {"ips": ["kept"]}


def test_a_run_is_in_sync_if_nothing_had_to_be_done_for_any_of_its_hosts(tmp_path: Path) -> None:
    mine = queue(tmp_path)
    assert not is_in_sync(mine.store, "run"), "nothing is known of it"
    for name in "ab":
        mine.enqueue(host(name), result={"ips": [name]})
        assert is_in_sync(mine.store, "run")
        assert mine.submit(host(name), lambda _requests: pytest.fail("nothing to write")) == {"ips": [name]}
    mine.enqueue(host("x", run="another"))
    assert is_in_sync(mine.store, "run")
    mine.enqueue(host("c"))
    assert not is_in_sync(mine.store, "run")
    mine.submit(host("c"), work)
    assert mine.result(host("c")) is not None
    # Ansible asks for each host anew, and must get the same result while one task is under way.
    assert not is_in_sync(mine.store, "run")
    # The role comes again, and this time all is well.
    mine.enqueue(host("c"), result={"ips": ["c"]})
    assert is_in_sync(mine.store, "run")


# --- processes that die or hang -------------------------------------------------------------------------------------


def write_slowly(directory: Path, name: str, record: Path, dies: bool) -> None:
    mine = queue(directory)

    def write(requests: list[WriteRequest]) -> dict[str, Result]:
        with record.open("a", encoding="ascii") as file:
            file.write(" ".join(sorted(request.host for request in requests)) + "\n")
        mine.record_intent((request, [*request.payload["ips"], *request.seen]) for request in requests)
        time.sleep(0.2)
        return os._exit(9) if dies else work(requests)

    assert mine.submit(host(name, max_wait=30), write) in (None, {"ips": [f"ip-{name}"]})


@quick_over_both
def test_processes_that_start_together_write_once_and_survive_a_leader_that_dies(tmp_path: Path) -> None:
    names, record = [f"h{n}" for n in range(8)], tmp_path / "record"
    # A process closes its store before it creates children.
    with contextlib.closing(open_store(tmp_path)) as store:
        for name in names:
            WriteQueue(store, "k").enqueue(host(name))
    with process_until_killed(write_slowly, tmp_path, "h0", record, True) as leader:
        leader.join(20)
        assert leader.exitcode == 9
    with contextlib.closing(open_store(tmp_path)) as store:
        known = WriteQueue(store, "k").get_for_host("run", "h3", "f")
    assert known is not None
    assert known.seen == ("ip-h3",), "the next writer knows whose change it was"
    run_together(write_slowly, *((tmp_path, name, record, False) for name in names))
    rounds = record.read_text(encoding="ascii").splitlines()
    assert len(rounds) == 2, "one that died, and one that wrote for all"
    assert set(rounds[1].split()) == set(names)


def test_the_request_of_a_process_that_was_killed_while_it_waited_is_never_written(tmp_path: Path) -> None:
    policy, write = QueuePolicy(renew_timeout=0.5), Recorder()

    def hold(requests: list[WriteRequest]) -> dict[str, Result]:
        dying = task("dead", max_wait=60)
        with process_until_killed(lambda: queue(tmp_path).submit(dying, work)):
            wait_for(lambda: rows(tmp_path) == 1)
        return work(requests)

    queue(tmp_path).submit(task("holder"), hold)
    assert rows(tmp_path) == 1
    mine = queue(tmp_path, policy=policy)
    mine.enqueue(host("a"))
    mine.submit(host("a"), write)
    assert write.rounds == [["a"]]
    later = mine.store.now() + WAITER_TTL + 1
    mine.store.now = lambda: later
    mine.submit(task("1"), write)
    mine.purge_stale()
    assert rows(tmp_path) == 1, "that of the host"


def test_a_leader_does_not_wait_for_a_process_that_was_killed_long_ago(tmp_path: Path) -> None:
    write, mine = Recorder(), queue(tmp_path)
    mine.enqueue(task("dead"), waits=True)
    later = mine.store.now() + QueuePolicy().renew_timeout + 1
    mine.store.now = lambda: later
    mine.store.wait_for_change = lambda _seconds, _wait: pytest.fail("it waits")
    mine.submit(task("1"), write)
    assert write.rounds == [["1"]]


def test_a_request_that_was_dropped_while_its_process_was_stopped_is_enqueued_anew(tmp_path: Path) -> None:
    def wait() -> None:
        queue(tmp_path, policy=QueuePolicy(renew_interval=0.0)).submit(task("1"), work)

    with threads(wait) as start, open_store(tmp_path).try_lock("whitelist-k"):
        start()
        wait_for(lambda: waiting(tmp_path) == 1)
        assert open_store(tmp_path).execute("DELETE FROM write_requests") == 1
        wait_for(lambda: waiting(tmp_path) == 1)


def test_a_request_is_withdrawn_when_its_process_gives_up(tmp_path: Path) -> None:
    mine = queue(tmp_path, policy=QueuePolicy(max_calls=0))
    mine.enqueue(host("a", max_wait=0))
    with open_store(tmp_path).try_lock("whitelist-k"):
        for request in (task("1", max_wait=0), host("a", max_wait=0)):
            with pytest.raises(WaitBudgetExceeded):
                mine.submit(request, work)
    assert waiting(tmp_path) == 0
    assert hosts_of(mine, "run") == {"a"}, "its run may still write for it"


def test_a_leader_that_works_or_pauses_is_waited_for_beyond_max_wait(tmp_path: Path) -> None:
    results = list[tuple[Result | None, float]]()

    def wait() -> None:
        mine = queue(tmp_path, policy=QueuePolicy(grace=0.0))
        results.append((mine.submit(task("1", max_wait=0), work), mine.waited))

    with threads(wait) as start:

        def hold(requests: list[WriteRequest]) -> dict[str, Result]:
            start()
            wait_for(lambda: rows(tmp_path) == 1)
            time.sleep(0.3)
            return work(requests)

        queue(tmp_path).submit(task("holder"), hold)
    ((result, waited),) = results
    assert result is None, "then it writes for itself"
    assert waited >= 0.3
    assert rows(tmp_path) == 0


def test_waiting_for_other_leaders_ends_at_the_deadline(tmp_path: Path) -> None:
    now = [0.0]

    def sleep(_seconds: float, _wait: Wait) -> None:
        now[0] += 1.0

    mine = queue(tmp_path, clock=lambda: now[0])
    mine.store.wait_for_change = sleep
    message = f"the same whitelist for 35 seconds, at last process {os.getpid()}: run again later"
    with open_store(tmp_path).try_lock("whitelist-k"), pytest.raises(QgError, match=message):
        mine.submit(task("1"), work)
    # max_wait is 5 s, and each of 10 calls may take 3 s.
    assert now == [36.0]


# --- what is kept, and for how long ---------------------------------------------------------------------------------


def test_old_requests_are_deleted(tmp_path: Path) -> None:
    mine = queue(tmp_path)
    mine.enqueue(host("a"))
    later = mine.store.now() + 90000
    mine.store.now = lambda: later
    mine.enqueue(host("b"))
    mine.purge_stale()
    assert hosts_of(mine, "run") == {"b"}


def test_a_run_keeps_its_requests_and_results_if_the_wall_clock_is_set_by_days(tmp_path: Path) -> None:
    machine = MachineClock(lambda: 1_800_000_000.0)
    mine = WriteQueue(open_store(tmp_path, machine=machine), "k")
    mine.enqueue(host("a"))
    results = RunResults(mine.store, "run")
    results.begin("a", "play", "task", {"registered": ["ip-a"]}, final=True)
    machine.set_wall(2 * 86400)
    later = WriteQueue(open_store(tmp_path, machine=machine), "k")
    later.purge_stale()
    assert hosts_of(later, "run") == {"a"}
    assert results.get("a") == {"registered": ["ip-a"]}


def test_the_number_of_requests_is_limited(tmp_path: Path) -> None:
    for n in range(10):
        # Runs in other containers: their end cannot be seen from here.
        mine, run = queue(tmp_path, policy=QueuePolicy(max_requests=20)), f"{n} 1 elsewhere"
        for name in "abcdef":
            mine.enqueue(host(name, run=run))
        mine.submit(host("a", run=run), work)
        assert rows(tmp_path) <= 20
    assert hosts_of(mine, run) == set("abcdef")


def test_what_a_finished_run_has_left_is_deleted(tmp_path: Path) -> None:
    own = run_id()
    finished = f"99999999 {own.split(' ', 1)[1]}"
    mine = queue(tmp_path)
    for name, run in (("a", own), ("b", finished)):
        mine.enqueue(host(name, run=run))
        RunResults(mine.store, run).begin("a", "play", "task", {"ips": []}, final=True)
    mine.submit(host("a", run=own), work)
    assert (hosts_of(mine, own), rows(tmp_path)) == ({"a"}, 1)
    assert (rows(tmp_path, "run_results"), RunResults(mine.store, own).get("a")) == (1, {"ips": []})
