# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The write queue: who leads, for which requests, and what is left of processes that die."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ProxyApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError, WaitBudgetExceeded
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._store import runs, whitelist_cache, write_queue
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import StatePlace
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.run_results import RunResults
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.runs import is_run_finished, run_id
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.write_queue import (
    Result,
    WriteQueue,
    WriteRequest,
    is_in_sync,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import ProxyApiOptions, TransportOptions
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.batch import WriteBatch
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.host_operations import (
    HostOptions,
    find_request,
    host_request,
)
from support.machine_clock import MachineClock
from support.stores import open_store

pytestmark = pytest.mark.usefixtures("every_store")


def queue(directory: Path, key: str = "k", access: str = "", *, check: bool = False) -> WriteQueue:
    return WriteQueue(open_store(directory), key, access, check=check)


def host(name: str, run: str = "run", inventory: str = "f", max_wait: float = 5) -> WriteRequest:
    return WriteRequest(
        {"ips": [f"ip-{name}"]}, max_wait, 1, id=f"{run}/{name}", run=run, host=name, inventory=inventory
    )


def task(name: str, max_wait: float = 5) -> WriteRequest:
    return WriteRequest({"ips": [name]}, max_wait, 1)


def work(requests: list[WriteRequest]) -> dict[str, Result]:
    return {request.id: {"ips": request.payload["ips"]} for request in requests}


def submit(
    mine: WriteQueue, request: WriteRequest, write: Callable[[list[WriteRequest]], dict[str, Result]] = work
) -> Result | None:
    return mine.submit(request, write)


class Recorder:
    """A leader that records the requests of each batch."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []

    def __call__(self, requests: list[WriteRequest]) -> dict[str, Result]:
        self.rounds.append([request.host or request.payload["ips"][0] for request in requests])
        return work(requests)


def api_options() -> ProxyApiOptions:
    transport = TransportOptions(timeout=1.0, max_wait=5.0, validate_certs=True, ca_path=None)
    return ProxyApiOptions("https://api.example", "KEY", None, transport, StatePlace("unused"))


def rows(directory: Path, table: str = "write_requests") -> int:
    count: int = open_store(directory).rows(f"SELECT count(*) FROM {table}")[0][0]
    return count


def hosts_of(mine: WriteQueue, run: str) -> set[str]:
    return {host for (host,) in mine.store.rows("SELECT host FROM write_requests WHERE run = ?", run)}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_first_host_writes_for_all_and_the_others_find_their_result(tmp_path: Path) -> None:
    write = Recorder()
    mine = queue(tmp_path)
    for name in "abc":
        mine.enqueue(host(name))
    assert submit(mine, host("b"), write) is None
    assert submit(mine, host("a"), write) == {"ips": ["ip-a"]}
    assert submit(mine, host("c"), write) == {"ips": ["ip-c"]}
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
        submit(mine, host(name), write)
    assert write.rounds == [["a"], ["b"], ["a"]]


def test_requests_of_other_runs_and_inventories_are_not_written_unless_they_wait(tmp_path: Path) -> None:
    write = Recorder()
    mine = queue(tmp_path)
    mine.enqueue(host("a"))
    mine.enqueue(host("b", run="other"))
    mine.enqueue(host("c", inventory="other"))
    for n, other in enumerate([queue(tmp_path, key="x"), queue(tmp_path, access="x"), queue(tmp_path, check=True)]):
        other.enqueue(host(f"d{n}"))
    submit(mine, host("a"), write)
    assert write.rounds == [["a"]]


def test_a_single_task_does_not_write_to_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = queue(tmp_path)
    began: list[bool] = []
    with monkeypatch.context() as patch:
        patch.setattr(mine.store, "transaction", lambda: began.append(True))
        assert submit(mine, task("1")) is None
    assert began == []
    assert rows(tmp_path) == 0


def waiting_behind(
    directory: Path, *submissions: tuple[WriteQueue, WriteRequest], write: Recorder
) -> dict[str, Result | None]:
    """The results of requests that wait in threads while another one writes; then one of them writes for the rest."""
    results: dict[str, Result | None] = {}

    def wait(terms: tuple[WriteQueue, WriteRequest]) -> None:
        mine = WriteQueue(open_store(directory), terms[0].key, check=terms[0]._lock.endswith("check"))
        mine.access = terms[0].access
        results[terms[1].id] = mine.submit(terms[1], write)

    threads = [threading.Thread(target=wait, args=(pair,)) for pair in submissions]

    def hold(requests: list[WriteRequest]) -> dict[str, Result]:
        for thread in threads:
            thread.start()
        expected = sum(not request.exclusive for _queue, request in submissions)
        held = "SELECT count(*) FROM write_requests WHERE renewed_at IS NOT NULL"
        wait_for(lambda: bool(open_store(directory).rows(held)[0][0] == expected))
        return work(requests)

    submit(queue(directory), task("holder"), hold)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return results


def test_all_waiting_requests_of_hosts_and_tasks_are_one_batch(tmp_path: Path) -> None:
    write = Recorder()
    mine = queue(tmp_path)
    for request in (host("a"), host("b", run="other", inventory="x"), host("idle", run="third")):
        mine.enqueue(request)
    requests = [host("a"), host("b", run="other", inventory="x"), *(task(str(n)) for n in range(6))]
    results = waiting_behind(tmp_path, *((mine, request) for request in requests), write=write)
    assert [sorted(names) for names in write.rounds] == [["0", "1", "2", "3", "4", "5", "a", "b"]]
    assert sum(result is None for result in results.values()) == 1
    assert all(results[request.id] in (None, {"ips": request.payload["ips"]}) for request in requests)
    # The requests of hosts are kept as long as their run; those of tasks are not.
    assert rows(tmp_path) == 3


def test_the_batch_includes_requests_that_come_within_the_window(tmp_path: Path) -> None:
    write, asked = Recorder(), threading.Event()
    waited: dict[str, float] = {}

    def batch_window() -> float:
        asked.set()
        return 0.5

    def come(name: str) -> None:
        mine = queue(tmp_path)
        if mine.submit(task(name), write, batch_window) is None:
            waited[name] = mine.waited

    def come_later() -> None:
        if asked.wait(20):
            come("late")

    threads = [*(threading.Thread(target=come, args=(name,)) for name in "ab"), threading.Thread(target=come_later)]
    with open_store(tmp_path).try_lock("whitelist-k"):
        for thread in threads:
            thread.start()
        wait_for(lambda: rows(tmp_path) == 2)
    for thread in threads:
        thread.join(20)
    assert [sorted(names) for names in write.rounds] == [["a", "b", "late"]]
    assert [seconds >= 0.5 for seconds in waited.values()] == [True]


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
    mine, other = queue(tmp_path), queue(tmp_path, access="other")
    alone = WriteRequest({"ips": ["exact"]}, 5, 1, exclusive=True)
    waiting_behind(tmp_path, (mine, task("1")), (mine, task("2")), (other, task("3")), (mine, alone), write=write)
    assert sorted(sorted(names) for names in write.rounds) == [["1", "2"], ["3"], ["exact"]]


def test_a_request_that_the_leader_leaves_undecided_is_written_by_its_own_process(tmp_path: Path) -> None:
    class Alone(Recorder):
        def __call__(self, requests: list[WriteRequest]) -> dict[str, Result]:
            return super().__call__(requests[:1])

    write = Alone()
    waiting_behind(tmp_path, *((queue(tmp_path), task(str(n))) for n in range(4)), write=write)
    assert sorted(write.rounds) == [["0"], ["1"], ["2"], ["3"]]


def test_predictions_do_not_wait_for_leaders_that_write(tmp_path: Path) -> None:
    def hold(requests: list[WriteRequest]) -> dict[str, Result]:
        assert submit(queue(tmp_path, check=True), task("1", max_wait=0)) is None
        return work(requests)

    submit(queue(tmp_path), task("holder"), hold)


def _die(directory: str, name: str, record: str, at: str) -> None:
    mine = queue(Path(directory))

    def write(requests: list[WriteRequest]) -> dict[str, Result]:
        with open(record, "a", encoding="ascii") as file:
            file.write(" ".join(sorted(request.host for request in requests)) + "\n")
        mine.record_intent((request, [*request.payload["ips"], *request.seen]) for request in requests)
        time.sleep(0.2)
        if at == "write":
            os._exit(9)
        return work(requests)

    assert submit(mine, host(name, max_wait=30), write) in (None, {"ips": [f"ip-{name}"]})


def test_processes_that_start_together_write_once_and_survive_a_leader_that_dies(tmp_path: Path) -> None:
    names = [f"h{n}" for n in range(12)]
    for name in names:
        queue(tmp_path).enqueue(host(name))
    context = multiprocessing.get_context("fork")
    record = tmp_path / "record"
    first = context.Process(target=_die, args=(str(tmp_path), "h0", str(record), "write"))
    first.start()
    first.join(10)
    assert first.exitcode == 9
    known = queue(tmp_path).get_for_host("run", "h3", "f")
    assert known is not None
    assert known.seen == ("ip-h3",), "the next writer knows whose change it was"
    others = [context.Process(target=_die, args=(str(tmp_path), name, str(record), "never")) for name in names]
    for other in others:
        other.start()
    for other in others:
        other.join(30)
        assert other.exitcode == 0
    rounds = record.read_text(encoding="ascii").splitlines()
    assert len(rounds) == 2, "one that died, and one that wrote for all"
    assert set(rounds[1].split()) == set(names)


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

    assert submit(mine, host("a"), replaced) is None
    known = mine.get_for_host("run", "b", "f")
    assert known is not None
    assert (known.payload, known.seen, mine.result(again)) == ({"ips": ips}, (), None)
    assert submit(mine, host("c"), write) == {"ips": ["ip-c"]}
    assert submit(mine, again) is None, "it writes for itself"
    assert mine.result(again) == {"ips": ips}


def test_a_result_that_needs_no_write_is_kept_while_a_leader_writes_for_an_earlier_request(tmp_path: Path) -> None:
    mine = queue(tmp_path)
    for name in "ab":
        mine.enqueue(host(name))

    def replaced(requests: list[WriteRequest]) -> dict[str, Result]:
        queue(tmp_path).enqueue(host("b"), result={"ips": ["kept"]})
        mine.record_intent((request, request.payload["ips"]) for request in requests)
        return work(requests)

    assert submit(mine, host("a"), replaced) is None
    assert mine.result(host("b")) == {"ips": ["kept"]}


def _wait(directory: str, ready: str) -> None:
    Path(ready).touch()
    submit(queue(Path(directory)), task("dead", max_wait=60))


def test_the_request_of_a_process_that_was_killed_while_it_waited_is_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "RENEW_TIMEOUT", 1.0)
    context = multiprocessing.get_context("fork")
    write = Recorder()
    state = tmp_path / "state"

    def hold(requests: list[WriteRequest]) -> dict[str, Result]:
        waiter = context.Process(target=_wait, args=(str(state), str(tmp_path / "ready")))
        waiter.start()
        wait_for(lambda: rows(state) == 1)
        waiter.kill()
        waiter.join(10)
        return work(requests)

    submit(queue(state), task("holder"), hold)
    assert rows(state) == 1
    mine = queue(state)
    mine.enqueue(host("a"))
    submit(mine, host("a"), write)
    assert write.rounds == [["a"]]
    later = mine.store.now() + write_queue.WAITER_TTL + 1
    mine.store.now = lambda: later
    submit(mine, task("1"), write)
    mine.purge_stale()
    assert rows(state) == 1, "that of the host"
    assert list(state.glob("waiting.*")) == []


def test_a_leader_does_not_wait_for_a_process_that_was_killed_long_ago(tmp_path: Path) -> None:
    write, mine = Recorder(), queue(tmp_path)
    mine.enqueue(task("dead"), waits=True)
    later = mine.store.now() + write_queue.RENEW_TIMEOUT + 1
    mine.store.now = lambda: later
    began = time.monotonic()
    submit(mine, task("1"), write)
    assert write.rounds == [["1"]]
    assert time.monotonic() - began < write_queue.RENEW_TIMEOUT / 2


def test_a_request_that_was_dropped_while_its_process_was_stopped_is_enqueued_anew(tmp_path: Path) -> None:
    mine, request = queue(tmp_path), task("1")
    mine._renew(request)
    mine._delete(request.id)
    mine._renew(request)
    assert list(mine._waiting(task("2"))) == [request.id]


def test_a_request_is_withdrawn_when_its_process_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "MAX_CALLS", 0)
    mine = queue(tmp_path)
    mine.enqueue(host("a", max_wait=0))
    with open_store(tmp_path).try_lock("whitelist-k") as held:
        assert held
        for request in (task("1", max_wait=0), host("a", max_wait=0)):
            with pytest.raises(WaitBudgetExceeded):
                submit(queue(tmp_path), request)
    assert mine._waiting(task("2")) == {}
    assert hosts_of(mine, "run") == {"a"}, "its run may still write for it"


def test_a_leader_that_pauses_is_waited_for_beyond_max_wait(tmp_path: Path) -> None:
    """How long a leader works or pauses does not matter: a waiter has one deadline."""

    def hold(requests: list[WriteRequest]) -> dict[str, Result]:
        thread.start()
        wait_for(lambda: rows(tmp_path) == 1)
        time.sleep(0.5)
        return work(requests)

    def wait() -> None:
        mine = queue(tmp_path)
        results.append(submit(mine, task("1", max_wait=0)))
        waited.append(mine.waited)

    results: list[Result | None] = []
    waited: list[float] = []
    thread = threading.Thread(target=wait)
    submit(queue(tmp_path), task("holder"), hold)
    thread.join(20)
    assert results == [None], "then it writes for itself"
    assert waited[0] >= 0.5
    assert rows(tmp_path) == 0


def test_waiting_for_a_leader_is_possible_without_max_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "GRACE", 0.0)
    others = [(queue(tmp_path), task(str(n), max_wait=0)) for n in range(3)]
    results = waiting_behind(tmp_path, *others, write=Recorder())
    assert len(results) == 3


def test_waiting_for_other_leaders_ends_at_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(0, 100_000, 50))
    with open_store(tmp_path).try_lock("whitelist-k") as held:
        assert held
        monkeypatch.setattr(time, "monotonic", lambda: float(next(moments)))
        with pytest.raises(
            QgError, match=f"the same whitelist for 35 seconds, at last process {os.getpid()}: run again later"
        ):
            submit(queue(tmp_path), task("1"))


USAGE = {"calls": 1, "retries": 0, "waited_seconds": 0.5}


def test_a_run_is_in_sync_if_nothing_had_to_be_done_for_any_of_its_hosts(tmp_path: Path) -> None:
    mine = queue(tmp_path)
    mine.enqueue(task("1"), waits=True)
    assert not is_in_sync(mine.store, "run"), "nothing is known of it"
    for name in "ab":
        mine.enqueue(host(name), result={"ips": [name]})
        assert is_in_sync(mine.store, "run")
        assert submit(mine, host(name), lambda _requests: pytest.fail("there is nothing to write")) == {"ips": [name]}
    mine.enqueue(host("x", run="another"))
    assert is_in_sync(mine.store, "run")
    mine.enqueue(host("c"))
    assert not is_in_sync(mine.store, "run")
    submit(mine, host("c"))
    assert mine.result(host("c")) is not None
    # Ansible asks for each host anew, and must get the same result while one task is under way.
    assert not is_in_sync(mine.store, "run")
    # The role comes again, and this time all is well.
    mine.enqueue(host("c"), result={"ips": ["c"]})
    assert is_in_sync(mine.store, "run")


def test_a_cached_whitelist_is_for_the_hosts_of_one_task_and_expires(tmp_path: Path) -> None:
    mine, other = queue(tmp_path), queue(tmp_path, key="other")
    now = mine.store.now()
    mine.store.now = other.store.now = lambda: now
    assert mine.cache.cached_whitelist("t") is None
    mine.cache.cache_whitelist("run", "t", {"b", "a"}, USAGE)
    assert mine.cache.cached_whitelist("t") == ["a", "b"]
    assert mine.cache.cached_whitelist("another task") is None
    assert other.cache.cached_whitelist("t") is None
    now += whitelist_cache.CACHE_TTL - 1
    assert mine.cache.cached_whitelist("t") == ["a", "b"]
    now += 2
    assert mine.cache.cached_whitelist("t") is None
    mine.cache.cache_whitelist("run", "t", {"c"}, USAGE)
    assert mine.cache.cached_whitelist("t") == ["c"]
    other.cache.invalidate_cache()
    assert mine.cache.cached_whitelist("t") == ["c"]
    queue(tmp_path).cache.invalidate_cache()
    assert mine.cache.cached_whitelist("t") is None, "another process writes"
    mine.cache.cache_whitelist("run", "t", {"d"}, USAGE)
    now += whitelist_cache.CACHE_RETENTION + 1
    mine.cache.cache_whitelist("run", "u", set(), USAGE)
    assert rows(tmp_path, "whitelist_cache") == 1


def test_the_usage_of_the_reads_of_a_run_is_reported_once(tmp_path: Path) -> None:
    mine = queue(tmp_path)
    assert mine.cache.claim_usage("run") is None
    mine.cache.cache_whitelist("run", "t", {"a"}, USAGE)
    mine.cache.cache_whitelist("another", "t", {"x"}, USAGE)
    mine.cache.cache_whitelist("run", "t", {"b"}, USAGE)
    for key in ("a key before", "the key after"):
        queue(tmp_path, key=key).cache.cache_whitelist("run", "t", {"of another key"}, USAGE)
    assert queue(tmp_path, key="third").cache.claim_usage("run") is None
    assert mine.cache.claim_usage("run") == (["b"], {"calls": 4, "retries": 0, "waited_seconds": 2.0})
    assert mine.cache.claim_usage("run") is None
    assert mine.cache.cached_whitelist("t") == ["b"], "it is still valid"
    # A run that is over will not ask.
    over = f"99999999 {run_id().split(' ', 1)[1]}"
    mine.cache.cache_whitelist(over, "t", {"y"}, USAGE)
    mine.enqueue(host("a", run=over))
    mine.purge_stale()
    assert mine.cache.claim_usage(over) is None


def test_no_process_reads_for_others_while_another_one_writes(tmp_path: Path) -> None:
    mine, reads = queue(tmp_path), threading.Event()
    with mine.cache.reader(0) as quiet:
        assert quiet
        thread = threading.Thread(target=lambda: reads.set() if queue(tmp_path).cache.reader(20).__enter__() else None)
        with mine.store.try_lock("whitelist-k") as free:
            assert not free, "a writer waits for a reader"
        thread.start()
        assert not reads.wait(0.2), "so does another reader"
    assert reads.wait(20)
    thread.join(20)
    with queue(tmp_path, key="other").store.try_lock("whitelist-other"):
        with queue(tmp_path, key="other").cache.reader(0) as quiet:
            assert not quiet
        with queue(tmp_path, key="other", check=True).cache.reader(0) as quiet:
            assert not quiet, "a prediction is not made while another process writes, either"


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


def test_the_number_of_requests_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "MAX_REQUESTS", 20)
    for n in range(10):
        # Runs in other containers: their end cannot be seen from here.
        mine, run = queue(tmp_path), f"{n} 1 elsewhere"
        for name in "abcdef":
            mine.enqueue(host(name, run=run))
        submit(mine, host("a", run=run))
        assert rows(tmp_path) <= 20
    assert hosts_of(mine, run) == set("abcdef")


def test_a_finished_run_is_detected(tmp_path: Path) -> None:
    own = run_id()
    assert not is_run_finished(own)
    process, start, world = own.split(" ", 2)
    assert is_run_finished(f"{process} {start}0 {world}"), "the number was given to another process"
    assert is_run_finished(f"99999999 {start} {world}")
    assert not is_run_finished(f"99999999 {start} another-container"), "that cannot be seen from here"
    mine = queue(tmp_path)
    mine.enqueue(host("a", run=own))
    mine.enqueue(host("b", run=f"99999999 {start} {world}"))
    for run in (own, f"99999999 {start} {world}"):
        RunResults(mine.store, run).begin("a", "play", "task", {"ips": []}, final=True)
    submit(mine, host("a", run=own))
    assert (hosts_of(mine, own), rows(tmp_path)) == ({"a"}, 1)
    assert (rows(tmp_path, "run_results"), RunResults(mine.store, own).get("a")) == (1, {"ips": []})


def test_a_finished_run_is_detected_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_arguments: object, **_named: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(runs, "open", missing, raising=False)
    monkeypatch.setattr(os.path, "exists", lambda _path: False)
    own = run_id()
    assert own.split()[0] == str(os.getppid())
    assert not is_run_finished(own)
    assert is_run_finished(f"99999999 x {own.split(' ', 2)[2]}")


def test_the_request_of_a_host_is_found_for_the_state_and_inventory_that_it_was_submitted_for(tmp_path: Path) -> None:
    options = HostOptions(api_options(), "present", "f", max_removals=10, prune=False, fail=True, always_apply=False)
    mine, request = queue(tmp_path), host_request(options, "run", "a", ("ip-a",), detected=True)
    mine.enqueue(request)
    assert find_request(mine, options, "run", "a") == request
    assert find_request(mine, replace(options, state="absent"), "run", "a") is None
    assert find_request(mine, replace(options, inventory_id="g"), "run", "a") is None


@pytest.mark.parametrize(("waited", "charged"), [(0.0, 0.0), (40.0, 35.0), (500.0, 300.0)])
def test_the_time_in_the_queue_counts_to_max_wait_but_never_exceeds_it(
    tmp_path: Path, waited: float, charged: float
) -> None:
    class Api:
        def __init__(self) -> None:
            self.budget = WaitBudget(300.0)
            self.rate_limiter = RateLimiter(open_store(tmp_path))

        def usage(self) -> dict[str, float]:
            return {"calls": 3, "retries": 0, "waited_seconds": self.budget.waited}

    mine, api = queue(tmp_path), cast(ProxyApi, Api())
    batch = WriteBatch(mine, task("1"), api_options(), Mode(), api)
    # The batch window is not charged: it is short, and serves all requests.
    mine.waited, mine.collected = waited, min(waited, 5.0)
    assert batch._prepared() is api
    assert api.budget.waited == charged
    api.budget.require(0.0, "no wait", "/whitelist")
    assert batch.api_usage["waited_seconds"] == waited
