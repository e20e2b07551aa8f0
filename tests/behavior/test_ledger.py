# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was paid for is in the ledger once, and caps hold over runs."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from behavior.paid_calls import ALLOCATE, MONOPOLY, REPLACE
from support import phrases
from support.invariants import assert_no_secret
from support.node import Node
from support.vendor import KEY, PATHS, Answer, Call

LEDGER = "qg_ledger_info"
DAY = 86400
PASSWORD = 's\u00e9cret <&/"1234567'
#: As QG.net, or a server before it, may repeat it.
SPELLINGS = {
    "plain": PASSWORD,
    "percent": quote(PASSWORD, safe=""),
    "html": html.escape(PASSWORD),
    "json": json.dumps(PASSWORD)[1:-1],
    "base64": base64.b64encode(PASSWORD.encode()).decode(),
}


@pytest.fixture(params=["classic", "exclusive"])
def node(request: pytest.FixtureRequest, new_node: Callable[..., Node]) -> Node:
    return new_node(request.param, channels=30)


def test_a_cap_holds_over_runs(node: Node) -> None:
    cap = {"max_new_per_day": 7}
    node.ok(ALLOCATE, count=5, **cap)
    predicted = node.failed(ALLOCATE, count=8, check=True, **cap)
    done = node.failed(ALLOCATE, count=8, **cap)
    assert predicted["msg"] == done["msg"]
    replaced = node.failed(REPLACE, all=True, **cap)
    assert len(node.ok(ALLOCATE, count=7, **cap)["allocated"]) == 2
    lower = node.failed(ALLOCATE, count=8, max_new_per_day=6)
    for failed, limit, bought, wanted in ((done, 7, 5, 3), (replaced, 7, 5, 5), (lower, 6, 7, 1)):
        numbers = {"limit": limit, "bought": bought, "wanted": wanted}
        assert numbers.items() <= failed["cap"].items()
        assert failed["changed"] is False
    assert node.vendor.paid == len(node.vendor.leases) == 7, (
        "nothing was released for a successor that is not bought"
    )
    node.vendor.advance(DAY - 60)
    node.machine.set_wall(-3 * DAY)
    assert node.failed(ALLOCATE, count=len(node.vendor.leases) + 1, **cap)["cap"]["bought"] == 7
    node.vendor.advance(61)
    node.vendor.configure(plan={"lifetime": 600})
    assert node.ok(ALLOCATE, count=1, **cap)["changed"] is (len(node.vendor.leases) == 1)


def test_a_cap_counts_resources(new_node: Callable[..., Node]) -> None:
    node = new_node(None, kind="exclusive_occupancy", channels=10)
    node.ok(MONOPOLY, count=2, max_new_per_day=3)
    refused = node.failed(MONOPOLY, count=4, max_new_per_day=3)
    assert refused["cap"]["bought"] == 2
    assert refused["cap"]["wanted"] == 2
    assert len(node.vendor.uuids) == 2
    assert node.ok(MONOPOLY, count=3, max_new_per_day=3)["changed"] is True


@pytest.mark.parametrize("fault", ["reset_after", "truncate", "data_null"])
def test_the_ledger_is_what_the_vendor_was_paid_for(node: Node, fault: str) -> None:
    product = node.options["product"]
    node.vendor.fault(PATHS[product].get, fault)
    node.ok(ALLOCATE, count=2)
    node.ok(ALLOCATE, count=3)
    node.vendor.forget()
    read = node.ok(LEDGER)
    first, second = read["entries"]
    for entry, number in ((first, 2), (second, 1)):
        numbers = {"asked": number, "received": number, "state": "settled", "product": product}
        assert numbers.items() <= entry.items()
        assert len(entry["ends"]) == number
    assert sorted([*first["names"], *second["names"]]) == sorted(
        lease.host for lease in node.vendor.leases
    )
    for moment in (first["at"], *first["ends"]):
        assert moment.endswith("+08:00")
    assert first["endpoint"] == f"/{PATHS[product].get.rpartition('/')[2]}"
    totals = {
        "day": first["at"][:10],
        "product": product,
        "calls": 2,
        "asked": 3,
        "received": 3,
        "unknown": 0,
    }
    assert read["totals"] == [totals]
    assert node.ok(LEDGER, since="24h")["count"] == 2
    node.vendor.advance(10)
    assert node.ok(LEDGER, since="5s")["count"] == 0
    assert node.ok(LEDGER, product="auto")["entries"] == read["entries"]
    assert node.ok(LEDGER, product="share")["entries"] == []
    assert node.vendor.calls() == [], "it makes no call"


def test_the_ledger_of_a_product_lacks_those_of_others(new_node: Callable[..., Node]) -> None:
    node = new_node()
    node.ok(ALLOCATE, count=2)
    node.vendor.configure(plan={"kind": "share"})
    # What was held before stays held.
    node.ok(ALLOCATE, count=3, product="share")
    node.vendor.forget()

    for product, bought in (("classic", 2), ("share", 1)):
        read = node.ok(LEDGER, product=product)

        assert [entry["product"] for entry in read["entries"]] == [product]
        assert [(each["product"], each["received"]) for each in read["totals"]] == [
            (product, bought)
        ]
    assert node.ok(LEDGER, product="auto")["count"] == 2
    assert node.vendor.calls() == []


def test_an_entry_outlasts_what_it_bought(node: Node) -> None:
    node.ok(ALLOCATE, count=2)
    (first,) = node.ok(LEDGER)["entries"]
    node.vendor.advance(40 * DAY)
    assert len(node.ok(ALLOCATE, count=1)["allocated"]) == 1
    assert node.ok(LEDGER, since="41d")["entries"][0] == first
    assert node.ok(LEDGER, since="7d")["count"] == 1


def test_without_since_the_ledger_is_that_of_30_days(node: Node) -> None:
    for days in (0, 2, 29):
        node.vendor.advance(days * DAY)
        node.ok(ALLOCATE, count=len(node.vendor.leases) + 1)
    node.vendor.forget()
    assert node.ok(LEDGER)["count"] == 2
    assert node.ok(LEDGER, since="30d")["entries"] == node.ok(LEDGER)["entries"]
    assert node.ok(LEDGER, since="400d")["count"] == 3


def test_the_ledger_is_kept_for_400_days_or_as_the_environment_says(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bought() -> list[int]:
        node.ok(ALLOCATE, count=len(node.vendor.leases) + 1, on_uncertain="ignore")
        return [entry["asked"] for entry in node.ok(LEDGER, since="1000d")["entries"]]

    for days, entries in ((0, 1), (399, 2), (2, 2)):
        node.vendor.advance(days * DAY)
        assert len(bought()) == entries
    monkeypatch.setenv("QG_LEDGER_DAYS", "1")
    assert len(bought()) == 2
    for days_kept in ("0", "36501", "\uff14\uff10\uff10"):
        monkeypatch.setenv("QG_LEDGER_DAYS", days_kept)
        message = node.failed(ALLOCATE, count=20)["msg"]
        assert f"QG_LEDGER_DAYS='{days_kept}' {phrases.NOT_DAYS}" in message


def test_what_is_unknown_counts_as_bought_until_it_is_known(node: Node) -> None:
    path = PATHS[node.options["product"]].get
    node.vendor.kill(path, carried_out=False)
    assert node.attempt(ALLOCATE, count=3, max_new_per_day=5) is None
    (entry,) = node.ok(LEDGER)["entries"]
    assert {"asked": 3, "received": None, "state": "sent"}.items() <= entry.items()
    assert node.ok(LEDGER)["totals"][0]["unknown"] == 3
    # Nothing shows that it was not carried out, so that the cap counts it; the leases are bought
    # all the same.
    assert node.failed(ALLOCATE, count=5, max_new_per_day=7)["cap"]["unknown"] == 3
    node.ok(ALLOCATE, count=5, max_new_per_day=8)
    assert node.vendor.paid == 5


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_call_that_never_got_a_result_counts_for_the_cap(
    new_node: Callable[..., Node], is_killed: bool
) -> None:
    """Its leases last a minute, so that no list shows them to a later run."""
    node = new_node("share", channels=30)
    cap = {"count": 5, "max_new_per_day": 5}

    def lose(call: Call) -> Answer:
        call.carry_out()
        node.vendor.around("/share/query", lambda _call: (503, None))
        return 502, None

    for _run in range(8):
        if is_killed:
            node.vendor.kill("/share/get", carried_out=True)
        else:
            node.vendor.once("/share/get", lose)
        node.attempt(ALLOCATE, **cap)
        node.vendor.hooks.clear()
        node.vendor.advance(300)
        assert node.failed(ALLOCATE, **cap)["cap"]["unknown"] == 5
        node.vendor.advance(300)
    assert node.vendor.paid == 5
    (entry,) = node.ok(LEDGER)["entries"]
    assert entry["state"] == "lost"
    assert entry["received"] is None


def test_the_ledger_and_the_report_count_what_is_unknown_alike(
    new_node: Callable[..., Node],
) -> None:
    """QG.net carried out a part of what was asked for, and its response was lost."""
    node = new_node(channels=30)

    def lose(call: Call) -> Answer:
        call.carry_out(Num="1")
        return 502, None

    node.vendor.once("/allocate", lose)
    node.run(ALLOCATE, count=3)
    node.vendor.advance(300)
    node.ok(ALLOCATE, count=3)

    (total,) = node.ok(LEDGER)["totals"]
    (day,) = node.ok("qg_report_info")["spending"]

    assert total.pop("asked") == 5
    assert total == day
    assert total["received"] == node.vendor.paid == 3
    assert total["unknown"] == 2


@pytest.mark.parametrize("product", ["classic", "share"])
def test_a_failed_allocation_ends_a_run_at_once_and_uses_up_no_cap(
    new_node: Callable[..., Node], product: str
) -> None:
    """QG.net says that it could not allocate, and so has not."""
    node = new_node(product, channels=30)
    path = PATHS[product].get
    code = {"classic": -104, "share": "FAILED_OPERATION"}[product]
    node.vendor.fault(path, "code", code=code, times=2)
    began = node.vendor.clock.now()

    refused = node.failed(ALLOCATE, count=3, max_new_per_day=3)

    assert refused["error"]["code"] == code
    assert refused["changed"] is False
    assert node.vendor.clock.now() - began <= 10
    assert len(node.sent(path)) == 2
    (total,) = node.ok(LEDGER)["totals"]
    assert (total["received"], total["unknown"]) == (0, 0)

    assert len(node.ok(ALLOCATE, count=3, max_new_per_day=3)["allocated"]) == 3
    assert node.vendor.paid == 3


def test_a_store_that_does_not_exist_is_not_begun_silently(node: Node, tmp_path: Path) -> None:
    """With a new store, the cap would begin anew."""
    node.ok(ALLOCATE, count=2, max_new_per_day=2)
    mistyped = tmp_path / "mistyped" / "store"
    for module, options in ((ALLOCATE, {"count": 4, "max_new_per_day": 2}), (LEDGER, {})):
        refused = node.failed(module, store=str(mistyped), **options)
        assert refused["msg"].startswith(f"store={mistyped} does not exist: ")
    assert not mistyped.parent.exists()
    assert node.vendor.paid == 2

    mistyped.mkdir(parents=True)
    assert node.ok(LEDGER, store=str(mistyped))["count"] == 0


def test_without_time_to_wait_a_failed_allocation_is_reported_as_such(
    new_node: Callable[..., Node],
) -> None:
    node = new_node()
    node.vendor.fault("/allocate", "code", code=-104, times=2)
    assert node.failed(ALLOCATE, count=1, max_wait=0)["error"]["code"] == -104
    assert len(node.sent("/allocate")) == 1


def test_a_cap_that_is_reached_says_what_is_known_and_what_is_not(
    new_node: Callable[..., Node],
) -> None:
    node = new_node(channels=30)
    node.ok(ALLOCATE, count=2)
    node.vendor.fault("/allocate", "reset_before")

    refused = node.failed(ALLOCATE, count=5, max_new_per_day=6)

    assert refused["cap"].items() >= {"limit": 6, "bought": 2, "unknown": 3, "wanted": 3}.items()
    assert "2 bought in 24 hours, and up to 3 more" in refused["msg"]
    assert node.vendor.paid == 2


def test_what_is_refused_or_not_sent_leaves_no_open_call(new_node: Callable[..., Node]) -> None:
    """The next run would otherwise wait for what that call may still do."""
    node = new_node()
    for code in (-103, -11):
        node.vendor.fault("/allocate", "code", code=code)
        node.failed(ALLOCATE, count=1, max_wait=0)
    assert phrases.LIMIT_OF in node.failed(ALLOCATE, count=1, max_wait=0)["msg"]
    assert len(node.sent("/allocate")) == 2
    first, second = node.ok(LEDGER)["entries"]
    assert first["state"] == second["state"] == "refused"


def test_a_cap_holds_for_a_further_call_of_the_same_run(new_node: Callable[..., Node]) -> None:
    """Nothing shows that the first call was not carried out, so that it counts."""
    node = new_node()
    node.vendor.fault("/allocate", "reset_before")
    assert node.failed(ALLOCATE, count=3, max_new_per_day=4)["cap"]["unknown"] == 3
    assert len(node.sent("/allocate")) == 1
    assert node.vendor.paid == 0


# A secret that QG.net repeats.


def leases_in(body: Any) -> list[dict[str, Any]]:
    """Return the leases in the response to any call of the classic API."""
    leases: list[dict[str, Any]] = []
    for task in body.get("TaskList", [body]):
        leases += task.get("Data") or []
    return leases


def node_with_password(new_node: Callable[..., Node], **plan: Any) -> Node:
    node = new_node(channels=30, **plan)
    node.options["password"] = PASSWORD
    return node


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("field", ["deadline", "region"])
def test_the_store_keeps_no_secret_that_stands_beside_the_name_of_a_lease(
    new_node: Callable[..., Node], field: str, spelling: str
) -> None:
    node = node_with_password(new_node)
    written = SPELLINGS[spelling]

    def repeat(body: Any) -> Any:
        for lease in leases_in(body):
            lease[field] = written
        return body

    for path in ("/allocate", "/query"):
        node.vendor.alter(path, repeat)
    node.ok(ALLOCATE, count=2)
    read = node.ok(LEDGER)
    (entry,) = read["entries"]
    assert entry["received"] == 2
    assert len(entry["names"]) == 2
    assert (entry["ends"] == [None, None]) is (field == "deadline")
    for secret in (PASSWORD, written):
        assert_no_secret([secret], node.store, read)
    node.vendor.advance(300)
    assert node.ok(ALLOCATE, count=2)["changed"] is False
    assert node.vendor.paid == 2


def test_a_deadline_that_looks_like_a_secret_is_kept(new_node: Callable[..., Node]) -> None:
    """A password of four digits may be the year of each deadline."""
    node = new_node(channels=30)
    node.options["password"] = "2027"
    node.ok(ALLOCATE, count=2)
    (entry,) = node.ok(LEDGER)["entries"]
    first, second = entry["ends"]
    assert first[:4] == second[:4] == "2027"
    node.vendor.advance(DAY + 60)
    assert len(node.ok(ALLOCATE, count=2)["allocated"]) == 2, "the former ones have ended"


def name_with_a_secret(node: Node, call: str, field: str, secret: str) -> None:
    """Let each response to a call have a secret in this field, which is part of the names of
    leases.
    """

    def changed(body: Any) -> Any:
        parts = leases_in(body)
        if field == "TaskID":
            parts = body.get("TaskList", [body])
        for part in parts:
            part[field] = f"{secret}-{part.get(field)}"
        return body

    node.vendor.alter(call, changed)


@pytest.mark.parametrize("secret", [KEY, *SPELLINGS.values()], ids=["key", *SPELLINGS])
@pytest.mark.parametrize("field", ["TaskID", "host", "IP"])
def test_leases_that_a_response_names_by_a_secret_are_known_by_the_list(
    new_node: Callable[..., Node], field: str, secret: str
) -> None:
    """With a part of it masked, two leases could have one name, and a release could not name the
    lease.
    """
    node = node_with_password(new_node)
    name_with_a_secret(node, "/allocate", field, secret)
    assert len(node.ok(ALLOCATE, count=2)["allocated"]) == 2
    assert node.ok(LEDGER)["totals"][0]["received"] == node.vendor.paid == 2
    assert_no_secret([PASSWORD, secret], node.store)


@pytest.mark.parametrize("field", ["TaskID", "host", "IP"])
def test_a_list_that_names_leases_by_a_secret_is_no_reason_to_buy(
    new_node: Callable[..., Node], field: str
) -> None:
    node = node_with_password(new_node)
    name_with_a_secret(node, "/allocate", field, KEY)
    name_with_a_secret(node, "/query", field, KEY)
    first = node.failed(ALLOCATE, count=2)
    assert f"What /allocate {phrases.WHAT_IT_DID_IS_UNKNOWN}" in first["msg"]
    assert phrases.NAMED_BY_A_SECRET in first["msg"]
    for _run in range(2):
        node.vendor.advance(300)
        assert phrases.NAMED_BY_A_SECRET in node.failed(ALLOCATE, count=2)["msg"]
    assert node.vendor.paid == 2
    node.vendor.hooks.clear()
    assert len(node.ok(ALLOCATE, count=2)["leases"]) == node.vendor.paid == 2


@pytest.mark.parametrize("secret", [KEY, PASSWORD], ids=["key", "password"])
def test_a_secret_as_the_name_of_a_resource_is_no_response(
    new_node: Callable[..., Node], secret: str
) -> None:
    node = new_node(None, kind="exclusive_occupancy", channels=10)
    node.options["password"] = PASSWORD
    node.ok(MONOPOLY, count=1)

    def changed(body: Any) -> Any:
        for resource in body["data"]:
            resource["uuid"] = f"{secret}-{resource['uuid']}"
        return body

    node.vendor.alter("/monopolies", changed)
    failed = node.failed(MONOPOLY, count=2)
    assert phrases.NAMED_BY_A_SECRET in failed["msg"]
    assert len(node.vendor.uuids) == 1
    assert_no_secret([secret], node.store)


@pytest.mark.parametrize("secret", [KEY, PASSWORD], ids=["key", "password"])
@pytest.mark.parametrize("name", ["AreaId", "Area"])
def test_the_store_keeps_no_area_that_is_a_secret(
    new_node: Callable[..., Node], name: str, secret: str
) -> None:
    node = node_with_password(new_node)

    def changed(body: Any) -> Any:
        body["Data"][0][name] = secret
        return body

    areas = node.vendor.call("/resources")["Data"]
    node.vendor.alter("/resources", changed)
    node.ok(ALLOCATE, count=1, areas=[str(areas[1]["AreaId"])])
    assert_no_secret([secret], node.store)
    assert node.vendor.paid == 1


# A store that fails.


def test_a_store_that_fails_between_two_purchases_hides_neither(
    new_node: Callable[..., Node],
) -> None:
    """A replacement buys one successor first."""
    node = new_node(channels=3)
    node.vendor.hold(3)
    options = {"ips": sorted(node.vendor.ips)}
    node.vendor.after("/allocate", node.fill_disk)
    failed = node.failed(REPLACE, **options)
    (bought,) = failed["allocated"]
    assert failed["changed"] is True
    assert node.vendor.paid == 4
    assert phrases.MAKE_ROOM in failed["msg"]
    assert f"{phrases.ONE_WAS_BOUGHT}{bought['ip']}." in failed["msg"]
    assert phrases.NEXT_RUN_COUNTS in failed["msg"]
    node.fill_disk(full=False)
    node.ok(REPLACE, **options)
    assert len(node.vendor.leases) == 3
    assert node.vendor.paid == 6


def test_a_store_that_fails_with_a_lost_response_names_the_call(node: Node) -> None:
    path = PATHS[node.options["product"]].get

    def lose(call: Call) -> Answer:
        call.carry_out()
        node.fill_disk()
        return 502, None

    node.vendor.once(path, lose)
    failed = node.failed(ALLOCATE, count=2)
    assert f"What /{path.rpartition('/')[2]} {phrases.WHAT_IT_DID_IS_UNKNOWN}" in failed["msg"]
    assert phrases.MAKE_ROOM in failed["msg"]
    assert node.vendor.paid == 2
    node.fill_disk(full=False)
    node.ok(ALLOCATE, count=2)
    assert node.vendor.paid == 2


def test_a_store_that_fails_after_a_call_without_a_result_names_the_call(
    new_node: Callable[..., Node],
) -> None:
    node = new_node()

    def lose(_call: Call) -> Answer:
        node.vendor.after("/info/quota", node.fill_disk)
        return 502, None

    node.vendor.once("/allocate", lose)
    failed = node.failed(ALLOCATE, count=2)
    assert f"{phrases.MAKE_ROOM}. What /allocate {phrases.NOT_KNOWN_FOR_SURE}" in failed["msg"]
    assert failed["changed"] is False
    assert node.vendor.paid == 0
    node.fill_disk(full=False)
    assert len(node.ok(ALLOCATE, count=2)["allocated"]) == node.vendor.paid == 2
