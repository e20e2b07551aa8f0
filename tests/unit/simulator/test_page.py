# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page over HTTP: the document, its policy and the data that it polls."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

import requests
from simulator.control.faults import FAULT_KINDS
from simulator.control.page import DIRECTORY
from simulator.control.view import MAX_CALLS, MAX_CHARACTERS, MAX_ITEMS, build_view
from simulator.core import Core
from simulator.fixture import Simulator
from simulator.proxies.echo import EchoServices

Call = Callable[..., Any]
HOSTILE = '<img src=x onerror="alert(1)">'


def policy_of(response: requests.Response) -> dict[str, str]:
    parts = response.headers["Content-Security-Policy"].split("; ")
    return dict(part.split(" ", 1) for part in parts)


def live(sim: Simulator, path: str = "") -> Any:
    return sim.control("GET", f"/live?path={path}")


def test_the_page_is_served_as_html(sim: Simulator, http: requests.Session) -> None:
    page = http.get(f"{sim.control_url}/", timeout=10)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.text.startswith("<!DOCTYPE html>")
    assert '<html lang="en">' in page.text
    assert "<title>QG.net simulator</title>" in page.text
    assert http.head(f"{sim.control_url}/", timeout=10).status_code == 200
    assert sim.journal() == []


def test_the_content_security_policy_allows_only_the_inline_style_and_script(
    sim: Simulator, http: requests.Session
) -> None:
    page = http.get(f"{sim.control_url}/", timeout=10)
    policy = policy_of(page)
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert (policy["connect-src"], policy["img-src"]) == ("'self'", "data:")
    assert (policy["require-trusted-types-for"], policy["trusted-types"]) == ("'script'", "'none'")
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    for element in ("script", "style"):
        [text] = re.findall(rf"<{element}>(.*?)</{element}>", page.text, re.DOTALL)
        assert len(text) > 1000
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[f"{element}-src"] == f"'sha256-{digest}'"
    assert not re.search(r"<[^>]+\s(on\w+|style)=", page.text)


def test_the_page_loads_nothing_from_other_servers(sim: Simulator, http: requests.Session) -> None:
    page = http.get(f"{sim.control_url}/", timeout=10).text
    # The name of a kind of picture is no address.
    assert set(re.findall(r"\w+://[^'\"\s)]+", page)) == {"http://www.w3.org/2000/svg"}
    fetched = re.findall(r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=\"([^\"]+)", page)
    assert [address[:5] for address in fetched] == ["data:"]
    assert not re.search(r"url\(|@import|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", page)


def test_every_text_of_the_page_is_in_chinese_too() -> None:
    script, words, frame = ((DIRECTORY / name).read_text("utf-8") for name in ("page.js", "texts.js", "page.html"))
    faults, chinese = words.split("const CHINESE")
    translated = set(re.findall(r'^  (?:"([^"]+)"|(\w+)):', chinese, re.MULTILINE))
    known = {quoted or plain for quoted, plain in translated}
    used = set(re.findall(r'\bt\(\s*"([^"]+)"|"(No [^"]+\.)"', script))
    used |= set(re.findall(r'\bt\([^?"]+\? "([^"]+)" : "([^"]+)"', script))
    used |= {
        tuple(re.findall('"([^"]+)"', heads)) for heads in re.findall(r'\[("[A-Z][^\]]*")\],? ?(?:;|list)', script)
    }
    static = re.findall(r">([^<>{}]+)<", frame.split("</noscript>")[1].split("<script>")[0])
    texts = {text for group in used for text in group} | {text.strip() for text in static} - {"\u2013"}
    named = dict(re.findall(r'^  (\w+): "([^"]+)",', faults, re.MULTILINE))
    assert set(named) == set(FAULT_KINDS)
    assert (texts | set(named.values())) - known == {""}


def test_the_view_is_not_recorded_and_has_no_rate_limit(sim: Simulator, http: requests.Session, call: Call) -> None:
    call("/whitelist/add", IP="203.0.113.5")
    sim.fault(path="/query", kind="refuse")
    before, journal = sim.state(), sim.journal()
    for _look in range(5):
        live(sim)
        sim.control("GET", "/choices")
        http.get(f"{sim.control_url}/", timeout=10)
    assert (sim.state(), sim.journal()) == (before, journal)
    assert live(sim)["faults"]["items"] == [{"path": "/query", "kind": "refuse", "times": 1, "skip": 0}]


def test_the_view_contains_the_state(sim: Simulator, http: requests.Session, call: Call) -> None:
    sim.configure(whitelist=["203.0.113.5"])
    call("/allocate", Num="2", KeepAlive="30", Pwd="hidden")
    sim.control("PUT", "/echo/ip", {"answer": "x", "status": 503})
    http.get(f"{sim.api_url}/ip", timeout=10)
    sim.advance(100)
    sim.control("DELETE", "/windows")
    call("/query")
    shown = live(sim)
    [key] = shown["keys"]["items"]
    assert (key["key"], key["whitelist"]) == (sim.key, {"count": 1, "items": ["203.0.113.5"]})
    assert [lease["ip"] for lease in key["leases"]["items"]] == [lease["ip"] for lease in sim.leases()]
    assert all(1680 < lease["left"] <= 1700 for lease in key["leases"]["items"])
    assert (shown["ahead"], key["channels_in_use"]) == (100, 2)
    assert (key["paid"], shown["paid"]) == (2, {"leases": 2, "monopolies": 0})
    [window] = shown["windows"]["items"]
    assert (window["key"], window["call"], window["count"], window["limit"]) == (sim.key, "/query", 1, 35)
    assert 0 < window["left"] <= shown["minute"]
    assert [entry["path"] for entry in shown["journal"]["items"]] == ["/query", "/allocate"]
    assert shown["journal"]["items"][1]["params"] == "Num=2  KeepAlive=30  Pwd=…"
    assert shown["agents"]["items"] == [
        {"appid": sim.app_id, "balance": "12.34", "instances": 5, "domain": "www.qg.net"}
    ]
    assert shown["echo"]["items"] == [
        {
            "name": "ip",
            "calls": 1,
            "sources": [{"source": "127.0.0.1", "calls": 1}],
            "override": {"answer": "x", "status": 503},
        }
    ]
    assert {"source": "127.0.0.11", "public": "203.0.113.11"} in shown["map"]["items"]


def test_the_view_contains_monopolies_and_pending_channels(sim: Simulator, http: requests.Session, call: Call) -> None:
    sim.configure(plan={"free_delay": 30})
    call("/allocate", Num="1")
    call("/release", IP="*")
    [key] = live(sim)["keys"]["items"]
    assert key["channels_free_in"]["count"] == 1
    assert 25 < key["channels_free_in"]["items"][0] <= 30
    sim.configure("MONO0001", plan={"kind": "exclusive_occupancy"}, options={"queue_seconds": 0, "dial_seconds": 0})
    form = {"Key": "MONO0001", "Num": "1", "AreaCode": "440100"}
    http.post(f"{sim.api_url}/monopolies", form, timeout=10).raise_for_status()
    held = live(sim)["keys"]["items"][1]["monopolies"]["items"]
    assert [(entry["state"], entry["uuid"]) for entry in held] == [("在线", held[0]["uuid"])]
    assert live(sim)["paid"] == {"leases": 1, "monopolies": 1}


def test_the_view_filters_the_latest_calls_by_path(sim: Simulator, call: Call) -> None:
    call("/query")
    for number in range(MAX_CALLS + 5):
        call("/whitelist/query", Number=str(number))
    shown = live(sim)["journal"]
    assert (shown["count"], len(shown["items"])) == (MAX_CALLS + 6, MAX_CALLS)
    assert shown["items"][0]["params"] == f"Number={MAX_CALLS + 4}"
    assert len(live(sim, "list/q")["journal"]["items"]) == MAX_CALLS
    assert live(sim, "/nothing")["journal"] == {"count": MAX_CALLS + 6, "items": []}
    sim.control("DELETE", "/journal")
    assert live(sim)["journal"] == {"count": 0, "items": []}


def test_long_lists_and_texts_are_truncated() -> None:
    core = Core()
    core.keys["QGDEMO01"].configure({"whitelist": [f"10.0.{n // 256}.{n % 256}" for n in range(MAX_ITEMS + 700)]})
    core.handle("GET", "/" + "p" * 5000, {"Key": "k" * 5000, **{f"{n}": "v" * 500 for n in range(1000)}})
    shown = build_view(core, EchoServices(core.network))
    whitelist = shown["keys"]["items"][0]["whitelist"]
    assert (whitelist["count"], len(whitelist["items"])) == (MAX_ITEMS + 700, MAX_ITEMS)
    [entry] = shown["journal"]["items"]
    assert max(len(entry[name]) for name in ("path", "key", "params")) == MAX_CHARACTERS + 1


def test_text_of_clients_is_returned_as_json(sim: Simulator, http: requests.Session) -> None:
    agent = {"User-Agent": HOSTILE}
    http.get(f"{sim.api_url}/{HOSTILE}", params={"Key": HOSTILE, "a": HOSTILE}, headers=agent, timeout=10)
    sim.configure(HOSTILE, whitelist=[HOSTILE])
    [entry] = live(sim)["journal"]["items"]
    assert (entry["path"], entry["key"], entry["user_agent"]) == (f"/{HOSTILE}", HOSTILE, HOSTILE)
    answer = http.get(f"{sim.control_url}/live", timeout=10)
    assert answer.headers["Content-Type"] == "application/json"
    assert HOSTILE not in http.get(f"{sim.control_url}/", timeout=10).text


def test_each_fault_choice_can_be_planned(sim: Simulator) -> None:
    choices = sim.control("GET", "/choices")
    assert choices["paths"]["/monopolies"] == ["DELETE", "GET", "POST"]
    values = {"code": -1, "seconds": 1, "http_status": 502, "drop": 1, "location": "/", "body": "x"}
    faults = [
        {"path": path, "kind": name, **{field: values[field] for field in kind["required"]}}
        for name, kind in choices["kinds"].items()
        for path in choices["paths"]
        if name not in ("partial", "unnamed") or path == "/whitelist/add"
    ]
    assert len(sim.control("POST", "/faults", faults)["faults"]) == len(faults)


def test_the_view_shows_the_tunnel_of_a_key_and_the_code_of_a_product(sim: Simulator, http: requests.Session) -> None:
    (key,) = live(sim)["keys"]["items"]
    assert key["tunnel"] is None
    url = sim.configure(plan={"kind": "share"}, tunnel={})["tunnel"]["url"]
    (key,) = live(sim)["keys"]["items"]
    assert (key["plan"]["kind"], key["tunnel"]) == ("share", {"url": url, "mode": "timed", "exits": 0})
    http.get(f"{sim.api_url}/share/query", params={"key": sim.key, "pwd": "secret"}, timeout=10)
    (call,) = live(sim, "/share")["journal"]["items"]
    assert (call["code"], call["params"]) == ("SUCCESS", "pwd=…")
    http.put(f"{sim.api_url}/proxyip", data={"auth_key": sim.key, "password": "secret"}, timeout=10)
    assert live(sim, "/proxyip")["journal"]["items"][0]["params"] == "password=…"
