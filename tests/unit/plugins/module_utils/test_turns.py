# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose turn it is to write, for whom else, and what is left of those who die."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError, WaitBudgetExceeded
from ansible_collections.qingguo.qgnet.plugins.module_utils._store import write_queue
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.write_queue import (
    Board,
    Entry,
    Verdict,
    Work,
    has_ended,
    is_at_rest,
    run_id,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import Wish


def board(directory: Path, key: str = "k", terms: str = "", *, check: bool = False) -> Board:
    return Board(State(str(directory)), key, terms, check=check)


def host(name: str, run: str = "run", fleet: str = "f", state: str = "present", max_wait: float = 5) -> Entry:
    return Entry(Wish(state, (f"ip-{name}",)), max_wait, 1, id=f"{run}/{name}", run=run, host=name, fleet=fleet)


def task(name: str, state: str = "present", max_wait: float = 5) -> Entry:
    return Entry(Wish(state, (name,)), max_wait, 1)


def work(entries: list[Entry]) -> Work:
    return Work({entry.id: {"ips": list(entry.wish.ips)} for entry in entries}, ["the", "list"])


def settle(mine: Board, entry: Entry, write: Callable[[list[Entry]], Work] = work) -> Verdict | None:
    with mine.settle(entry, write) as verdict:
        return verdict


class Recorder:
    """A writer who remembers for whom."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []

    def __call__(self, entries: list[Entry]) -> Work:
        self.rounds.append([entry.host or entry.wish.ips[0] for entry in entries])
        return work(entries)


def rows(directory: Path, table: str = "wishes") -> int:
    count: int = State(str(directory)).rows(f"SELECT count(*) FROM {table}")[0][0]
    return count


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_the_first_host_writes_for_all_and_the_others_find_their_verdict(tmp_path: Path) -> None:
    write = Recorder()
    mine = board(tmp_path)
    for name in "abc":
        mine.post(host(name))
    assert settle(mine, host("b"), write) is None
    assert settle(mine, host("a"), write) == {"ips": ["ip-a"]}
    assert settle(mine, host("c"), write) == {"ips": ["ip-c"]}
    assert [sorted(names) for names in write.rounds] == [["a", "b", "c"]]
    assert write.rounds[0][0] == "b", "the writer comes first"
    assert mine.hosts("run") == {"a", "b", "c"}


def test_a_host_has_put_down_no_more_than_what_it_has_put_down(tmp_path: Path) -> None:
    mine = board(tmp_path)
    mine.post(host("a"))
    assert mine.of_host("run", "a", "f", "present") == host("a")
    for run, fleet, state in (("x", "f", "present"), ("run", "x", "present"), ("run", "f", "absent")):
        assert mine.of_host(run, "a", fleet, state) is None
    assert board(tmp_path, key="x").of_host("run", "a", "f", "present") is None
    mine.withdraw("run", "a")
    assert mine.of_host("run", "a", "f", "present") is None


def test_a_host_that_comes_later_writes_again_for_itself_alone(tmp_path: Path) -> None:
    write = Recorder()
    mine = board(tmp_path)
    for name in "aba":
        mine.post(host(name))
        settle(mine, host(name), write)
    assert write.rounds == [["a"], ["b"], ["a"]]


def test_other_runs_and_fleets_that_do_not_wait_are_none_of_its_business(tmp_path: Path) -> None:
    write = Recorder()
    mine = board(tmp_path)
    mine.post(host("a"))
    mine.post(host("b", run="other"))
    mine.post(host("c", fleet="other"))
    for n, other in enumerate([board(tmp_path, key="x"), board(tmp_path, terms="x"), board(tmp_path, check=True)]):
        other.post(host(f"d{n}"))
    settle(mine, host("a"), write)
    assert write.rounds == [["a"]]


def test_a_single_task_leaves_nothing_behind_and_writes_nothing_down(tmp_path: Path) -> None:
    mine = board(tmp_path)
    before = State(str(tmp_path)).rows("PRAGMA data_version")
    assert settle(mine, task("1")) is None
    assert State(str(tmp_path)).rows("PRAGMA data_version") == before
    assert rows(tmp_path) == 0


def waiting_behind(directory: Path, *boards: tuple[Board, Entry], write: Recorder) -> dict[str, Verdict | None]:
    """The verdicts of entries that wait in threads while another one writes; then one of them writes for the rest."""
    verdicts: dict[str, Verdict | None] = {}
    lists: dict[str, list[str]] = {}

    def wait(terms: tuple[Board, Entry]) -> None:
        mine = Board(State(str(directory)), terms[0].key, check=terms[0]._lock.endswith("check"))
        mine._terms = terms[0]._terms
        with mine.settle(terms[1], write) as verdict:
            verdicts[terms[1].id] = verdict
            lists[terms[1].id] = mine.whitelist_for(terms[1])

    threads = [threading.Thread(target=wait, args=(pair,)) for pair in boards]

    def hold(entries: list[Entry]) -> Work:
        for thread in threads:
            thread.start()
        expected = sum(not entry.wish.solitary for _board, entry in boards)
        held = "SELECT count(*) FROM wishes WHERE waiter IS NOT NULL"
        wait_for(lambda: bool(State(str(directory)).rows(held)[0][0] == expected))
        return work(entries)

    settle(board(directory), task("holder"), hold)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    for entry_id, verdict in verdicts.items():
        if verdict is not None and "/" not in entry_id:
            assert lists[entry_id] == ["the", "list"]
    return verdicts


def test_all_who_wait_are_written_for_at_once_hosts_and_tasks_alike(tmp_path: Path) -> None:
    write = Recorder()
    mine = board(tmp_path)
    for entry in (host("a"), host("b", run="other", fleet="x"), host("idle", run="third")):
        mine.post(entry)
    entries = [host("a"), host("b", run="other", fleet="x"), *(task(str(n)) for n in range(6))]
    verdicts = waiting_behind(tmp_path, *((mine, entry) for entry in entries), write=write)
    assert [sorted(names) for names in write.rounds] == [["0", "1", "2", "3", "4", "5", "a", "b"]]
    assert sum(verdict is None for verdict in verdicts.values()) == 1
    assert all(verdicts[entry.id] in (None, {"ips": list(entry.wish.ips)}) for entry in entries)
    # The hosts stay as long as their run; of the tasks and their locks nothing stays.
    assert rows(tmp_path) == 3
    assert list(tmp_path.glob("waiting.*")) == []


def test_who_has_patience_writes_also_for_those_who_come_a_little_later(tmp_path: Path) -> None:
    write, asked = Recorder(), threading.Event()
    waited: dict[str, float] = {}

    def patience() -> float:
        asked.set()
        return 0.5

    def come(name: str) -> None:
        mine = board(tmp_path)
        with mine.settle(task(name), write, patience) as verdict:
            if verdict is None:
                waited[name] = mine.waited

    def come_later() -> None:
        if asked.wait(20):
            come("late")

    threads = [*(threading.Thread(target=come, args=(name,)) for name in "ab"), threading.Thread(target=come_later)]
    with State(str(tmp_path)).try_lock("whitelist-k"):
        for thread in threads:
            thread.start()
        wait_for(lambda: rows(tmp_path) == 2)
    for thread in threads:
        thread.join(20)
    assert [sorted(names) for names in write.rounds] == [["a", "b", "late"]]
    assert [seconds >= 0.5 for seconds in waited.values()] == [True]


def test_patience_is_for_those_who_have_company(tmp_path: Path) -> None:
    def patience() -> float:
        raise AssertionError("nobody else waits")

    write, mine = Recorder(), board(tmp_path)
    for name in "ab":
        mine.post(host(name))
    for entry in (task("1"), host("a"), host("b")):
        with mine.settle(entry, write, patience):
            pass
    assert write.rounds == [["1"], ["a", "b"]]


def test_what_must_not_be_mixed_has_a_turn_of_its_own(tmp_path: Path) -> None:
    write = Recorder()
    mine, other = board(tmp_path), board(tmp_path, terms="other")
    alone = Entry(Wish("exact", ("exact",)), 5, 1)
    waiting_behind(tmp_path, (mine, task("1")), (mine, task("2")), (other, task("3")), (mine, alone), write=write)
    assert sorted(sorted(names) for names in write.rounds) == [["1", "2"], ["3"], ["exact"]]


def test_whom_the_writer_leaves_undecided_has_a_turn_of_his_own(tmp_path: Path) -> None:
    class Alone(Recorder):
        def __call__(self, entries: list[Entry]) -> Work:
            return super().__call__(entries[:1])

    write = Alone()
    waiting_behind(tmp_path, *((board(tmp_path), task(str(n))) for n in range(4)), write=write)
    assert sorted(write.rounds) == [["0"], ["1"], ["2"], ["3"]]


def test_predictions_do_not_wait_for_writers(tmp_path: Path) -> None:
    def hold(entries: list[Entry]) -> Work:
        assert settle(board(tmp_path, check=True), task("1", max_wait=0)) is None
        return work(entries)

    settle(board(tmp_path), task("holder"), hold)


def _die(directory: str, name: str, record: str, at: str) -> None:
    mine = board(Path(directory))

    def write(entries: list[Entry]) -> Work:
        with open(record, "a", encoding="ascii") as file:
            file.write(" ".join(sorted(entry.host for entry in entries)) + "\n")
        mine.announce({entry.id: [*entry.wish.ips, *entry.seen] for entry in entries})
        time.sleep(0.2)
        if at == "write":
            os._exit(9)
        return work(entries)

    assert settle(mine, host(name, max_wait=30), write) in (None, {"ips": [f"ip-{name}"]})


def test_processes_that_come_together_write_once_and_survive_a_writer_that_dies(tmp_path: Path) -> None:
    names = [f"h{n}" for n in range(12)]
    for name in names:
        board(tmp_path).post(host(name))
    context = multiprocessing.get_context("fork")
    record = tmp_path / "record"
    first = context.Process(target=_die, args=(str(tmp_path), "h0", str(record), "write"))
    first.start()
    first.join(10)
    assert first.exitcode == 9
    known = board(tmp_path).of_host("run", "h3", "f", "present")
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


def _wait(directory: str, ready: str) -> None:
    Path(ready).touch()
    settle(board(Path(directory)), task("dead", max_wait=60))


def test_the_wish_of_a_process_that_was_killed_while_it_waited_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = multiprocessing.get_context("fork")
    write = Recorder()
    state = tmp_path / "state"
    monkeypatch.setattr("ansible_collections.qingguo.qgnet.plugins.module_utils._store.locks.MIN_UNUSED_AGE", -1)

    def hold(entries: list[Entry]) -> Work:
        waiter = context.Process(target=_wait, args=(str(state), str(tmp_path / "ready")))
        waiter.start()
        wait_for(lambda: rows(state) == 1)
        waiter.kill()
        waiter.join(10)
        return work(entries)

    settle(board(state), task("holder"), hold)
    assert rows(state) == 1
    assert len(list(state.glob("waiting.*"))) == 1
    mine = board(state)
    mine.post(host("a"))
    settle(mine, host("a"), write)
    assert write.rounds == [["a"]]
    assert rows(state) == 1, "that of the host"
    assert list(state.glob("waiting.*")) == []


def test_waiting_for_a_writer_who_rests_ends_with_max_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "GRACE", 0.1)
    mine = board(tmp_path)

    def hold(entries: list[Entry]) -> Work:
        def patient_sleep(_seconds: float) -> None:
            waiter = board(tmp_path)
            with pytest.raises(WaitBudgetExceeded, match=r"max_wait \(0\.2 seconds\)"):
                settle(waiter, task("1", max_wait=0.2))
            assert waiter.rested > 0.2

        mine.rest(1, patient_sleep)
        return work(entries)

    settle(mine, task("holder"), hold)
    assert rows(tmp_path) == 0


def test_waiting_for_a_writer_who_works_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "GRACE", 0.0)
    others = [(board(tmp_path), task(str(n), max_wait=0)) for n in range(3)]
    verdicts = waiting_behind(tmp_path, *others, write=Recorder())
    assert len(verdicts) == 3


def test_waiting_for_writers_who_never_end_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(0, 100_000, 50))
    with State(str(tmp_path)).try_lock("whitelist-k") as held:
        assert held
        monkeypatch.setattr(time, "monotonic", lambda: float(next(moments)))
        with pytest.raises(
            QgError, match=f"the same whitelist for 35 seconds, at last process {os.getpid()}: run again later"
        ):
            settle(board(tmp_path), task("1"))


COST = {"calls": 1, "retries": 0, "waited_seconds": 0.5}


def test_a_run_is_at_rest_when_nothing_had_to_be_done_for_any_of_its_hosts(tmp_path: Path) -> None:
    mine = board(tmp_path)
    mine.post(task("1"), waiter="somebody")
    assert not is_at_rest(mine.state, "run"), "nothing is known of it"
    for name in "ab":
        mine.post(host(name), verdict={"ips": [name]})
        assert is_at_rest(mine.state, "run")
        assert settle(mine, host(name), lambda _entries: pytest.fail("there is nothing to write")) == {"ips": [name]}
    mine.post(host("x", run="another"))
    assert is_at_rest(mine.state, "run")
    mine.post(host("c"))
    assert not is_at_rest(mine.state, "run")
    settle(mine, host("c"))
    assert mine.verdict(host("c")) is not None
    # Ansible asks for each host anew, and must not be told otherwise while one task is under way.
    assert not is_at_rest(mine.state, "run")
    # The role comes again, and this time all is well.
    mine.post(host("c"), verdict={"ips": ["c"]})
    assert is_at_rest(mine.state, "run")


def test_a_reading_is_for_the_hosts_of_one_task_and_does_not_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    mine, other = board(tmp_path), board(tmp_path, key="other")
    assert mine.reading("t") is None
    mine.keep_reading("run", "t", {"b", "a"}, COST)
    assert mine.reading("t") == ["a", "b"]
    assert mine.reading("another task") is None
    assert other.reading("t") is None
    now += write_queue.FRESH - 1
    assert mine.reading("t") == ["a", "b"]
    now += 2
    assert mine.reading("t") is None
    mine.keep_reading("run", "t", {"c"}, COST)
    assert mine.reading("t") == ["c"]
    now -= 10
    assert mine.reading("t") is None, "the clock was set back"
    now += 10
    other.drop_readings()
    assert mine.reading("t") == ["c"]
    board(tmp_path).drop_readings()
    assert mine.reading("t") is None, "somebody writes"
    mine.keep_reading("run", "t", {"d"}, COST)
    now += write_queue.READING_LIFE + 1
    mine.keep_reading("run", "u", set(), COST)
    assert rows(tmp_path, "readings") == 1


def test_what_the_readings_of_a_run_cost_is_told_once(tmp_path: Path) -> None:
    mine = board(tmp_path)
    assert mine.take_readings("run") is None
    mine.keep_reading("run", "t", {"a"}, COST)
    mine.keep_reading("another", "t", {"x"}, COST)
    mine.keep_reading("run", "t", {"b"}, COST)
    for key in ("a key before", "the key after"):
        board(tmp_path, key=key).keep_reading("run", "t", {"of another key"}, COST)
    assert board(tmp_path, key="third").take_readings("run") is None
    assert mine.take_readings("run") == (["b"], {"calls": 4, "retries": 0, "waited_seconds": 2.0})
    assert mine.take_readings("run") is None
    assert mine.reading("t") == ["b"], "it is still of use"
    # A run that is over will not ask.
    over = f"99999999 {run_id().split(' ', 1)[1]}"
    mine.keep_reading(over, "t", {"y"}, COST)
    mine.post(host("a", run=over))
    mine.tidy_up()
    assert mine.take_readings(over) is None


def test_nobody_reads_for_others_while_somebody_writes(tmp_path: Path) -> None:
    mine, reads = board(tmp_path), threading.Event()
    with mine.reader(0) as quiet:
        assert quiet
        thread = threading.Thread(target=lambda: reads.set() if board(tmp_path).reader(20).__enter__() else None)
        with mine.state.try_lock("whitelist-k") as free:
            assert not free, "a writer waits for a reader"
        thread.start()
        assert not reads.wait(0.2), "so does another reader"
    assert reads.wait(20)
    thread.join(20)
    with board(tmp_path, key="other").state.try_lock("whitelist-other"):
        with board(tmp_path, key="other").reader(0) as quiet:
            assert not quiet
        with board(tmp_path, key="other", check=True).reader(0) as quiet:
            assert not quiet, "a prediction is not made while somebody writes, either"


def test_old_wishes_are_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = board(tmp_path)
    mine.post(host("a"))
    later = time.time() + 90000
    monkeypatch.setattr(time, "time", lambda: later)
    mine.post(host("b"))
    assert mine.hosts("run") == {"b"}


def test_the_board_has_a_size_that_it_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "MOST_WISHES", 20)
    for n in range(10):
        # Runs in containers: from here, nobody can see whether they are over.
        mine, run = board(tmp_path), f"{n} 1 elsewhere"
        for name in "abcdef":
            mine.post(host(name, run=run))
        settle(mine, host("a", run=run))
        assert rows(tmp_path) <= 20
    assert mine.hosts(run) == set("abcdef")


def test_runs_that_are_over_are_seen_to_be(tmp_path: Path) -> None:
    own = run_id()
    assert not has_ended(own)
    process, start, world = own.split(" ", 2)
    assert has_ended(f"{process} {start}0 {world}"), "the number was given to another process"
    assert has_ended(f"99999999 {start} {world}")
    assert not has_ended(f"99999999 {start} another-container"), "that cannot be seen from here"
    mine = board(tmp_path)
    mine.post(host("a", run=own))
    mine.post(host("b", run=f"99999999 {start} {world}"))
    settle(mine, host("a", run=own))
    assert (mine.hosts(own), rows(tmp_path)) == ({"a"}, 1)


def test_runs_are_told_apart_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_arguments: object, **_named: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(write_queue, "open", missing, raising=False)
    monkeypatch.setattr(os.path, "exists", lambda _path: False)
    own = run_id()
    assert own.split()[0] == str(os.getppid())
    assert not has_ended(own)
    assert has_ended(f"99999999 x {own.split(' ', 2)[2]}")
