# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from .account.agents import DEFAULT
from .account.endpoints import PREFIX
from .clock import http_date
from .control.api import Control
from .control.page import Page
from .control.same_origin import SameOrigin, is_loopback
from .core import Core
from .proxies.echo import Echo
from .proxies.forwarding import Forwarders, url
from .server.api_routes import Api
from .server.transport import Dated, Protocol

TICK = 0.2
"""Seconds between two looks for leases that have ended."""


def _pair(text: str) -> tuple[str, str]:
    source, equals, public = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not SOURCE=PUBLIC")
    try:
        ipaddress.ip_address(source)
        ipaddress.ip_address(public)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None
    return source, public


def _host(text: str) -> str:
    with suppress(ValueError):
        return str(ipaddress.ip_address(text))
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a host name nor an address (give no port)")
    return text


def _agent(text: str) -> tuple[str, str]:
    appid, _colon, appkey = text.partition(":")
    if not (appid and appkey):
        raise argparse.ArgumentTypeError(f"{text!r} is not APPID:APPKEY")
    return appid, appkey


def _minute(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 86400:
        raise argparse.ArgumentTypeError("more than 0 and less than 86400 seconds expected")
    return seconds


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port from 0 to 65535 expected")
    return port


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="simulator", description="QG.net simulator, for tests.")
    add = result.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    add(
        "--allow-host",
        action="append",
        type=_host,
        default=[],
        metavar="NAME",
        help="another name or address of the simulator that control calls may use; may be repeated",
    )
    add("--port", type=_port, default=8080, help="port, 0 picks a free one (default %(default)s)")
    add("--minute", type=_minute, default=60.0, help="seconds that a minute of the vendor lasts (default 60)")
    add("--key", action="append", help="a key that exists, may be repeated (default QGDEMO01)")
    add("--agent", action="append", type=_agent, metavar="APPID:APPKEY", help="may be repeated (default qgdemo01's)")
    add("--proxy-port", type=_port, help="port of a forward proxy for the first key, 0 picks a free one")
    add("--map", action="append", type=_pair, default=[], metavar="SOURCE=PUBLIC", help="may be repeated")
    add("--tls-cert", type=Path, help="certificate file, for HTTPS")
    add("--tls-key", type=Path, help="key file, for HTTPS")
    add("--ready-file", type=Path, help="JSON file written once the simulator listens")
    return result


class Server(uvicorn.Server):
    """uvicorn, a word when it listens, and what is done from time to time."""

    def __init__(
        self,
        config: uvicorn.Config,
        tick: Callable[[], None],
        ready: Mapping[str, object],
        ready_file: Path | None,
    ) -> None:
        super().__init__(config)
        self._tick = tick
        self._ticking: asyncio.Task[None] | None = None
        self._ready = ready
        self._ready_file = ready_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ticking = asyncio.create_task(self._tick_on())
        if self._ready_file is not None:
            # Readers poll for the file, so it must never be seen half written.
            partial = self._ready_file.with_name(f"{self._ready_file.name}.{os.getpid()}")
            partial.write_text(json.dumps(self._ready), encoding="utf-8")
            partial.replace(self._ready_file)

    async def _tick_on(self) -> None:
        while not self.should_exit:
            self._tick()
            await asyncio.sleep(TICK)


def _listen(host: str, port: int) -> socket.socket:
    # The protocol is named because asyncio switches Nagle's delay off only where it is: 40 ms per answer otherwise.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(512)
    return listener


def _warning(address: str, port: int) -> str:
    return (
        f"Warning: the simulator listens on {address} and has no login: anyone who can reach its port {port} can "
        "control it and, through its proxies, reach what listens on loopback here."
    )


def _instructions(api: str, key: str, agent: tuple[str, str], minute: float, proxy: str | None) -> list[str]:
    lines = [
        f"The simulator listens on {api} (stop it with Ctrl-C). Point the modules at it:",
        f"  export QG_API_URL={api} QG_KEY={key}",
        f"  export QG_ACCOUNT_URL={api}{PREFIX} QG_APP_ID={agent[0]} QG_APP_KEY={agent[1]}",
    ]
    if minute != 60:
        lines.append(f"  export QG_MINUTE_SECONDS={minute:g}")
    lines += [
        "Sources for the egress module:",
        f"  {api}/ip  {api}/json  {api}/origin  {api}/echo/NAME",
        f"Page:  {api}/_sim/",
        f"Control:  curl {api}/_sim/state",
    ]
    if proxy is not None:
        lines.append(f"Forward proxy of {key}:  {proxy}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if (options.tls_cert is None) != (options.tls_key is None):
        parser().error("--tls-cert and --tls-key belong together")
    keys: list[str] = list(dict.fromkeys(options.key or ["QGDEMO01"]))
    agents: list[tuple[str, str]] = list(dict(options.agent or DEFAULT).items())
    core = Core(keys, dict(options.map), options.minute, agents=agents)
    vendor = core.vendor
    forwarders = vendor.lessor.doors = Forwarders(vendor, options.host)
    wanted = options.port
    try:
        listener = _listen(options.host, wanted)
        proxy: str | None = None
        if options.proxy_port is not None:
            wanted = options.proxy_port
            proxy = vendor.first_proxies[keys[0]] = forwarders.open_proxy(keys[0], wanted)
            vendor.reset()
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        print(f"Cannot listen on {options.host} port {wanted}: {reason}.", file=sys.stderr)
        return 1
    echo = Echo(vendor)
    app = Starlette(
        routes=[
            *Page(core, echo).routes(),
            *Control(core, echo, forwarders).routes(),
            *echo.routes(),
            *Api(core).routes(),
        ],
    )
    # A slash too many is a wrong path for the vendor, not a reason to redirect.
    app.router.redirect_slashes = False
    config = uvicorn.Config(
        Dated(SameOrigin(app, [options.host, *options.allow_host]), lambda: http_date(core.clock.now())),
        http=Protocol,
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )
    address, port = listener.getsockname()[:2]
    api = url("https" if options.tls_cert else "http", options.host, port)
    ready = {
        "api_url": api,
        "account_url": f"{api}{PREFIX}",
        "control_url": f"{api}/_sim",
        "proxy_url": proxy,
        "pid": os.getpid(),
    }
    server = Server(config, vendor.settle, ready, options.ready_file)

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    # uvicorn has its own handlers only once it serves. It hands a signal on after its own shutdown; the process then
    # ends as usual instead of by the signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if not is_loopback(address):
        print(_warning(address, port), file=sys.stderr, flush=True)
    print("\n".join(_instructions(api, keys[0], agents[0], options.minute, proxy)), flush=True)
    server.run(sockets=[listener])
    forwarders.keep_only(())
    return 0
