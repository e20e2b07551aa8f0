# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP as a client of the simulator speaks it."""

from __future__ import annotations

import requests


def new_session(proxy: str | None = None, *, verify: bool | str = True) -> requests.Session:
    """Return a session that ignores the proxies and the netrc file of the machine, and uses this proxy if any."""
    session = requests.Session()
    session.trust_env = False
    session.verify = verify
    if proxy is not None:
        url = proxy if "://" in proxy else f"http://{proxy}"
        session.proxies = {"http": url, "https": url}
    return session


def text_through(proxy: str, url: str) -> str:
    """Return what a server says to a client of this proxy."""
    return new_session(proxy).get(url, timeout=10).text.strip()
