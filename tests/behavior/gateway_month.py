# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A month of two gateways with two pools each, in virtual time, judged by QG.net's own books after
each refresh.

Two control nodes refresh a host each. A part of the calls fails, processes are killed, another
buyer leases with the same key, and single exits fail; the tests add what lasts for longer. A timer
runs for a part of each day. Where no lease ends soon and nothing is wrong, the refreshes in between
would find what the last one has found, and are left out.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from behavior import worlds
from behavior.gateway_fleet import FAILS, WORKS, Fleet, State, gateway
from behavior.outcomes import FAULTS
from qgnet_simulator.core import ConnectionLost
from qgnet_simulator.routing import ROUTES
from support import phrases
from support.node import Node
from support.vendor import PATHS, Answer, Call, Vendor

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
#: Seconds between two refreshes of a host.
INTERVAL = 10.0
#: How many of a hundred calls fail, purchases are carried out late, and processes are killed.
FAULT_RATE = 0.02
PLANS = [
    fault.plan for fault in FAULTS.values() if fault.plan and fault.has_quota and not fault.list_lag
]
#: For how long after a fault a run may fail because of it: a call is open for 90 seconds.
TROUBLE = 2 * MINUTE
#: For how long a run relies on it that exits have worked for another host.
KNOWN_FOR = 3 * INTERVAL
#: In so many refreshes after it, if these are further apart.
AFTER_FAULT = 4
#: What the leases of others take at most, beside the pools of both generations.
CHANNELS = 40
COUNTS = {"one": 3, "two": 2}

#: Why a refresh fails, and the words that say so.
CALL = "a call failed"
UNKNOWN = "it is unknown what a call did"
ENDED = "leases ended while the run waited"
CAP = "the cap is reached"
PLAN = "the plan is too small"
REJECTED = "exits answer 407"
SILENT = "exits are silent"
ALONE = "exits reject this host alone"
WORDS = {
    CAP: ("max_new_per_day=",),
    PLAN: (phrases.CAN_BE_HAD, phrases.NO_FREE_CHANNEL),
    ALONE: (phrases.TO_THIS_HOST,),
    REJECTED: (phrases.ANSWERED_407,),
    SILENT: (phrases.ANSWERED_NOTHING, phrases.NO_EXIT_FOR_THIS_HOST),
    UNKNOWN: (phrases.IS_UNKNOWN, phrases.NOT_KNOWN),
    ENDED: (phrases.ENDED_WHILE_WAITING,),
    CALL: (
        phrases.HTTP,
        phrases.IN_TIME,
        phrases.CONNECTION_LOST,
        phrases.REFUSED_WITH,
        phrases.UNREADABLE,
    ),
}
#: What a fault of a call leads to.
OF_FAULTS = {CALL, UNKNOWN, ENDED}


@dataclass(frozen=True)
class Kind:
    """A product, the areas of two pools, and their timings in seconds.

    The timer runs for the part of each day that is ``played``. The cap is above what
    a day of 407 costs: each pool tries a lease as often as one ends.
    """

    product: str
    areas: tuple[str, str]
    lifetime: float
    drain: int
    played: float
    cap: int

    def __str__(self) -> str:
        return f"{self.product} of {self.lifetime / MINUTE:g} minutes"

    @property
    def phase(self) -> float:
        """For how long something is wrong, so that leases are replaced meanwhile."""
        return min(5 * self.lifetime, 2 * HOUR)


KINDS = (
    Kind("share", ("350500", "320800"), MINUTE, 15, 10 * MINUTE, 2500),
    Kind("share", ("350500", "320800"), 5 * MINUTE, 60, HOUR, 700),
    Kind("exclusive", ("350500", "320800"), DAY, 60, DAY, 30),
    Kind("overseas", ("990100", "990200"), HOUR, 15, 2 * HOUR, 200),
)


def cause_of(sentence: str) -> str:
    """Return the cause that a message names, or all of it."""
    for cause, words in WORDS.items():
        if any(word in sentence for word in words):
            return cause
    return sentence


class Month:
    """What happens to the gateways of a key, and what was counted.

    ``stores`` is 2 if the control nodes have stores of their own.
    """

    def __init__(self, kind: Kind, seed: int, folder: Path, stores: int = 1) -> None:
        self.kind = kind
        self.seed = seed
        self.chance = Random(seed)
        self.paths = PATHS[kind.product]
        self.vendor = vendor = Vendor(kind=kind.product, lifetime=int(kind.lifetime / MINUTE))
        self.restore_plan()
        pools = []
        for number, (name, count) in enumerate(COUNTS.items()):
            area = kind.areas[number]
            pools.append({"name": name, "port": 3128 + number, "count": count, "areas": [area]})
        declared = gateway(kind.product, pools=pools, drain=kind.drain)
        self.pools = declared.pools
        self.fleets = []
        for number in (1, 2):
            directory = folder / f"store{min(number, stores)}"
            node = Node(directory, vendor, product=kind.product)
            node.is_alone = False
            fleet = Fleet(node, declared, [f"web{number}"])
            fleet.has_faults = True
            fleet.state_of = self._state_of
            self.fleets.append(fleet)
        self.stores = self.fleets[:stores]
        self.cap = kind.cap
        #: Whether QG.net answers nobody, and the state of all exits, or of single ones.
        self.is_dead = False
        self.all_exits = WORKS
        self.down_since = math.inf
        self.bad: dict[str, State] = {}
        #: The servers that were down, since the policy may replace them also later.
        self.were_down: set[str] = set()
        self.rate = FAULT_RATE
        self.expected: tuple[str, ...] = ()
        self.seen: Counter[str] = Counter()
        #: When and in which refresh something went wrong with a call or a process.
        self.last_fault = (0.0, -10)
        #: How often nothing new was found.
        self.calm = 0
        #: The last leases, of this run and of others, and when each store bought ours of a day.
        self.leases: deque[Any] = deque(maxlen=100)
        self.new: list[Any] = []
        self.foreign: set[Any] = set()
        self.last_day: dict[Path, deque[float]] = {
            fleet.node.store: deque() for fleet in self.stores
        }
        self.store = self.stores[0].node.store
        self.is_foreign = False
        #: How many were bought, and how many of them for what else than the end of a lease.
        self.bought = 0
        self.slack: Counter[str] = Counter()
        self.refreshes = 0
        self.log: deque[str] = deque(maxlen=40)
        worlds.when_opened(vendor, self._note)
        for path in ROUTES:
            if path.startswith(f"/{kind.product}/"):
                vendor.around(path, self._answer)

    @property
    def now(self) -> float:
        return self.vendor.clock.now()

    @property
    def own(self) -> list[Any]:
        """The leases that no other buyer has bought."""
        return [lease for lease in self.vendor.leases if lease not in self.foreign]

    @property
    def is_well(self) -> bool:
        """Whether both hosts have what was declared."""
        return not any(fleet.problems.get(fleet.host.name, "new") for fleet in self.fleets)

    def expect(self, is_true: bool, what: str) -> None:
        """Fail with what has happened lately if something is not true."""
        if not is_true:
            head = f"{self.kind}, seed {self.seed}, at {self._time()}: {what}"
            raise AssertionError("\n".join([head, *self.log]))

    # What happens.

    def play(self, seconds: float, *expected: str) -> None:
        """Let the timer run for a time, in which refreshes fail for the first of these causes, and
        may fail for the others.
        """
        self.expected = expected
        self.calm = 0
        seen = self.seen.copy()
        began = self.now
        while self.now < began + seconds:
            self._refresh_all()
            self._advance(max(0.0, min(self._pause(), began + seconds - self.now)))
        for cause in expected[:1]:
            self.expect(self.seen[cause] > seen[cause], f"no refresh has failed since {cause}")

    def ordinary(self, days: int) -> None:
        """Let days pass on which nothing happens but what may happen on any day.

        No more is bought than if each lease were replaced as early as it may be, whenever the timer
        is started, and the slack.
        """
        kind = self.kind
        bought = self.bought
        slack = sum(self.slack.values())
        for _day in range(days):
            self.play(kind.played)
            self.vendor.advance(DAY - kind.played)
        starts = 1 if kind.played == DAY else days
        generations = starts + days * kind.played / (kind.lifetime - kind.drain)
        most = sum(COUNTS.values()) * generations + sum(self.slack.values()) - slack
        self.expect(self.bought - bought <= most, f"{self.bought - bought} bought, most {most:.0f}")

    def until_renewal(self, seconds: float) -> None:
        """Let the timer run for a minute, or until so many seconds before an own lease is replaced:
        the first that is not replaced within this minute.
        """
        self._refresh_all()
        replaced = [lease.ends - self.kind.drain - seconds - self.now for lease in self.own]
        self.play(min((left for left in replaced if left >= MINUTE), default=MINUTE))

    def recover(self, refreshes: int = 3, within: float = 0.0) -> None:
        """Let the gateways recover without further faults: in so many refreshes, or some time."""
        rate, self.rate = self.rate, 0.0
        began = self.now
        self.calm = 0
        number = 0
        self._refresh_all()
        while not self.is_well:
            number += 1
            self.expect(number < refreshes or self.now - began <= within, "has not recovered")
            self.vendor.advance(min(self._pause(), MINUTE))
            self._refresh_all()
        self.log.append(f"{self._time()}: recovered in {self.now - began:.0f} s")
        self._ask()
        self.rate = rate

    def _ask(self) -> None:
        """See whom the leases belong to, by what a user is told."""
        for fleet in self.fleets:
            result = fleet.node.ok("qg_proxy_info")
            origins = {lease["server"]: lease["bought_here"] for lease in result["leases"]}
            for lease in self.vendor.leases:
                is_mine = len(self.stores) == 1 and lease not in self.foreign
                told = origins.get(lease.host)
                self.expect(told is not False or not is_mine, f"{lease.host} is ours")

    def _refresh_all(self) -> None:
        for fleet in self.fleets:
            self._refresh(fleet)
            self.vendor.advance(1.0)

    def _pause(self) -> float:
        """Return the seconds until the next refresh: the longer, the more often nothing new was
        found, unless a lease ends soon.
        """
        self.calm = min(self.calm + 1, 12)
        if self.expected[:1] == (ALONE,):
            # What works for a host is not known to others for long.
            return INTERVAL
        pause = min(INTERVAL * 2.0 ** max(0, self.calm - 3), HOUR if self.is_well else 5 * MINUTE)
        for lease in self.vendor.leases if self.all_exits == WORKS else ():
            pause = min(pause, lease.ends - self.kind.drain - INTERVAL - self.now)
        return max(INTERVAL, pause)

    def _advance(self, seconds: float) -> None:
        """Let time pass, in which another buyer may lease, and an exit may fail."""
        odds = min(seconds, MINUTE) / self.kind.played
        if self.chance.random() < odds:
            self.calm = 0
            if self.chance.random() < 0.5:
                self._buy_elsewhere()
            else:
                # Between the reading of the list and the purchase of a run, for example.
                self.vendor.before(self.paths.query, self._buy_elsewhere)
        live = [lease.host for lease in self.vendor.leases]
        if live and not self.expected and self.chance.random() < odds:
            self.calm = 0
            self.bad[self.chance.choice(live)] = FAILS
        self.vendor.advance(seconds)

    def _buy_elsewhere(self) -> None:
        self.is_foreign = True
        parameters: dict[str, Any] = {"num": self.chance.randint(1, 2)}
        if self.chance.random() < 0.5:
            parameters["area"] = self.chance.choice(self.kind.areas)
        with contextlib.suppress(ConnectionLost):
            self.vendor.response(self.paths.get, **parameters)
        self.is_foreign = False
        self.log.append(f"{self._time()}: another buyer asks for {parameters}")

    def _answer(self, call: Call) -> Answer:
        """Handle a call, unless QG.net is dead; some calls have a fault."""
        if self.is_dead:
            if self.chance.random() < 0.5:
                raise ConnectionLost("dead")
            return 502, None
        if not self.is_foreign and self.chance.random() < self.rate:
            plan = self.chance.choice(PLANS)
            self.vendor.fault(call.path, **plan)
            self._note_fault(f"{call.path} {plan}")
        return call.carry_out()

    def _note_fault(self, what: str) -> None:
        self.last_fault = (self.now, self.refreshes)
        self.log.append(f"{self._time()}: {what}")

    def outage(self, state: State, seconds: float, *expected: str) -> None:
        """Let all exits do this for a time, in which each pool buys probes: at once, after 1, 2, 4,
        8, 16 and 32 minutes, and then each hour, or each time in which a lease ends.
        """
        probes = self.slack["probes"]
        self.all_exits = state
        self.down_since = self.now
        self.play(seconds, *expected)
        self.all_exits = WORKS
        self.down_since = math.inf
        number = self.slack["probes"] - probes
        longest = min(self.kind.lifetime, HOUR)
        most = len(COUNTS) * len(self.stores) * (7 + seconds / longest)
        self.expect(number <= most, f"{number} probes")

    def _state_of(self, server: str) -> State:
        state = self.all_exits
        if state == WORKS:
            state = self.bad.get(server, WORKS)
        if state != WORKS:
            self.were_down.add(server)
        return state

    def _note(self, lease: Any) -> None:
        self.leases.append(lease)
        if self.is_foreign:
            self.foreign.add(lease)
        else:
            self.new.append(lease)
            self.last_day[self.store].append(self.now)
            self.bought += 1

    def restore_plan(self) -> None:
        """Let the plan have more channels than all need."""
        self.vendor.configure(plan={"channels": CHANNELS})

    # What is true after each refresh.

    def _refresh(self, fleet: Fleet) -> None:
        """Let a run lease for a host, and judge it."""
        self.vendor.journal.clear()
        self.new = []
        self.store = fleet.node.store
        self.refreshes += 1
        was_well = self.is_well
        fault_at, fault_in = self.last_fault
        was_faulty = self.now - fault_at < TROUBLE or self.refreshes - fault_in <= AFTER_FAULT
        is_late = self.chance.random() < self.rate
        if is_late:
            self.vendor.late = (self.paths.get, self.chance.randint(1, 28))
        if self.chance.random() < self.rate:
            fleet.node.at_step(self.chance.randint(5, 60), fleet.node.die)
        began = self.now
        is_killed = fleet.killed(cap=self.cap)
        if is_killed or (is_late and self.vendor.late is None):
            self._note_fault(f"{fleet.host.name}: killed {is_killed}, late {is_late}")
        fleet.node.event = None
        self.vendor.late = None
        problem = "killed" if is_killed else fleet.problems.get(fleet.host.name, "")
        if self.new or problem:
            sold = [f"{lease.host} {lease.area.area_id}" for lease in self.new]
            what = f"{fleet.host.name}, {self.now - began:.0f} s: {sold} {problem[:200]}"
            self.log.append(f"{self._time()}: {what}")
        if self.new or is_killed or was_well != self.is_well:
            self.calm = 0
        self._judge_purchases(began)
        self._judge_knowledge()
        if not is_killed:
            is_faulty = was_faulty or self.last_fault[0] >= began
            self._judge_problems(fleet, began, is_faulty=is_faulty)

    def _judge_purchases(self, began: float) -> None:
        """Nothing is bought but what is missing, and never more than the cap allows.

        What has been down may be replaced, and while all exits are down, a pool buys one lease at a
        time. What ends while the run waits may be missing again.
        """
        now = self.now
        for pool in self.pools:
            bought = [lease for lease in self.new if str(lease.area.area_id) in pool.areas]
            there = []
            for lease in self.vendor.leases:
                is_here = str(lease.area.area_id) in pool.areas
                if is_here and lease.ends - now >= pool.drain and lease not in self.new:
                    there.append(lease)
            ever_up = [lease for lease in there if lease.host not in self.were_down]
            short = [lease for lease in bought if lease.ends - now < pool.drain]
            missing = max(0, pool.count - len(ever_up))
            replaced = len(bought) - len(short) - max(0, pool.count - len(there))
            self.slack["replaced exits"] += max(0, replaced)
            if began - self.down_since > KNOWN_FOR:
                missing = min(missing, 1)
                self.slack["probes"] += len(bought)
            self.slack["ended while a run waited"] += len(short)
            self.expect(
                len(bought) <= missing + len(short),
                f"{len(bought)} bought for pool {pool.name} where {missing} are missing",
            )
        last_day = self.last_day[self.store]
        while last_day and last_day[0] <= now - DAY:
            last_day.popleft()
        if self.new:
            self.expect(len(last_day) <= self.cap, f"{len(last_day)} bought in a day")

    def _judge_knowledge(self) -> None:
        """What lives was bought by another one, or is in a journal, or may be of an open call.

        Of a call without a result, nobody knows which leases are its own: a store may take those of
        another one for its own.
        """
        live = self.vendor.leases
        known = set[str]()
        taken = 0
        number_open = 0
        for fleet in self.stores:
            names, calls = self._journal(fleet)
            taken += sum(lease.host in known & names for lease in live)
            known |= names
            number_open += calls
        foreign = [lease for lease in live if lease in self.foreign]
        unknown = [lease.host for lease in live if lease.host not in known]
        most = len(foreign) + taken + number_open
        self.expect(len(unknown) <= most, f"no journal knows {unknown}")

    @staticmethod
    def _journal(fleet: Fleet) -> tuple[set[str], int]:
        """Return what a store knows to be bought, and what its open calls may have bought."""
        names = fleet.rows("SELECT name FROM resources WHERE is_bought = 1")
        calls = fleet.rows("SELECT buys FROM journal WHERE state IN ('sent', 'unknown')")
        return {name for (name,) in names}, sum(buys for (buys,) in calls)

    def _judge_problems(self, fleet: Fleet, began: float, *, is_faulty: bool) -> None:
        """A refresh that fails names a cause that there is. One that succeeds has enough exits that
        lived when it began: leases of a minute may end while it waits for those of another pool.
        """
        for sentence in re.split(r" (?=Pool \w+ of )", fleet.problem):
            if sentence:
                cause = cause_of(sentence)
                self.seen[cause] += 1
                is_expected = cause in self.expected or (is_faulty and cause in OF_FAULTS)
                self.expect(is_expected, f"failed unexpectedly: {sentence}")
        if fleet.problem:
            return
        live = {lease.host for lease in self.leases if lease.ends > began}
        for pool in self.pools:
            serving = []
            for server in fleet.host.servers:
                if server.pool == pool.name and not server.drained and server.server in live:
                    serving.append(server)
            self.expect(len(serving) >= pool.count, f"{len(serving)} serve in pool {pool.name}")

    def _time(self) -> str:
        """Return the time since the beginning, as in a log."""
        seconds = self.now - self.vendor.clock._start
        return f"day {int(seconds // DAY) + 1}, {seconds % DAY:.0f} s"
