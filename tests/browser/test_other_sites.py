# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pages of other sites can do to the simulator in a real browser: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest
from simulator.fixture import Simulator
from support.browser_page import Page

LISTED = ["203.0.113.7"]


class _Site(BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>Another site</title><main></main>")

    def log_message(self, format: str, *values: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    """The address of another site, whose server happens to be on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://attacker.example:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_page_of_another_site_cannot_make_control_calls(page: Page, sim: Simulator, site: str) -> None:
    sim.configure(whitelist=LISTED)
    page.open(site)
    send = "return fetch(arguments[0], {method: 'POST', mode: 'no-cors', body: '{}'}).then(answer => answer.type)"
    assert page.run(send, f"{sim.control_url}/reset") == "opaque"
    # The page sees nothing of the response, but the console does.
    refused = [entry.split(" ")[0] for entry in page.console() if "403 (Forbidden)" in entry]
    assert refused == [f"{sim.control_url}/reset"]
    assert sim.whitelist() == LISTED


def test_a_name_that_leads_to_this_machine_does_not_open_the_simulator(page: Page, sim: Simulator) -> None:
    sim.configure(whitelist=LISTED)
    rebound = f"http://rebind.example:{urlsplit(sim.control_url).port}/_sim"
    page.open(f"{rebound}/")
    assert "rebind.example" in page.text("body")
    read = "return fetch(arguments[0]).then(answer => answer.text())"
    assert "203.0.113.7" not in page.run(read, f"{rebound}/state")
    write = "return fetch(arguments[0], {method: 'POST'}).then(answer => answer.status)"
    assert page.run(write, f"{rebound}/reset") == 403
    assert len([entry for entry in page.console() if "403 (Forbidden)" in entry]) == 3
    assert sim.whitelist() == LISTED


def test_by_the_name_localhost_the_page_works(page: Page, sim: Simulator) -> None:
    sim.configure(whitelist=LISTED)
    page.open(f"http://localhost:{urlsplit(sim.control_url).port}/_sim/")
    page.shows("main", *LISTED)
    assert page.run("return fetch('/_sim/reset', {method: 'POST'}).then(answer => answer.status)") == 200
    assert sim.whitelist() == []
