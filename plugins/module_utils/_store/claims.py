# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The claims: what hosts, and the tasks that wait, want on a whitelist.

A claim on an address stays when the run of its host is over. An address may be shared by several hosts, and a former
one is removed later. If the state is lost, former addresses stay on the whitelist, and registering still disconnects no
host; deregistering a host then removes its current address even if another host shares it.

The claim that a host makes in a run is kept until the run is over, and that of a task for as long as it waits. A
waiting process renews its claim twice a second.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from .._core.processes import is_run_finished
from .interface import upsert

if TYPE_CHECKING:
    from .interface import Connection, Store

#: Seconds after its last renewal for which the claim of a task is kept: its process may be stopped, and continue.
WAITER_TTL = 300.0
#: The maximum age of a claim in seconds: no play takes longer from one task to the next.
CLAIM_TTL = 86400.0
#: The maximum number of claims, of runs whose end cannot be seen from here; the oldest are dropped first.
MAX_CLAIMS = 100_000

#: A claim that stays has an ``ip``, and no ``run``; see :class:`Owner`. The others have no ``ip``. ``wanted`` (JSON) is
#: NULL for a host of a run that claims nothing. A claim ``in_sync`` was fulfilled when it was made. ``renewed_at`` is
#: set while a process waits. ``reading`` is the number of the reading that decided the claim, in the table of that
#: name. ``outcome`` (JSON) is what the summary of the run needs of the host; it is ``final`` if no later task replaces
#: it. ``task`` is the first task of the host, which began at ``begun_at``; NULL if the strategy does not run the hosts
#: in lockstep.
SCHEMA = """
CREATE TABLE IF NOT EXISTS claims (
  id TEXT PRIMARY KEY, run TEXT, host TEXT NOT NULL, inventory TEXT, key TEXT, made_at REAL,
  ip TEXT, former INTEGER, found INTEGER, missing_since REAL,
  access TEXT, wanted TEXT, max_wait REAL, timeout REAL, in_sync INTEGER, renewed_at REAL, reading INTEGER,
  play TEXT, task TEXT, begun_at REAL, final INTEGER, outcome TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS claims_that_stay ON claims (key, host, inventory, ip) WHERE ip IS NOT NULL;
CREATE INDEX IF NOT EXISTS claims_to_remove ON claims (key, inventory) WHERE former = 1;
CREATE INDEX IF NOT EXISTS claims_by_age ON claims (made_at) WHERE ip IS NULL;
CREATE INDEX IF NOT EXISTS claims_open ON claims (key, access) WHERE reading IS NULL AND in_sync = 0;
CREATE INDEX IF NOT EXISTS claims_of_run ON claims (run, in_sync) WHERE run IS NOT NULL;
"""


class Owner(NamedTuple):
    """A claim that stays: that of a host of an inventory on an address.

    A ``former`` address is no longer needed by the host, but may still be on the whitelist. An address was ``found`` if
    the host reported it when it was on the whitelist already, and neither this control node added it nor the user gave
    it. ``missing_since`` is when the vendor's list first lacked it. Times are state time.
    """

    ip: str
    host: str
    inventory: str
    former: bool = False
    found: bool = False
    made_at: float = 0.0
    missing_since: float | None = None

    @property
    def may_be_listed(self) -> bool:
        """Whether the host needs the address, or it may still be on the whitelist."""
        return not self.former or self.missing_since is None


_STAYS = ", ".join(Owner._fields)
_DROP = "DELETE FROM claims WHERE ip IS NOT NULL AND key = ? AND host = ? AND inventory = ? AND ip = ?"
_STAY = f"INSERT INTO claims (id, key, {_STAYS}) VALUES ({', '.join('?' * (len(Owner._fields) + 2))})"

_Read = Callable[..., Iterable[Any]]
#: Returns what becomes of claims at a state time.
Rule = Callable[[list[Owner], float], list[Owner]]


@dataclass(frozen=True)
class StandingClaims:
    """The claims on the whitelist of a key that stay, for the hosts of all inventories."""

    store: Store
    key: str

    def exist(self) -> bool:
        """Whether there is any."""
        return bool(self.store.rows("SELECT 1 FROM claims WHERE ip IS NOT NULL AND key = ? LIMIT 1", self.key))

    def owners(self, **where: object) -> list[Owner]:
        """Return the claims with these values of columns, by inventory, host and address."""
        return self._owners(self.store.rows, where)

    def former(self, inventory: str) -> list[Owner]:
        """Return the claims on addresses that hosts of an inventory no longer need."""
        return _owners(self.store.rows, "former = 1 AND key = ? AND inventory = ?", self.key, inventory)

    def holders(self, ip: str) -> list[Owner]:
        """Return the hosts that need an address on the whitelist of any other key of this state."""
        return _owners(self.store.rows, "ip = ? AND key != ? AND former = 0", ip, self.key)

    def change(self, rule: Rule, **where: object) -> None:
        """Replace the claims with these values of columns by what a rule makes of them, if that differs."""
        before = self.owners(**where)
        if rule(before, self.store.now()) == before:
            return
        with self.store.transaction() as database:
            # Read again: another process may have written while this one waited for it.
            before = self._owners(lambda query, *values: database.execute(query, values), where)
            after = rule(before, self.store.now())
            old, new = set(before).difference(after), set(after).difference(before)
            database.executemany(_DROP, [(self.key, owner.host, owner.inventory, owner.ip) for owner in sorted(old)])
            database.executemany(_STAY, [(secrets.token_hex(8), self.key, *owner) for owner in sorted(new)])

    def _owners(self, read: _Read, where: Mapping[str, object]) -> list[Owner]:
        condition = "".join(f" AND {column} = ?" for column in where)
        return _owners(read, f"ip IS NOT NULL AND key = ?{condition}", self.key, *where.values())


def _owners(read: _Read, condition: str, *values: object) -> list[Owner]:
    query = f"SELECT {_STAYS} FROM claims WHERE {condition} ORDER BY inventory, host, ip"
    return [
        Owner(ip, host, inventory, bool(former), bool(found), made_at, missing)
        for ip, host, inventory, former, found, made_at, missing in read(query, *values)
    ]


@dataclass(frozen=True)
class Claim:
    """A claim of a host in a run of Ansible, or of a single task, which has no run, host or inventory.

    ``wanted`` says what the whitelist should be, as JSON that the store does not interpret. An ``exclusive`` claim is
    never fulfilled together with others. One ``in_sync`` was fulfilled when it was made. ``made_at`` (state time)
    identifies the claim if it was read from the store.
    """

    wanted: Mapping[str, Any]
    max_wait: float
    timeout: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    run: str = ""
    host: str = ""
    inventory: str = ""
    in_sync: bool = False
    exclusive: bool = False
    made_at: float | None = field(default=None, compare=False)

    @property
    def group(self) -> tuple[str, str, str]:
        """What it has in common with the claims that are fulfilled as one: hosts of a run may come and others go."""
        return self.run or self.id, self.inventory, self.wanted["state"]


_OWN = ("run", "host", "inventory", "key", "access", "wanted", "max_wait", "timeout")
_MAKE = upsert("claims", ("id",), (*_OWN, "made_at", "in_sync", "renewed_at", "reading"))
_COLUMNS = "wanted, max_wait, timeout, id, run, host, inventory, in_sync, made_at"
_OPEN = "reading IS NULL AND in_sync = 0"


class Claims:
    """The claims for one key with the same access options; check mode has its own."""

    def __init__(self, store: Store, key: str, access: str = "", *, check: bool = False) -> None:
        self.store = store
        self.key = key
        self.access = f"{access} {check}"
        #: The lock of the process that changes the whitelist, or predicts a change.
        self.lock = f"whitelist-{key}{'-check' if check else ''}"
        self.standing = StandingClaims(store, key)

    def make(self, claim: Claim, *, waits: bool = False) -> None:
        """Store a claim in place of an earlier one with the same id. ``waits`` says that its process waits."""
        identity = (claim.id, claim.run, claim.host, claim.inventory, self.key, self.access)
        with self.store.transaction() as database:
            now = self.store.now()
            content = (json.dumps(claim.wanted), claim.max_wait, claim.timeout)
            database.execute(_MAKE, (*identity, *content, now, claim.in_sync, now if waits else None, None))

    def cancel(self, run: str, host: str) -> None:
        """Delete a host's claim: its addresses are unknown."""
        # Usually there is none, and a query does not have to wait for a process that writes.
        if self.store.rows("SELECT 1 FROM claims WHERE id = ?", f"{run}/{host}"):
            self._delete(f"{run}/{host}")

    def of_host(self, run: str, host: str, inventory: str) -> Claim | None:
        """Return the claim of a host, if it has one for this key and inventory."""
        found = self._claims("id = ? AND key = ? AND inventory = ?", f"{run}/{host}", self.key, inventory)
        return found[0] if found else None

    def decided_by(self, claim: Claim) -> int | None:
        """Return the number of the reading that decided a claim; None if there is none yet."""
        rows = self.store.rows("SELECT reading FROM claims WHERE id = ?", claim.id)
        return rows[0][0] if rows else None

    def decided_with(self, claim: Claim) -> list[Claim]:
        """Return the claims of the same group that the same reading decided, the earliest first."""
        same = "reading = (SELECT reading FROM claims WHERE id = ?)"
        found = self._claims(f"run = ? AND inventory = ? AND {same}", claim.run, claim.inventory, claim.id)
        return [other for other in found if other.group == claim.group]

    def renew(self, claim: Claim) -> None:
        """Record that this process still waits; make the claim again if it was deleted."""
        if not self.store.execute("UPDATE claims SET renewed_at = ? WHERE id = ?", self.store.now(), claim.id):
            self.make(claim, waits=True)

    def withdraw(self, claim: Claim) -> None:
        """Record that no process waits any more. Claims of hosts are kept until their run is over."""
        if claim.run:
            self.store.execute("UPDATE claims SET renewed_at = NULL WHERE id = ?", claim.id)
        else:
            self._delete(claim.id)

    def waiting(self, claim: Claim, *, of_others: bool = False) -> dict[str, float]:
        """Return the time of the last renewal of each of the other waiting claims, by id.

        With ``of_others``, leave out claims of the same run and inventory.
        """
        query = f"SELECT id, renewed_at FROM claims WHERE key = ? AND access = ? AND {_OPEN} AND id != ?"
        query += " AND renewed_at IS NOT NULL"
        if not (of_others and claim.run):
            return dict(self.store.rows(query, self.key, self.access, claim.id))
        query += " AND NOT (run = ? AND inventory = ?)"
        return dict(self.store.rows(query, self.key, self.access, claim.id, claim.run, claim.inventory))

    def open(self) -> list[Claim]:
        """Return the claims that no reading has decided, the earliest first."""
        return self._claims(f"key = ? AND access = ? AND {_OPEN}", self.key, self.access)

    def decide(self, database: Connection, claims: Iterable[Claim], reading: int) -> None:
        """Record which reading decides these claims, unless they were made again since they were read from the store.

        It may have been read before the later claim was made.
        """
        database.executemany(
            "UPDATE claims SET reading = ? WHERE id = ? AND made_at = ?",
            [(reading, claim.id, claim.made_at) for claim in claims],
        )

    def purge(self) -> None:
        """Delete the claims of ended processes and finished runs."""
        runs = self.store.rows("SELECT DISTINCT run FROM claims WHERE run > ''")
        over = [row for row in runs if is_run_finished(row[0])]
        older = "DELETE FROM claims WHERE ip IS NULL AND made_at"
        newest = "SELECT made_at FROM claims WHERE ip IS NULL ORDER BY made_at DESC LIMIT 1 OFFSET ?"
        with self.store.transaction() as database:
            now = self.store.now()
            database.execute("DELETE FROM claims WHERE run = '' AND renewed_at < ?", (now - WAITER_TTL,))
            database.executemany("DELETE FROM claims WHERE run = ?", over)
            database.execute(f"{older} < ?", (now - CLAIM_TTL,))
            database.execute(f"{older} <= ({newest})", (MAX_CLAIMS,))

    def _delete(self, name: str) -> None:
        self.store.execute("DELETE FROM claims WHERE id = ?", name)

    def _claims(self, condition: str, *values: object) -> list[Claim]:
        query = f"SELECT {_COLUMNS} FROM claims WHERE {condition} AND wanted IS NOT NULL ORDER BY made_at"
        return [
            replace(Claim(self.store.decoded(wanted), *rest), in_sync=bool(in_sync), made_at=made_at)
            for wanted, *rest, in_sync, made_at in self.store.rows(query, *values)
        ]


@dataclass(frozen=True)
class RunClaims:
    """The hosts of a run: their claims, for whichever key, and their outcomes. A host has one claim, the newest.

    It works with every strategy, and for failed hosts. Variables of hosts would not do: reading those of all hosts in
    one task is too slow for a large fleet.
    """

    store: Store
    run: str

    def has_pending_changes(self) -> bool:
        """Whether a claim requires changes, or required them when it was made."""
        return bool(self.store.rows("SELECT 1 FROM claims WHERE run = ? AND in_sync = 0 LIMIT 1", self.run))

    def is_in_sync(self) -> bool:
        """Whether hosts have claims, and none of them requires a change."""
        query = "SELECT 1 FROM claims WHERE run = ? AND in_sync = 1 LIMIT 1"
        return not self.has_pending_changes() and bool(self.store.rows(query, self.run))

    def hosts(self) -> frozenset[str]:
        """Return the hosts that have made a claim."""
        query = "SELECT host FROM claims WHERE run = ? AND wanted IS NOT NULL"
        return frozenset(host for (host,) in self.store.rows(query, self.run))

    def addresses(self, key: str) -> set[str]:
        """Return the addresses that hosts claim: those of this run, and of other runs whose claims are not decided."""
        query = f"SELECT run, wanted FROM claims WHERE host != '' AND (run = ? OR (key = ? AND {_OPEN}))"
        found: set[str] = set()
        for run, text in self.store.rows(query, self.run, key):
            wanted = self.store.decoded(text) if text else {"state": ""}
            if wanted["state"] == "present" and (run == self.run or not is_run_finished(run)):
                found.update(wanted["ips"])
        return found

    def decided(self, claims: Claims, inventory: str) -> dict[str, tuple[Mapping[str, Any], int | None]]:
        """Return what the hosts with decided claims want, and the reading that decided it, None if none was needed."""
        query = (
            "SELECT host, wanted, reading FROM claims WHERE run = ? AND inventory = ? AND key = ? AND access = ? "
            "AND (reading IS NOT NULL OR in_sync = 1)"
        )
        rows = self.store.rows(query, self.run, inventory, claims.key, claims.access)
        return {host: (self.store.decoded(wanted), reading) for host, wanted, reading in rows}

    def begin(self, host: str, play: str, task: str | None, outcome: dict[str, Any], *, final: bool) -> None:
        """Store the outcome of a host's first task, in place of any earlier outcome of the run.

        ``task`` identifies the task, equally for all hosts, if they run in lockstep; otherwise None.
        """
        columns = ("run", "host", "play", "task", "begun_at", "final", "outcome")
        statement = upsert("claims", ("id",), columns, kept=("made_at",))
        with self.store.transaction() as database:
            now = self.store.now()
            outcome_of_host = (self.run, host, play, task, now, final, json.dumps(outcome))
            database.execute(statement, (f"{self.run}/{host}", *outcome_of_host, now))

    def finish(self, host: str, outcome: dict[str, Any]) -> None:
        """Replace the outcome of a host's first task by that of its last one."""
        statement = "UPDATE claims SET final = 1, outcome = ? WHERE id = ? AND begun_at IS NOT NULL"
        self.store.execute(statement, json.dumps(outcome), f"{self.run}/{host}")

    def get(self, host: str) -> dict[str, Any] | None:
        """Return the outcome of a host, if it has one."""
        query = "SELECT outcome FROM claims WHERE id = ? AND outcome IS NOT NULL"
        rows = self.store.rows(query, f"{self.run}/{host}")
        return self.store.decoded(rows[0][0]) if rows else None

    def of_play(self, play: str) -> dict[str, dict[str, Any] | None]:
        """Return the final outcome of each host of a play that has begun; None for a host without a final one."""
        rows = self.store.rows("SELECT host, final, outcome FROM claims WHERE run = ? AND play = ?", self.run, play)
        return {host: self.store.decoded(outcome) if final else None for host, final, outcome in rows}

    def have_begun(self, hosts: Collection[str]) -> bool:
        """Whether all of these hosts have completed the newest first task of the run in lockstep.

        The play may contain an earlier first task, and other hosts may use another store.
        """
        latest = "SELECT task FROM claims WHERE run = ? AND begun_at IS NOT NULL ORDER BY begun_at DESC LIMIT 1"
        begun = f"FROM claims WHERE run = ? AND task = ({latest})"
        # Counting comes first: each host of a large fleet calls this, and reading all names each time would be slow.
        if self.store.rows(f"SELECT COUNT(*) {begun}", self.run, self.run)[0][0] < len(hosts):
            return False
        return set(hosts) <= {host for (host,) in self.store.rows(f"SELECT host {begun}", self.run, self.run)}
