# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy 2.6 of Debian 12 reads the configuration of the role proxy_gateway; other tests run a newer one."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.qingguo.qgnet.plugins.filter.proxy_haproxy import proxy_haproxy
from jinja2 import Environment

TEMPLATE = Path(__file__).parents[2] / "roles/proxy_gateway/templates/haproxy.cfg.j2"
#: What was tried with HAProxy 2.6.12. Look for a directive in its manual before you add it.
TRIED = """
balance, bind, default-server, defaults, frontend, global, group, http-check send, http-request del-header,
http-request deny, http-request disable-l7-retry, http-request return, http-request set-header,
http-request set-var(txn.label), http-request use-service, listen, localpeer, lua-load, maxconn, mode, nbthread,
option httpchk, option redispatch, peer, peers, retry-on, server, setenv, stick, stick-table, timeout client,
timeout connect, timeout server, timeout tunnel, user
"""
WITH_ACTION = ("http-check", "http-request", "option", "timeout")
LEASES = ["http://key:pwd@192.0.2.1:8000", "http://key:pwd@192.0.2.2:8000"]
VALUES = {
    "proxy_gateway_user": "haproxy",
    "proxy_gateway_metrics": "127.0.0.1:9101",
    "proxy_gateway_check": "connect",
    "proxy_gateway__clients": ["127.0.0.0/8"],
    "proxy_gateway__leased": [
        ({"leases": LEASES, "product": "share"}, {"name": "one", "sticky": "required"}),
        ({"leases": ["192.0.2.3:8000"], "product": "longterm"}, {"name": "two", "sticky": "none"}),
    ],
}


def test_the_configuration_has_no_directive_that_was_not_tried_with_haproxy_2_6() -> None:
    environment = Environment(trim_blocks=True)
    environment.filters["qingguo.qgnet.proxy_haproxy"] = proxy_haproxy
    lines = environment.from_string(TEMPLATE.read_text("utf-8")).render(VALUES).splitlines()
    words = [line.split() for line in lines if line.strip() and not line.strip().startswith("#")]
    used = {" ".join(word[: 1 + (word[0] in WITH_ACTION)]) for word in words}
    assert sorted(used) == " ".join(TRIED.split()).split(", ")
