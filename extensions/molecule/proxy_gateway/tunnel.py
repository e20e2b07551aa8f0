# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request a page through one tunnel of the gateway until a file exists, and print the different
answers.
"""

from __future__ import annotations

import http.client
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


def main() -> None:
    page, ready, end = urlsplit(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    connection = http.client.HTTPConnection("127.0.0.1", 3128, timeout=60)
    connection.set_tunnel(page.hostname or "", page.port)
    connection.connect()
    # Without this, a connection that was cut would be replaced.
    connection.auto_open = 0
    answers = set()
    deadline = time.monotonic() + 150
    last = False
    while not last and time.monotonic() < deadline:
        last = end.exists()
        connection.request("GET", page.path)
        answers.add(connection.getresponse().read().decode().strip())
        ready.touch()
        time.sleep(0.2)
    print(*answers)


main()
