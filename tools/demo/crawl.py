# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request a page through the gateway of this host until a file exists, every second time through a tunnel.

Prints a line for each request: when it ended, and the exit or "failed". Needs only Python.
"""

from __future__ import annotations

import http.client
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


def main() -> None:
    page, end = sys.argv[1], Path(sys.argv[2])
    parts = urlsplit(page)
    number = 0
    while not end.exists():
        number += 1
        connection = http.client.HTTPConnection("127.0.0.1", 3128, timeout=30)
        try:
            if number % 2:
                connection.set_tunnel(parts.hostname or "", parts.port)
            connection.request("GET", parts.path if number % 2 else page)
            answer = connection.getresponse()
            text = answer.read().decode().strip()
            print(time.time(), text if answer.status == 200 else "failed", flush=True)
        except (OSError, http.client.HTTPException):
            print(time.time(), "failed", flush=True)
        finally:
            connection.close()
        time.sleep(0.05)


main()
