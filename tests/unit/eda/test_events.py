# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The events that follow from what is read of a subject, poll after poll."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch.poller import (
    Changes,
    read_options,
)
from hypothesis import given
from hypothesis import strategies as st


def lease(server: str, remaining: int = 600, **fields: Any) -> dict[str, Any]:
    return {"server": server, "remaining_seconds": remaining, "task_id": None, **fields}


def quota(available: int) -> dict[str, Any]:
    return {"unit": "channels", "total": 5, "available": available, "used": 5 - available}


ONE = lease("192.0.2.1:80")
TWO = lease("192.0.2.1:81")
OTHER = lease("192.0.2.9:80")
BROKEN = QgError("/query was refused.", code=-13, endpoint="/query", http_status=200)
FAILURE = {
    "watched": "it",
    "msg": "/query was refused.",
    "error": {
        "code": -13,
        "meaning": None,
        "endpoint": "/query",
        "http_status": 200,
        "request_id": None,
    },
}
#: What each poll reads or fails with, and the previous, added and removed of its event; None if
#: there is none.
STORIES: dict[str, list[tuple[Any, tuple[Any, list[Any], list[Any]] | None]]] = {
    "nothing happens": [
        (["203.0.113.5"], (None, [], [])),
        (["203.0.113.5"], None),
        (["203.0.113.5"], None),
    ],
    "an empty list": [
        ([], (None, [], [])),
        ([], None),
        ([ONE], ([], [ONE], [])),
        ([], ([ONE], [], [ONE])),
    ],
    "entries come and go in one poll": [
        (["203.0.113.5", "203.0.113.6"], (None, [], [])),
        (
            ["203.0.113.6", "203.0.113.7", "203.0.113.8"],
            (["203.0.113.5", "203.0.113.6"], ["203.0.113.7", "203.0.113.8"], ["203.0.113.5"]),
        ),
        (["203.0.113.6", "203.0.113.7", "203.0.113.8"], None),
    ],
    "another order is no change": [
        (["203.0.113.5", "203.0.113.6"], (None, [], [])),
        (["203.0.113.6", "203.0.113.5"], None),
    ],
    "two leases of one address": [([ONE], (None, [], [])), ([ONE, TWO], ([ONE], [TWO], []))],
    "a lease replaces another": [
        ([ONE, TWO], (None, [], [])),
        ([OTHER, TWO], ([ONE, TWO], [OTHER], [ONE])),
    ],
    "time passes, and a list names the task": [
        ([ONE], (None, [], [])),
        ([lease("192.0.2.1:80", 540, task_id="T1")], None),
        # What was known is the last reading.
        (
            [],
            (
                [lease("192.0.2.1:80", 540, task_id="T1")],
                [],
                [lease("192.0.2.1:80", 540, task_id="T1")],
            ),
        ),
    ],
    "numbers": [
        (quota(3), (None, [], [])),
        (quota(3), None),
        (quota(1), (quota(3), [], [])),
        (quota(2), (quota(1), [], [])),
    ],
    "a failure is one event, and so is its end": [
        ([ONE], (None, [], [])),
        (BROKEN, (None, [], [])),
        (BROKEN, None),
        (QgError("It is another one."), None),
        ([ONE], ([ONE], [], [])),
        ([ONE], None),
    ],
    "a change during a failure is seen at its end": [
        ([ONE, TWO], (None, [], [])),
        (BROKEN, (None, [], [])),
        ([TWO, OTHER], ([ONE, TWO], [OTHER], [ONE])),
    ],
    "a failure at the start": [(BROKEN, (None, [], [])), ([ONE], (None, [], [])), ([ONE], None)],
    "each failure anew": [
        (quota(3), (None, [], [])),
        (BROKEN, (None, [], [])),
        (quota(3), (quota(3), [], [])),
        (BROKEN, (None, [], [])),
    ],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_each_story_causes_its_events(
    story: list[tuple[Any, tuple[Any, list[Any], list[Any]] | None]],
) -> None:
    changes = Changes()
    for outcome, expected in story:
        kind = "it"
        current = outcome
        if isinstance(outcome, QgError):
            event = changes.failure("it", outcome)
            kind = "failed"
            current = FAILURE
        else:
            event = changes.reading("it", outcome)
        if expected is None:
            assert event is None
            continue
        assert event is not None
        assert [event["previous"], event["added"], event["removed"]] == list(expected)
        assert event["type"] == kind
        assert event["current"] == current
        assert event["count"] == (len(outcome) if isinstance(outcome, list) else None)
        assert set(event) == {"type", "current", "previous", "added", "removed", "count", "meta"}


def test_subjects_do_not_know_of_each_other() -> None:
    changes = Changes()
    assert changes.reading("leases", [ONE])
    assert changes.failure("quota", BROKEN)
    assert changes.reading("whitelist", [])
    assert changes.reading("leases", [ONE]) is None
    assert changes.failure("leases", BROKEN)
    assert changes.reading("whitelist", []) is None


@given(st.lists(st.lists(st.sampled_from("abcd"), unique=True) | st.none(), max_size=12))
def test_who_follows_the_events_knows_the_list(polls: list[list[str] | None]) -> None:
    changes = Changes()
    known: set[str] | None = None
    for names in polls:
        event = changes.failure("it", BROKEN) if names is None else changes.reading("it", names)
        if event and event["type"] == "it":
            assert event["previous"] is None or set(event["previous"]) == known
            if known is None:
                known = set(names or ())
            known = (known | set(event["added"])) - set(event["removed"])
        assert names is None or known == set(names)


def test_the_event_source_takes_the_key_from_the_first_source_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(**given: Any) -> str:
        (secret,) = read_options({"watch": "whitelist", "store": str(tmp_path), **given}).secrets
        return secret

    monkeypatch.setenv("QG_KEY", "ENVIRONMENT")
    assert [key(), key(key="OPTION")] == ["ENVIRONMENT", "OPTION"]
    with pytest.raises(Exception, match=r"^key is empty \(''\), which never means another key: "):
        key(key="")
    monkeypatch.setenv("QG_KEY", "")
    with pytest.raises(
        Exception, match=r"^key is missing: give it as option of qg_watch or as QG_KEY in the env"
    ):
        key()
