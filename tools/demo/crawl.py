# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request a page through the gateway of this host until a file exists, every second time through a
tunnel.

Prints a line for each request: when it ended, and the exit or "failed". Needs only Python.
"""

from __future__ import annotations

import http.client
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


def main() -> None:
    page = sys.argv[1]
    end = Path(sys.argv[2])
    parts = urlsplit(page)
    number = 0
    while not end.exists():
        number += 1
        connection = http.client.HTTPConnection("127.0.0.1", 3128, timeout=30)
        shown = "failed"
        try:
            target = page
            if number % 2:
                connection.set_tunnel(parts.hostname or "", parts.port)
                target = parts.path
            connection.request("GET", target)
            answer = connection.getresponse()
            text = answer.read().decode().strip()
            if answer.status == 200:
                shown = text
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        print(time.time(), shown, flush=True)
        time.sleep(0.05)


main()
