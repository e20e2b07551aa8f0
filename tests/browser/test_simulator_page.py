# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the simulator as somebody sees it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from simulator.fixture import Simulator
from support.browser_page import Page

PLAN = "#plan button[type=submit]"
HOSTILE = '<img src=x onerror="window.hit=1">'
Call = Callable[..., requests.Response]


@pytest.fixture(scope="session")
def simulator_arguments() -> list[str]:
    """A minute that does not end while a test looks."""
    return ["--proxy-port", "0", "--map", "127.0.0.1=203.0.113.1"]


@pytest.fixture
def call(sim: Simulator) -> Call:
    """One vendor call by GET with the first key."""

    def get(path: str, agent: str = "test", **params: str) -> requests.Response:
        session = requests.Session()
        session.trust_env = False
        address, headers = sim.api_url + path, {"User-Agent": agent}
        return session.get(address, params={"Key": sim.key, **params}, headers=headers, timeout=10)

    return get


def crowd(sim: Simulator, call: Call) -> None:
    """Something of all that the page can show."""
    sim.configure(whitelist=[f"203.0.113.{number}" for number in range(1, 31)])
    sim.configure("MONO0001", plan={"kind": "exclusive_occupancy", "channels": 4})
    sim.agent("another-account-with-a-long-name", appkey="k", instances=1000)
    call("/allocate", Num="3", KeepAlive="30", agent="ansible-httpget/2.19 qingguo.qgnet/0.1.0 " + "x" * 80)
    call("/whitelist/del", IP="203.0.113.30")
    call("/whitelist/add", IP=",".join(f"198.51.100.{number}" for number in range(1, 25)))
    for _turn in range(18):
        call("/whitelist/query")
    requests.post(f"{sim.api_url}/monopolies", {"Key": "MONO0001", "Num": "2", "AreaCode": "440100"}, timeout=10)
    call("/ip")
    call("/echo/first")
    sim.control("PUT", "/echo/first", {"answer": "not an address", "status": 503})
    sim.fault(path="/allocate", kind="code", code=-101, msg="no channel is free")
    sim.fault(path="/whitelist/add", kind="status", http_status=502, times=-1, skip=2, headers={"Retry-After": "1"})
    sim.fault(path="/info/quota", kind="reset_after")
    with pytest.raises(requests.RequestException):
        call("/info/quota")
    call("/api/merchant/getBalance")
    call("/nowhere")


def seconds_left(page: Page) -> int:
    found: str = page.run("return document.querySelector('#keys td[data-label=Left]').innerText")
    sizes = {"min": 60, "s": 1}
    return sum(int(number) * sizes[unit] for number, unit in re.findall(r"(\d+) (\w+)", found))


def test_it_shows_what_the_state_is(live: Page, sim: Simulator, call: Call) -> None:
    live.shows("#keys", sim.key, "ok", "dynamic dedicated", "0 of 5 channels", "Whitelist (0 of 256)", "No leases")
    live.shows("#paid", "Paid in total: 0 leases, 0 monopolies.")
    live.shows("#windows", "No window is open")
    live.shows("#faults", "No fault")
    live.shows("#journal", "No calls yet")
    live.shows("#agents", sim.app_id, "12.34", "1")
    live.shows("#echo", "No requests")
    live.shows("#map", "127.0.0.1", "203.0.113.1")
    assert live.text("#address") == sim.api_url
    assert live.browser.title == "QG.net simulator"
    crowd(sim, call)
    held = sim.leases()
    live.shows("#keys", "3 of 5 channels", "Whitelist (53 of 256)", "203.0.113.1", "Leases (3)", held[0]["ip"])
    live.shows("#keys", held[2]["host"], held[2]["deadline"])
    live.shows("#keys", "MONO0001", "exclusive occupancy", "Monopolies (2)", "ppp")
    live.shows("#windows", sim.key, "/allocate", "1 of 35", "/whitelist/query", "18 of 60", "MONO0001")
    live.shows("#faults", "/allocate", "refused with a code", "-101", "/whitelist/add", "status", "502", "always", "2")
    live.shows("#paid", "Paid in total: 3 leases, 2 monopolies.")
    live.shows("#echo", "ip", "127.0.0.1 \u00d7 1", "first", "not an address", "503")
    live.shows("#agents", "another-account-with-a-long-name", "0.00", "1000")
    live.shows("#journal", "/nowhere", "HTTP 404", "/api/merchant/getBalance", "missing_parameter")
    live.shows(
        "#journal", "/info/quota", "no response", "fault: connection reset after execution", "/allocate", "Num=3"
    )
    assert 1790 < seconds_left(live) <= 1800


def test_it_goes_on_by_itself(live: Page, sim: Simulator, call: Call) -> None:
    call("/allocate", Num="1", KeepAlive="30")
    live.shows("#keys", "Leases (1)")
    before = seconds_left(live)
    live.until(lambda: seconds_left(live) < before, "the lease gets no older")
    live.run("window.kept = document.querySelector('#journal tbody tr'); getSelection().selectAllChildren(window.kept)")
    call("/whitelist/add", IP="203.0.113.5")
    live.shows("#keys", "203.0.113.5")
    live.shows("#journal", "/whitelist/add", "IP=203.0.113.5", "/allocate")
    # What has not changed is the same element, and selected text stays selected.
    assert live.run("return window.kept === document.querySelectorAll('#journal tbody tr')[1]")
    assert "/allocate" in live.run("return String(getSelection())")
    sim.advance(1800)
    live.shows("#keys", "No leases")
    live.shows("#ahead", "30 min ahead")
    assert [entry["path"] for entry in sim.journal()] == ["/allocate", "/whitelist/add"]


def test_a_fault_that_is_planned_on_it(live: Page, sim: Simulator, call: Call) -> None:
    live.fill(plan_path="/whitelist/add", plan_kind="code", field_code="-1", field_msg="busy")
    live.click(PLAN)
    live.shows("#plan-status", "Planned")
    live.shows("#faults", "/whitelist/add", "code", "-1", "busy")
    assert call("/whitelist/add", IP="203.0.113.5").json()["Code"] == -1
    live.shows("#journal", "/whitelist/add", "code -1", "fault: refused with a code", "not executed")
    live.shows("#faults", "No fault")
    assert call("/whitelist/add", IP="203.0.113.5").json()["Code"] == 0


@pytest.mark.parametrize(
    ("path", "kind", "fields", "planned"),
    [
        ("/monopolies", "reset_after", {"plan_method": "POST", "plan_times": "-1"}, {"method": "POST", "times": -1}),
        ("/query", "status", {"field_http_status": "502", "field_headers": '{"A": "b"}', "field_executed": "true"}, {}),
        ("/query", "replace", {"field_body": "[1]", "plan_skip": "3"}, {"body": [1], "skip": 3}),
        ("/query", "trickle", {"field_seconds": "0.5"}, {"seconds": 0.5}),
        ("/api/merchant/getBalance", "code", {"field_code": "E7"}, {"code": "E7"}),
    ],
)
def test_every_kind_of_field(
    live: Page, sim: Simulator, path: str, kind: str, fields: dict[str, str], planned: dict[str, Any]
) -> None:
    live.fill(plan_path=path, plan_kind=kind, **fields)
    live.click(PLAN)
    live.shows("#plan-status", "Planned")
    expected = planned or {"http_status": 502, "headers": {"A": "b"}, "executed": True}
    assert sim.control("GET", "/faults")["faults"] == [{"path": path, "kind": kind, "times": 1, "skip": 0, **expected}]
    live.click("#clear-faults")
    live.shows("#plan-status", "Cleared")
    live.shows("#faults", "No fault")
    assert sim.control("GET", "/faults") == {"faults": []}


def test_a_wrong_fault_is_reported(live: Page, sim: Simulator) -> None:
    live.fill(plan_path="/whitelist/query", plan_kind="partial", field_drop="1")
    live.click(PLAN)
    live.shows("#plan-status", "takes no addresses")
    # Chromium itself writes an answer of 400 on the console.
    assert all("400" in complaint for complaint in live.console())
    live.fill(plan_kind="replace", field_body="[")
    live.click(PLAN)
    live.shows("#plan-status", "body: JSON expected")
    assert sim.control("GET", "/faults") == {"faults": []}


def test_reset_and_the_clock(live: Page, sim: Simulator, call: Call) -> None:
    call("/whitelist/add", IP="203.0.113.5")
    live.fill(advance_by="2")
    Select(live.browser.find_element(By.ID, "advance-unit")).select_by_visible_text("hours")
    live.click("#advance button")
    live.shows("#ahead", "2 h ahead")
    live.shows("#clock", sim.control("GET", "/clock")["beijing"][:13])
    live.click("#clock-toggle")
    live.shows("#ahead", "Stopped")
    live.shows("#clock-toggle", "Start clock")
    held = sim.control("GET", "/clock")
    assert held["running"] is False
    live.click("#clock-toggle")
    live.shows("#ahead", " ahead of the real time")
    live.shows("#clock-toggle", "Stop clock")
    assert sim.control("GET", "/clock")["running"] is True
    live.click("#reset")
    live.browser.switch_to.alert.dismiss()
    assert sim.whitelist() == ["203.0.113.5"]
    live.click("#reset")
    live.browser.switch_to.alert.accept()
    live.shows("#reset-status", "Reset")
    live.shows("#journal", "No calls yet")
    live.shows("#ahead", "Real time")
    assert sim.whitelist() == []


def test_the_journal_can_be_filtered_and_cleared(live: Page, call: Call) -> None:
    call("/query")
    for number in range(205):
        call("/whitelist/query", Number=str(number))
    live.shows("#journal", "200 of 206 calls", "Number=204")
    assert live.run("return document.querySelectorAll('#journal tbody tr').length") == 200
    live.fill(filter_path="/query")
    live.shows("#journal", "200 of 206 calls, newest first; filtered")
    live.fill(filter_path="/nothing")
    live.shows("#journal", "No matching calls")
    live.click("#clear-journal")
    live.shows("#journal", "No calls yet")


def test_text_of_callers_is_inert(live: Page, sim: Simulator, call: Call) -> None:
    sim.configure(HOSTILE, whitelist=[HOSTILE], exit=HOSTILE)
    sim.agent(HOSTILE, appkey="k", balance=HOSTILE, domain=HOSTILE)
    sim.control("PUT", f"/echo/{HOSTILE}", {"answer": HOSTILE})
    sim.control("PATCH", "/map", {HOSTILE: HOSTILE})
    sim.fault(path="/query", kind="garbage", body=HOSTILE)
    call(f"/{HOSTILE}</td></table><script>window.hit=1</script>", agent=HOSTILE, Key=HOSTILE, **{HOSTILE: HOSTILE})
    for place in ("#keys", "#faults", "#agents", "#echo", "#map", "#journal"):
        live.shows(place, HOSTILE)
    live.shows("#journal", f"GET /{HOSTILE}</td></table><script>window.hit=1</script>", f"{HOSTILE}={HOSTILE}", HOSTILE)
    live.shot("simulator-hostile")
    assert live.run("return document.querySelectorAll('main img, main script').length") == 0
    assert live.run("return typeof window.hit") == "undefined"
    # Even a program that wanted to could not make HTML of it.
    refused = "try { document.body.innerHTML = arguments[0]; return 'taken' } catch (e) { return e.name }"
    assert live.run(refused, HOSTILE) == "TypeError"
    assert all("Trusted" in complaint for complaint in live.console())


def looks(page: Page) -> int:
    """How often the page has asked so far."""
    asked: int = page.run("return performance.getEntriesByType('resource').filter(e => e.name.includes('live')).length")
    return asked


def test_it_rests_while_paused_and_while_nobody_sees_it(live: Page, call: Call) -> None:
    pause = live.browser.find_element(By.ID, "pause")
    pause.click()
    live.shows("#live", "Paused")
    assert pause.get_attribute("aria-pressed") == "true"
    time.sleep(0.5)
    asked = looks(live)
    call("/whitelist/add", IP="203.0.113.5")
    time.sleep(2.5)
    assert looks(live) == asked
    assert "203.0.113.5" not in live.text("#keys")
    pause.click()
    live.shows("#keys", "203.0.113.5")
    window = live.browser.execute_cdp_cmd("Browser.getWindowForTarget", {})["windowId"]
    minimized = {"windowId": window, "bounds": {"windowState": "minimized"}}
    live.browser.execute_cdp_cmd("Browser.setWindowBounds", minimized)
    live.until(lambda: live.run("return document.hidden"), "the page is still seen")
    time.sleep(0.5)
    asked = looks(live)
    time.sleep(2.5)
    assert looks(live) == asked
    live.browser.execute_cdp_cmd("Browser.setWindowBounds", {"windowId": window, "bounds": {"windowState": "normal"}})
    live.until(lambda: looks(live) > asked, "it does not go on")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_it_fits_the_screen(page: Page, sim: Simulator, call: Call, width: int, scheme: str) -> None:
    crowd(sim, call)
    page.open(f"{sim.control_url}/", width, scheme)
    page.shows("#journal", "/nowhere")
    page.until(lambda: page.run("return document.querySelectorAll('#plan-kind option').length"), "no kinds of fault")
    assert page.run("return innerWidth") == width
    assert page.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    page.shot(f"simulator-{width}-{scheme}")
    page.click("#language")
    page.shows("#keys", "白名单", "53/256")
    assert page.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    page.shot(f"simulator-{width}-{scheme}-zh")
    page.click("#language")


def speak(page: Page, language: str) -> None:
    """Choose the language of the browser, and forget that of the page."""
    agent = {"userAgent": "test", "acceptLanguage": language}
    page.browser.execute_cdp_cmd("Emulation.setUserAgentOverride", agent)
    page.run("localStorage.clear()")


def test_the_journal_is_beside_the_keys(live: Page) -> None:
    tops = "return ['keys', 'journal'].map((id) => document.getElementById(id).closest('section').offsetTop)"
    assert len(set(live.run(tops))) == 1


def test_it_speaks_the_language_of_the_browser_until_another_is_chosen(live: Page, sim: Simulator, call: Call) -> None:
    crowd(sim, call)
    speak(live, "zh-CN")
    live.open(f"{sim.control_url}/")
    live.shows("#live", "实时")
    assert live.run("return [document.documentElement.lang, document.title]") == ["zh-CN", "青果网络模拟器"]
    live.shows("#keys", "正常", "动态独享", "已付费 3 个", "租约", "分", "动态独占")
    live.shows("#paid", "累计付费", "租约 3 个", "独占资源 2 个")
    live.shows("#faults", "返回错误码", "每次")
    live.shows("#journal", "故障", "执行后连接被重置")
    live.click("#language")
    live.shows("#live", "Live")
    live.open(f"{sim.control_url}/")
    live.shows("#live", "Live")
    live.shows("#keys", "dynamic dedicated")
    speak(live, "en")


@pytest.mark.parametrize("width", [1280, 320])
def test_text_without_an_end_fits_as_well(page: Page, sim: Simulator, call: Call, width: int) -> None:
    endless = "W" * 400
    sim.configure(endless, whitelist=[endless], exit=endless, proxy=True)
    sim.agent(endless, appkey="k", balance=endless, domain=endless)
    sim.control("PUT", f"/echo/{endless}", {"answer": endless, "headers": {endless: endless}})
    sim.control("PATCH", "/map", {endless: endless})
    sim.fault(path="/query", kind="status", http_status=502, body=endless, headers={endless: endless})
    call(f"/{endless}", agent=endless, Key=endless, **{endless: endless})
    call("/whitelist/query", agent=endless, Key=endless)
    page.open(f"{sim.control_url}/", width)
    page.shows("#journal", "WWW")
    page.shot(f"simulator-endless-{width}")
    assert page.run("return document.documentElement.scrollWidth") == width


def test_it_can_be_used_without_a_mouse_and_without_eyes(live: Page, sim: Simulator, call: Call) -> None:
    crowd(sim, call)
    live.shows("#journal", "/nowhere")
    missing = """
        const wrong = [];
        for (const node of document.querySelectorAll("input, select, textarea"))
            if (!node.labels.length) wrong.push(node.id);
        for (const node of document.querySelectorAll("button")) if (!node.innerText.trim()) wrong.push(node.id);
        for (const node of document.querySelectorAll("table"))
            if (!node.caption?.innerText.trim()) wrong.push("table");
        for (const node of document.querySelectorAll("section, article, [aria-labelledby]"))
            for (const id of (node.getAttribute("aria-labelledby") ?? "none").split(" "))
                if (!document.getElementById(id)?.innerText.trim()) wrong.push(`label ${id}`);
        const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
        wrong.push(...ids.filter((id, at) => ids.indexOf(id) !== at));
        return wrong;
    """
    assert live.run(missing) == []
    assert live.run("return document.documentElement.lang") == "en"
    assert live.run("return [...document.querySelectorAll('header, main, h1')].map((node) => node.tagName)") == [
        "HEADER",
        "H1",
        "MAIN",
    ]
    reached = []
    for _turn in range(40):
        live.browser.switch_to.active_element.send_keys("\ue004")
        reached.append(live.run("return document.activeElement.id || document.activeElement.innerText"))
        time.sleep(0.03)
    for name in ("pause", "reset", "advance-by", "plan-path", "plan-kind", "clear-faults", "filter-path"):
        assert name in reached
    # A look in between takes the focus away from nothing.
    live.browser.find_element(By.ID, "filter-path").send_keys("/query")
    before = looks(live)
    live.until(lambda: looks(live) > before + 1, "it does not go on")
    assert live.run("return document.activeElement.id") == "filter-path"


def test_an_end_of_the_simulator_is_reported_and_so_is_its_return(live: Page, sim: Simulator) -> None:
    cut = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    live.browser.execute_cdp_cmd("Network.enable", {})
    live.browser.execute_cdp_cmd("Network.emulateNetworkConditions", cut)
    live.shows("#live", "No response")
    open_again = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    live.browser.execute_cdp_cmd("Network.emulateNetworkConditions", open_again)
    live.shows("#live", "Live")
    # Chromium itself writes it on the console.
    assert all("ERR_INTERNET_DISCONNECTED" in complaint for complaint in live.console())
