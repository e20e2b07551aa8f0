# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plant bugs that would cost money or cut off hosts, one at a time, and see whether the named tests find each.

Each bug is planted in a copy of the checkout, which is removed afterwards. A bug whose old text is not in its file
exactly once is an error: it has to follow the code.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import workspace

CODE = "plugins/module_utils"
TESTS = "tests/unit/plugins/module_utils"
#: Seconds that the tests of one bug may take: a bug that makes them hang is found as well.
TIME_LIMIT = 300.0
#: pytest's exit code where tests ran and some failed. Any other failure says nothing of the tests.
TESTS_FAILED = 1


@dataclass(frozen=True)
class Bug:
    """A change of one text in a file of ``plugins/module_utils``, and the unit tests that have to fail with it.

    ``tests`` are names of files in the folder of the unit tests of ``module_utils``, with or without ``::test_name``.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


BUGS = (
    Bug(
        "exact removes one address more than max_removals",
        "_whitelist/plan.py",
        "len(first.remove) > limit",
        "len(first.remove) > limit + 1",
        ("test_whitelist_plan.py",),
    ),
    Bug(
        "unconfirmed addresses are removed beyond max_removals",
        "_whitelist/plan.py",
        "len(unconfirmed) > desired.max_removals",
        "len(unconfirmed) > desired.max_removals + 1",
        ("test_whitelist_plan.py",),
    ),
    Bug(
        "the whitelist may hold one address more than its capacity",
        "_whitelist/plan.py",
        "max(0, self.size - capacity)",
        "max(0, self.size - capacity - 1)",
        ("test_whitelist_plan.py",),
    ),
    Bug(
        "an address is removed although its replacement was refused",
        "_whitelist/plan.py",
        "set() if refused else remove - wanted",
        "remove - wanted",
        ("test_whitelist_plan.py",),
    ),
    Bug(
        "an address is removed before its replacement is on the whitelist",
        "_whitelist/applier.py",
        "self._result.after.issuperset(todo.add)",
        "True",
        ("test_whitelist_order.py",),
    ),
    Bug(
        "a change of the whitelist counts as carried out although the vendor counts less",
        "_api/classic/models.py",
        "sent if number == asked else ()",
        "sent",
        ("test_client.py",),
    ),
    Bug(
        "an address in another notation is taken for another address",
        "_core/addresses.py",
        'plain.removesuffix("/32")',
        "plain",
        ("test_whitelist_notations.py",),
    ),
    Bug(
        "check mode writes the whitelist",
        "_whitelist/applier.py",
        "elif first.changes",
        "if first.changes",
        ("test_whitelist.py",),
    ),
    Bug(
        "a lost response to a paid call is answered by sending the call again",
        "_api/retry.py",
        "(repeatable or not error.may_have_effect)",
        "True",
        ("test_leases.py",),
    ),
    Bug(
        "leases that only the quota shows are ordered again",
        "_reconcile/lost_response.py",
        " unlisted = error is not None and creation.has_unlisted(error)",
        " unlisted = False",
        ("test_leases.py",),
    ),
    Bug(
        "a reported release is sent again",
        "_api/lease_client.py",
        "gone=[lease.name for lease in released]",
        "gone=[]",
        ("test_leases.py",),
    ),
    Bug(
        "the lock of a key is not waited for",
        "_api/exchange.py",
        "if locked:",
        "if True:",
        ("test_leases.py",),
    ),
    Bug(
        "the rate limiter lets one call too many pass",
        "_store/rate_limiter.py",
        "used + amount > limit",
        "used + amount > limit + 1",
        ("test_rate_limiter.py",),
    ),
    Bug(
        "a secret stays in what a server said",
        "_core/redaction.py",
        "self._long.mask(self._pattern.sub(MASK, text), MASK)",
        "text",
        ("test_redaction.py",),
    ),
    Bug(
        "an address is believed that one source too few reports",
        "_egress/detect.py",
        "len(sources) < request.quorum",
        "len(sources) < request.quorum - 1",
        ("test_egress.py",),
    ),
    Bug(
        "a resource is released before the vendor allows it",
        "_monopolies/session.py",
        "monopoly.since + MIN_HOLD_TIME",
        "monopoly.since",
        ("test_monopolies.py",),
    ),
    Bug(
        "an application whose response was lost counts as refused",
        "_monopolies/application.py",
        "return error.may_have_effect or self._attempts > 1",
        "return self._attempts > 1",
        ("test_monopolies.py",),
    ),
    Bug(
        "registering one host forgets all others of the inventory",
        "_store/registrations.py",
        '"DELETE FROM registrations WHERE key = ? AND inventory = ? AND host = ?"',
        '"DELETE FROM registrations WHERE key = ? AND inventory = ? AND ? IS NOT NULL"',
        ("test_fleet.py",),
    ),
    Bug(
        "prune removes addresses before all hosts have reported",
        "_whitelist/pruning.py",
        "return check.expected - reports.hosts()",
        "return frozenset()",
        ("test_whitelist_lag.py::test_nothing_is_removed_with_prune_before_all_expected_hosts_have_reported",),
    ),
    Bug(
        "others may read the state directory",
        "_store/directory.py",
        "status.st_mode & 0o777 != 0o700",
        "status.st_mode & 0o700 != 0o700",
        ("test_state.py::test_wider_modes_of_earlier_runs_are_tightened",),
    ),
    Bug(
        "the parts of a signature are in the wrong order",
        "_api/account/signing.py",
        "{self.app_id}{self.domain}{time}",
        "{self.app_id}{time}{self.domain}",
        ("test_signing.py",),
    ),
)


class PlantingError(Exception):
    """A bug does not fit the code, or its tests do not run."""


def plant(bug: Bug, checkout: Path) -> None:
    """Change the file."""
    path = checkout / CODE / bug.file
    if not path.is_file():
        raise PlantingError(f"no such file: {CODE}/{bug.file}")
    text = path.read_text(encoding="utf-8")
    if (count := text.count(bug.old)) != 1:
        raise PlantingError(f"the old text is {count} times in {CODE}/{bug.file}: {bug.old!r}")
    path.write_text(text.replace(bug.old, bug.new), encoding="utf-8")


def run_tests(checkout: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Return the exit code of pytest in a copy, and its last lines."""
    base = checkout.parents[2]
    # The link that the settings of pytest name is not in the copy: the copy itself has the form of a collection.
    environment = {**os.environ, "PYTHONPATH": str(base), "QG_CHECKOUT": str(checkout)}
    command = [sys.executable, "-m", "pytest", "-q", "--exitfirst", f"--basetemp={base / 'temporary'}"]
    command += [f"{TESTS}/{name}" for name in tests]
    with subprocess.Popen(
        command,
        cwd=checkout,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _nothing = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            return TESTS_FAILED, f"the tests did not end in {TIME_LIMIT:.0f} seconds"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, output[-2000:]


def is_found(bug: Bug) -> bool:
    """Whether the tests of a bug fail with it; PlantingError where that cannot be told."""
    label = f"planted-{os.getpid()}"
    checkout = workspace.copy_collection(label)
    try:
        plant(bug, checkout)
        code, output = run_tests(checkout, bug.tests)
    finally:
        workspace.drop_copy(label)
    if code not in (0, TESTS_FAILED):
        raise PlantingError(f"pytest ended with {code}:\n{output}")
    return code == TESTS_FAILED


def check_tests(bugs: Sequence[Bug]) -> None:
    """Run the tests of all bugs without any; PlantingError where some fail."""
    label = f"planted-{os.getpid()}"
    checkout = workspace.copy_collection(label)
    try:
        code, output = run_tests(checkout, sorted({name for bug in bugs for name in bug.tests}))
    finally:
        workspace.drop_copy(label)
    if code:
        raise PlantingError(f"the tests fail without a bug:\n{output}")


def main(arguments: Sequence[str]) -> int:
    """Return the exit code: 1 where a bug is not found."""
    parser = argparse.ArgumentParser(prog="planted_bugs", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="plant only the bugs with one of these in their names")
    options = parser.parse_args(arguments)
    bugs = [bug for bug in BUGS if not options.words or any(word in bug.name for word in options.words)]
    ends = {"found": 0, "NOT FOUND": 0, "ERROR": 0}
    try:
        check_tests(bugs)
    except PlantingError as error:
        print(f"planted: {error}", file=sys.stderr)
        return 1
    for bug in bugs:
        start, why = time.monotonic(), ""
        try:
            end = "found" if is_found(bug) else "NOT FOUND"
        except PlantingError as error:
            end, why = "ERROR", f": {error}"
        ends[end] += 1
        print(f"{end}: {bug.name} ({time.monotonic() - start:.0f} s){why}", flush=True)
    whole = bool(bugs) and ends["found"] == len(bugs)
    print(f"planted: {'OK' if whole else 'FAILED'}: {ends['found']} of {len(bugs)} bugs found")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
