# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""proxy_haproxy for a gateway: deadlines beside the servers, and the credentials of a backend."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.qingguo.qgnet.plugins.filter.proxy_haproxy import proxy_haproxy

SERVER = "198.51.100.8:21504"
#: 2030-01-01 19:04:05 UTC
DEADLINE, SECONDS = "2030-01-02T03:04:05+08:00", 1893524645


def lease(server: str = SERVER, **fields: Any) -> dict[str, Any]:
    return {"server": server, "expires_at": DEADLINE, **fields}


def test_a_timed_line_ends_with_the_deadline_in_seconds() -> None:
    line = "server qg-198.51.100.8-21504 198.51.100.8:21504 check"
    assert proxy_haproxy(lease(), form="timed") == f"{line} # until {SECONDS}"
    assert proxy_haproxy(lease()) == line


@pytest.mark.parametrize("expires_at", [None, "", "soon", 5, "2030-01-02T03:04:05+99:00"])
def test_a_lease_without_a_readable_deadline_has_no_comment(expires_at: Any) -> None:
    timed = proxy_haproxy([lease(expires_at=expires_at)], options="", form="timed")
    assert timed == "server qg-198.51.100.8-21504 198.51.100.8:21504"


def test_a_server_that_is_leased_twice_lasts_until_the_later_deadline() -> None:
    later = lease(expires_at="2030-01-02T03:05:05+08:00")
    for leases in ([lease(), later], [later, lease()]):
        assert proxy_haproxy(leases, form="timed").endswith(f"# until {SECONDS + 60}")
    assert "until" not in proxy_haproxy([lease(), SERVER], form="timed")


@pytest.mark.parametrize("form", ["lines", None, 5])
def test_another_form_is_refused(form: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"a form that is .*: give 'servers' or 'timed'"):
        proxy_haproxy(SERVER, form=form)
