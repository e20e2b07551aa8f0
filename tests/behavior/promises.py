# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection promises, one function each, judged by QG.net's own books and by nothing of
the code.

Each function looks at one run of a walk and returns what it broke, or an empty text. Where a
control node cannot know better, by the documents of the modules, the function says so: prefer a
judge that is right to one that finds more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from behavior import worlds
from behavior.line_walks import Line, LineRun, LineWalk
from behavior.outcomes import LIST_LAG
from behavior.paid_calls import ALLOCATE, RELEASE, REPLACE
from behavior.world_walks import LEASES, Known, Plot, Run, Walk
from support import phrases
from support.vendor import CLASSIC, KEY

#: For how long an interrupted replacement is continued.
REPLACEMENT_TTL = 600
#: A lease that lasts only this much longer than it has to is too short for the next run.
MOMENT = 5
HOUR = 3600
_NONSENSE = re.compile(
    r"-\d+(\.\d+)? (more )?(seconds?|minutes?|hours?|leases?|channels?)\b|\b(nan|inf|None)\b"
)
_UNITS = {"s": 1, "m": 60}


#: Returns what a run of a walk has broken, or an empty text.
Promise = Callable[[Walk, Run], str]
LinePromise = Callable[[LineWalk, LineRun], str]


class Broken(AssertionError):
    """A run has broken a promise."""

    def __init__(self, promise: str, what: str, walk: Walk | LineWalk) -> None:
        super().__init__("\n".join([f"{promise}: {what}", *walk.log]))
        self.promise = promise


# What a control node can know.


def node_knows(walk: Walk, run: Run, known: Known) -> bool:
    """Whether the node can know, when it pays, that the key holds a lease."""
    return (
        _is_listed(walk, run, known)
        or _is_in_journal(walk, run, known)
        or (_quota_is_true(walk, run) and known.bought_at <= run.began)
    )


def _has_equal_names(walk: Walk) -> bool:
    """Whether two leases can have one name, so that nobody knows which of them is meant."""
    irregularities = set(walk.world.irregularities)
    if "leases share a server" in irregularities and walk.world.product != CLASSIC:
        return True
    return "names are repeated" in irregularities or irregularities >= {
        "tasks are reused",
        "addresses are reused",
    }


def _is_listed(walk: Walk, run: Run, known: Known) -> bool:
    """Whether each list of this run shows the lease."""
    if any(name in worlds.WRONG_READINGS for name in walk.world.irregularities):
        return False
    if _has_equal_names(walk):
        return False
    age = run.began - known.bought_at
    is_hidden = walk.is_hidden(known, run.began) or walk.is_hidden(known, run.ended)
    return age >= walk.world.list_lag and not is_hidden


def _is_in_journal(walk: Walk, run: Run, known: Known) -> bool:
    """Whether this node has bought the lease, which the list has not lacked for so long that it
    must have ended.
    """
    life: float = known.lease.ends - known.lease.at
    patience = min(LIST_LAG, life / 4)
    if known.buyer is not run.node or walk.world.list_lag > LIST_LAG or _may_be_swapped(walk, run):
        return False
    if _has_equal_names(walk):
        # A response that cannot be read puts nothing into the journal.
        return False
    return walk.absent_for(known, run.ended) < patience


def _may_be_swapped(walk: Walk, run: Run) -> bool:
    """Whether QG.net may have replaced what another buyer had just leased, rather than what this
    node knew of.
    """
    is_foreign = _others_have_bought(walk, run)
    return is_foreign and any(
        past.module == REPLACE and "ips" not in past.options for past in walk.history
    )


def _others_have_bought(walk: Walk, run: Run) -> bool:
    """Whether others have leased lately, so that their leases may appear in the list only now."""
    foreign = [known for known in walk.leases if known.buyer is not run.node]
    return any(run.began - known.bought_at < 2 * LIST_LAG for known in foreign)


def _quota_is_true(walk: Walk, run: Run) -> bool:
    """Whether the quota of this run counts just what is held, and the run heeds it."""
    if not walk.counts_channels or run.options.get("ignore_quota") or run.phantoms:
        return False
    # What the list shows and the quota not yet hides what the quota alone shows.
    return all(known.bought_at <= run.began - walk.world.quota_lag for known in run.before)


def seconds_wanted(run: Run) -> float:
    """Return the seconds that a lease must still last."""
    text = str(run.options.get("min_remaining", "0"))
    unit = _UNITS.get(text[-1], 0)
    if unit:
        return float(text[:-1]) * unit
    return float(text) * 60


def lasts(walk: Walk, run: Run, known: Known, margin: float) -> bool:
    """Whether a lease lasts long enough at the end of a run, by the clock of its node, and by so
    much more.
    """
    if not seconds_wanted(run) or walk.world.product == "longterm":
        return True
    now = run.ended
    if not walk.world.is_dated:
        now += walk.world.clock_error
    return bool(known.lease.ends - now >= seconds_wanted(run) + margin)


def surely_matches(walk: Walk, run: Run, known: Known) -> bool:
    """Whether a lease is what was asked for, beyond any doubt."""
    if not run.area:
        return True
    if known.area == run.area:
        return known.buyer is run.node
    if "areas are ignored" in walk.world.irregularities:
        return False
    return str(known.lease.area.area_id) == run.area


def may_match(walk: Walk, run: Run, known: Known) -> bool:
    """Whether a lease may count as what was asked for.

    A lease of another buyer may be taken for the effect of a call of this node of which nobody
    knows the end.
    """
    is_unclear = any(past.node is run.node and not past.is_ok for past in walk.history)
    if is_unclear and known.buyer is not run.node:
        return True
    return (
        not run.area or known.area in (None, run.area) or str(known.lease.area.area_id) == run.area
    )


# The promises.


def pays_for_what_is_missing(walk: Walk, run: Run) -> str:
    """Leases are paid for: query first, allocate only the difference, and never pay again for what
    is held.

    What matches at the end of the run and is no purchase of it was not missing. A lease that QG.net
    took back early, and one that the list has lacked for longer than a minute, may be bought once
    more.
    """
    is_shown_in_time = walk.world.list_lag <= LIST_LAG
    if run.module != ALLOCATE or not (is_shown_in_time or _quota_is_true(walk, run)):
        return ""
    if run.has_mishap and not lists_are_true(walk, run):
        # A list that is wrong for long hides what a call without a response has bought.
        return ""
    if not is_shown_in_time and run.area:
        # What a call without a response has bought appears too late to be known as bought for this
        # area.
        return ""
    there = [known for known in run.after if known not in run.bought]
    if not run.is_late:
        # Otherwise, what is gone may be the effect of a call of an earlier run.
        there += [known for known in run.gone if known not in run.bought]
    matching = [
        known for known in there if surely_matches(walk, run, known) and lasts(walk, run, known, 2)
    ]
    sure = [known for known in matching if node_knows(walk, run, known)]
    # What was bought, and ended while the run waited, may be missing again.
    ended = [known for known in run.bought if known.lease.ends <= run.ended]
    needed = max(0, run.options["count"] - len(sure)) + len(ended)
    if len(run.bought) > needed:
        return f"paid for {len(run.bought)} where {needed} were missing"
    return ""


def replaces_what_was_chosen(walk: Walk, run: Run) -> str:
    """A replacement buys a successor for what it releases, also where it continues an interrupted
    one.
    """
    if run.module != REPLACE or walk.world.list_lag > LIST_LAG or not walk.world.knows_time:
        return ""
    if run.is_late or _has_equal_names(walk):
        # What a late call has bought may be replaced as well. Of equal names, nobody knows which
        # lease they mean.
        return ""
    allowed = _chosen_number(run) + len(run.phantoms) + len(run.ended_meanwhile())
    begun = _interrupted(walk, run)
    if begun is not None:
        target = [known for known in begun[0].before if known.lease.ends > run.began]
        allowed += max(0, len(target) + len(begun[0].phantoms) - len(run.before))
        if run.ended - begun[0].began < REPLACEMENT_TTL and "ips" not in run.options:
            allowed -= min(_chosen_number(run), sum(len(earlier.bought) for earlier in begun))
    if len(run.bought) > allowed:
        return f"paid for {len(run.bought)} where at most {allowed} were to be replaced"
    return ""


def _chosen(run: Run) -> list[Known]:
    """Return the leases that a release or a replacement names, or all."""
    names = run.options.get("ips")
    if names is None:
        return run.before
    return [known for known in run.before if known.lease.ip in names or known.lease.host in names]


def _chosen_number(run: Run) -> int:
    return int(run.options.get("count") or len(_chosen(run)))


def _request(run: Run) -> object:
    return [run.options.get(name) for name in ("ips", "count", "all")]


def _interrupted(walk: Walk, run: Run) -> list[Run] | None:
    """Return the runs of the same replacement which it may continue: a release in between forgets
    them.
    """
    earlier: list[Run] = []
    for past in walk.history[: walk.history.index(run)]:
        if past.node is not run.node:
            continue
        if past.module == RELEASE:
            earlier = []
        elif past.module == REPLACE and _request(past) == _request(run):
            earlier.append(past)
            if past.is_ok or run.began - earlier[0].began > REPLACEMENT_TTL:
                earlier = []
    return earlier or None


def releases_cost_nothing(_walk: Walk, run: Run) -> str:
    """A release pays for nothing."""
    if run.module == RELEASE and run.bought:
        return f"paid for {len(run.bought)}"
    return ""


def keeps_what_must_stay(walk: Walk, run: Run) -> str:
    """No lease is released that must stay, and none that the run itself has bought.

    ``exact`` releases what matches in excess of ``count``; a release and a replacement release what
    they name.
    """
    if run.is_late or not run.gone or walk.world.list_lag > LIST_LAG:
        return ""
    if run.module == REPLACE and not lists_are_true(walk, run):
        # QG.net chooses what it replaces, and may take what a wrong list hides.
        return ""
    if any(known in run.bought for known in run.gone):
        return "released what it has bought itself"
    if run.module == ALLOCATE:
        return _keeps_enough(walk, run)
    if len(run.gone) > _chosen_number(run) or any(known not in _chosen(run) for known in run.gone):
        return f"released {len(run.gone)}, among them what it was not told to"
    return ""


def _keeps_enough(walk: Walk, run: Run) -> str:
    if not run.options.get("exact"):
        return "released something without exact"
    if any(not may_match(walk, run, known) for known in run.gone):
        return "released what does not match"
    staying = [
        known for known in run.after if may_match(walk, run, known) and lasts(walk, run, known, -2)
    ]
    fitting = [
        known
        for known in run.gone
        if surely_matches(walk, run, known) and lasts(walk, run, known, 2)
    ]
    if fitting and len(staying) + len(run.phantoms) < run.options["count"]:
        return f"released {len(fitting)} that match, and {len(staying)} stay"
    return ""


def holds_as_many_after_a_replacement(walk: Walk, run: Run) -> str:
    """After a replacement that succeeded, the key holds no fewer than before.

    If lists are wrong meanwhile, it may be one too few. A call that is under way may still buy a
    successor.
    """
    if run.module != REPLACE or not run.is_ok or run.is_pending or _others_have_bought(walk, run):
        return ""
    if walk.world.list_lag > LIST_LAG:
        return ""
    before = run.before
    begun = _interrupted(walk, run)
    if begun is not None and len(begun[0].before) < len(before):
        # It was to hold as many as before the interrupted one.
        before = begun[0].before
    lasting = [known for known in before if known.lease.ends > run.ended]
    tolerated = int(not lists_are_true(walk, run))
    if len(run.after) < len(lasting) - tolerated:
        return f"held {len(lasting)}, and {len(run.after)} afterwards"
    return ""


def lists_are_true(walk: Walk, run: Run) -> bool:
    """Whether no list of this run is wrong for another reason than a lag of a minute at most."""
    if walk.world.list_lag > LIST_LAG or any(
        name in worlds.WRONG_READINGS for name in walk.world.irregularities
    ):
        return False
    return not any(
        since <= run.ended and run.began < until for since, until in walk.hidden.values()
    )


def _has_just_released(walk: Walk, run: Run) -> bool:
    """Whether a release lies so near that lists may still show what it has released."""
    releasing = [past for past in walk.history if past is not run and past.gone]
    return any(run.began - past.ended < 2 * LIST_LAG for past in releasing)


def reaches_its_target(walk: Walk, run: Run) -> str:
    """A run that succeeds leaves as many leases that match as it was asked for.

    What others have removed may count until the list has lacked it for long. Nothing is said of
    lists that were wrong.
    """
    if run.module != ALLOCATE or not run.is_ok or walk.hidden or not lists_are_true(walk, run):
        return ""
    if (run.result or {}).get("warnings"):
        # It says what counts although the list lacks it.
        return ""
    if "exits share addresses" in walk.world.irregularities and _has_just_released(walk, run):
        # By an address, QG.net releases also what no list has shown yet, and lists show it for a
        # while.
        return ""
    if run.area and not walk.world.knows_time:
        # Nothing tells a lease from an earlier one of the same server.
        return ""
    matching = [
        known for known in run.after if may_match(walk, run, known) and lasts(walk, run, known, -2)
    ]
    if len(matching) + len(run.phantoms) < run.options["count"]:
        return f"{len(matching)} of {run.options['count']} match"
    return ""


def releases_what_was_chosen(walk: Walk, run: Run) -> str:
    """After a release that succeeded without a warning, nothing is held of what it named and the
    list showed.
    """
    if run.module != RELEASE or not run.is_ok or (run.result or {}).get("warnings"):
        return ""
    if _may_be_swapped(walk, run):
        return ""
    left = [known for known in _chosen(run) if known in run.after and _is_listed(walk, run, known)]
    if left:
        return f"{len(left)} are still held"
    return ""


def claims_what_the_books_show(walk: Walk, run: Run) -> str:
    """A result names what was paid for and released, no more and no less; where it does not know,
    no more.

    What an earlier call has released may be named again as long as the list shows it.
    """
    if run.result is None or run.is_late:
        return ""
    if run.bought and phrases.NOTHING_WAS_PAID_FOR in run.message:
        return f"says that nothing was paid for, and has paid for {len(run.bought)}"
    allocated = len(run.result.get("allocated") or ())
    released = len(run.result.get("released") or ())
    if run.result["changed"] is not bool(allocated or released):
        return f"changed is {run.result['changed']}"
    if walk.world.list_lag > LIST_LAG:
        # What a call without a response has done is then shown by nothing.
        return ""
    if _others_have_bought(walk, run) or _has_equal_names(walk):
        # A release by address takes fresh leases of others along, and equal names are one.
        return ""
    shown = []
    for known in walk.leases:
        # What was bought a moment before counts until lists may lag no more, and two have lacked
        # it.
        if known.removed_at is not None and 0 <= run.began - known.removed_at < 2 * LIST_LAG:
            shown.append(known)
    if phrases.IS_UNKNOWN not in run.message and phrases.NOT_KNOWN not in run.message:
        lasting = [known for known in run.bought if known.lease.ends > run.ended]
        is_hidden = run.has_mishap and not lists_are_true(walk, run)
        if allocated < len(lasting) and not is_hidden:
            return f"names {allocated} of {len(run.bought)} bought"
        # Which of two is gone because of the run, and which QG.net took back just before it, no
        # list tells.
        is_clear = all(known.remover is run.node for known in shown)
        if released < len(run.gone) and is_clear and lists_are_true(walk, run):
            return f"names {released} of {len(run.gone)} released"
    most_released = len(run.gone) + len(run.ended_meanwhile()) + len(shown) + len(run.phantoms)
    if not lists_are_true(walk, run):
        return ""
    if allocated > len(run.bought) or released > most_released:
        return (
            f"names {allocated} where {len(run.bought)} were bought, and {released} where "
            f"{len(run.gone)} are gone"
        )
    return ""


def writes_no_nonsense(_walk: Walk, run: Run) -> str:
    """No message has a negative number of anything, or the name of a value of Python."""
    for text in [run.message, *(run.result or {}).get("warnings", ())]:
        if _NONSENSE.search(text):
            return str(text)
    return ""


def refuses_no_lifetime_that_the_plan_has(walk: Walk, run: Run) -> str:
    """A run fails because of min_remaining only if new leases, or those of the last hour, or those
    that live, do not last so long.
    """
    if (
        run.module != ALLOCATE
        or run.is_ok
        or "min_remaining" not in run.message
        or not walk.world.knows_time
    ):
        return ""
    lifetime = 60 * walk.vendor.keys[KEY].plan.lease_minutes
    own = [
        known for known in walk.leases if known.buyer is run.node and _shows_a_lifetime(known, run)
    ]
    shortest = min((known.lease.ends - known.bought_at for known in own), default=lifetime)
    if min(lifetime, shortest) >= seconds_wanted(run) + MOMENT + run.ended - run.began:
        return f"new leases last {lifetime} s: {run.message}"
    return ""


def pays_for_what_lasts(walk: Walk, run: Run) -> str:
    """A minimum that new leases do not have is refused before paying, and so is one that leaves a
    moment.
    """
    short = _too_short(walk, run)
    if short and _lifetime_is_known(walk, run):
        return (
            f"bought {len(short)} that hardly last for min_remaining={run.options['min_remaining']}"
        )
    return ""


def tries_one_of_an_unknown_lifetime(walk: Walk, run: Run) -> str:
    """If nothing is known of how long new leases last, one is bought and its end read, before more
    are.
    """
    short = _too_short(walk, run)
    if len(short) > 1 and not _lifetime_is_known(walk, run):
        return (
            f"bought {len(short)} that hardly last for min_remaining={run.options['min_remaining']}"
        )
    return ""


def _too_short(walk: Walk, run: Run) -> list[Known]:
    """Return what was bought and is too short for the next run, unless the plan or the clocks have
    changed.
    """
    if run.module != ALLOCATE or not seconds_wanted(run) or not walk.world.knows_time:
        return []
    if walk.world.list_lag > LIST_LAG:
        # What a lost call has bought then shows nothing of its life.
        return []
    if walk.world.product == "longterm" or _is_outdated(walk, run):
        return []
    return [
        known
        for known in run.bought
        if known.lease.ends - known.bought_at < seconds_wanted(run) + MOMENT
    ]


def _shows_a_lifetime(known: Known, run: Run) -> bool:
    """Whether a node goes by what it has bought: for an hour, or as long as that lasts."""
    return run.began - known.bought_at < HOUR or known.lease.ends > run.began


def _is_outdated(walk: Walk, run: Run) -> bool:
    """Whether a node may go by what the plan was before it was changed."""
    before = walk.lifetime_since
    return any(known.bought_at <= before and _shows_a_lifetime(known, run) for known in walk.leases)


def _lifetime_is_known(walk: Walk, run: Run) -> bool:
    """Whether a response has shown it to this node within the last hour."""
    for past in walk.history:
        is_of_node = (
            past is not run and past.node is run.node and not past.has_mishap and not past.is_late
        )
        if is_of_node and any(run.began - known.bought_at < HOUR for known in past.bought):
            return True
    return False


def repeats_without_a_change(walk: Walk, run: Run) -> str:
    """A second run, a moment later and with nothing in between, buys nothing and reports no
    change.
    """
    if run.module != ALLOCATE or run.repeats is None or run.result is None or run.has_mishap:
        return ""
    short = [
        known
        for known in run.repeats.after
        if not lasts(walk, run, known, 2) or known.lease.ends <= run.ended
    ]
    if (
        short
        or run.repeats.is_late
        or _others_have_bought(walk, run)
        or not lists_are_true(walk, run)
    ):
        return ""
    if run.result["changed"] or run.bought:
        return f"the second run bought {len(run.bought)}, changed is {run.result['changed']}"
    return ""


PROMISES: tuple[Promise, ...] = (
    pays_for_what_is_missing,
    replaces_what_was_chosen,
    releases_cost_nothing,
    keeps_what_must_stay,
    holds_as_many_after_a_replacement,
    reaches_its_target,
    releases_what_was_chosen,
    claims_what_the_books_show,
    writes_no_nonsense,
    refuses_no_lifetime_that_the_plan_has,
    pays_for_what_lasts,
    tries_one_of_an_unknown_lifetime,
    repeats_without_a_change,
)


# The promises about reserved lines.


def _is_line_listed(walk: LineWalk, run: LineRun, line: Line) -> bool:
    """Whether each list of this run shows a line, but one that is wrong."""
    return run.began - line.bought_at >= walk.list_lag


def _may_count(walk: LineWalk, run: LineRun) -> list[Line]:
    """Return what QG.net has taken back, and this node may count: the list has not lacked it for a
    minute.
    """
    counted = []
    for line in walk.lines:
        is_gone = line.removed_at is not None and line.removed_at <= run.began
        if is_gone and not line.is_released:
            counted.append(line)
    return counted


def buys_the_missing_lines(walk: LineWalk, run: LineRun) -> str:
    """Lines are paid for: what is held is not bought again, and only ``present`` buys."""
    needed = 0
    if run.state == "present":
        if run.is_late:
            return ""
        known = [line for line in run.before if line.is_own or _is_line_listed(walk, run, line)]
        needed = max(0, run.options["count"] - len(known))
    elif run.is_late:
        return ""
    if len(run.bought) > needed:
        return f"paid for {len(run.bought)} where {needed} were missing"
    return ""


def holds_the_lines(walk: LineWalk, run: LineRun) -> str:
    """After ``present`` has succeeded, as many are held as were asked for."""
    if run.state != "present" or not run.is_ok:
        return ""
    if len(run.after) + len(_may_count(walk, run)) < run.options["count"]:
        return f"{len(run.after)} of {run.options['count']} are held"
    return ""


def releases_the_lines(walk: LineWalk, run: LineRun) -> str:
    """``absent`` releases what it names and nothing else; after a success, nothing of it is held.

    A single list that shows less is no reason to succeed.
    """
    if run.is_late:
        return ""
    chosen = run.chosen() if run.state == "absent" else []
    wrong = [line for line in run.gone if line not in chosen]
    if wrong:
        return f"released {len(wrong)} that it was not told to"
    left = [line for line in chosen if line in run.after and _is_line_listed(walk, run, line)]
    if run.state == "absent" and run.is_ok and left:
        return f"{len(left)} are still held"
    return ""


def redials_the_lines(walk: LineWalk, run: LineRun) -> str:
    """After ``redialed`` has succeeded, each line that it names was dialed anew, or is about to
    be.
    """
    if run.state != "redialed" or not run.is_ok or run.is_late:
        return ""
    pending = set((run.result or {}).get("pending", ()))
    left = []
    for line in run.chosen():
        is_done = line.uuid in run.redialed or line.uuid in pending
        if not is_done and line in run.after and _is_line_listed(walk, run, line):
            left.append(line)
    if left:
        return f"{len(left)} were not redialed"
    return ""


def _appears_during(walk: LineWalk, run: LineRun, line: Line) -> bool:
    """Whether another client has applied for a line that the list shows only during this run."""
    return not line.is_own and 0 <= run.began - line.bought_at < walk.list_lag


def claims_what_was_done_to_lines(walk: LineWalk, run: LineRun) -> str:
    """A result names what was bought and released, no more and no less; where it does not know, no
    more.

    What an earlier call has done may be named as long as the list may not show it.
    """
    if run.result is None or run.is_late:
        return ""
    applied = run.result.get("applied", [])
    released = run.result.get("released", [])
    # A line that QG.net took back a moment ago may seem to be released.
    shown = []
    for line in walk.lines:
        if line.removed_at is not None and 0 <= run.began - line.removed_at < LIST_LAG:
            shown.append(line)
    false = set(applied) - {line.uuid for line in run.bought}
    if len(applied) == len(run.bought):
        # No response names a line: which of two that appear together is whose, no list tells.
        false -= {line.uuid for line in walk.lines if _appears_during(walk, run, line)}
    false |= set(released) - {line.uuid for line in run.gone + shown}
    if false:
        return f"names {sorted(false)}, which it has not changed"
    if phrases.IS_UNKNOWN in run.message or phrases.NOT_KNOWN in run.message:
        return ""
    is_changed = bool(run.bought or run.gone or run.redialed)
    if is_changed and not run.result["changed"]:
        return "says that nothing was changed"
    concealed = {line.uuid for line in run.bought} - set(applied)
    if len(applied) == len(run.bought):
        concealed = set()
    concealed |= {line.uuid for line in run.gone} - set(released)
    if concealed:
        return f"does not name {sorted(concealed)}"
    return ""


LINE_PROMISES: tuple[LinePromise, ...] = (
    buys_the_missing_lines,
    holds_the_lines,
    releases_the_lines,
    redials_the_lines,
    claims_what_was_done_to_lines,
)


def judge_lines(seed: int, folder: Path) -> LineWalk:
    """Walk over reserved lines; raises Broken at the first promise that a run breaks."""
    walk = LineWalk(seed, folder)
    for run in walk.runs():
        for promise in LINE_PROMISES:
            what = promise(walk, run)
            if what:
                raise Broken(promise.__name__, what, walk)
    return walk


def judge(seed: int, folder: Path, plot: Plot = LEASES) -> Walk:
    """Walk with this seed; raises Broken at the first promise that a run breaks."""
    walk = Walk(seed, folder, plot)
    for run in walk.runs():
        for promise in PROMISES:
            what = promise(walk, run)
            if what:
                raise Broken(promise.__name__, what, walk)
    return walk
