# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from simulator.keys.plans import DEDICATED, LIFETIMES, OCCUPANCY, TIME, TUNNEL, VOLUME
from simulator.validation import ValidationError

from .caller import StopSignals
from .comparison import compare, report
from .probes import Findings, Probes, Wanted
from .recording import SecretError, read, record, write
from .transports import ACCOUNT_URL, DOMAIN, VENDOR, Account, Http, Simulated, Situation

PLANS = tuple(plan for plan in LIFETIMES if plan not in (OCCUPANCY, TUNNEL))
MAX_PAID = 2
#: Exit codes.
DONE, FAILED, DIFFERENT, INTERRUPTED = 0, 1, 3, 130
DESCRIPTION = """\
Ask the vendor what its documents leave open, and compare its answers with those of the simulator. QG_KEY has the key,
and QG_PWD its password if the API needs it; with QG_APP_ID and QG_APP_KEY, the account API is asked as well. Without
--write and --paid, the probes only read."""


def _address(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 address") from None


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 86400:
        raise argparse.ArgumentTypeError("more than 0 and less than 86400 seconds expected")
    return seconds


def _settings(path: str) -> dict[str, Any]:
    try:
        settings = json.loads(Path(path).read_text(encoding="utf-8"))
        Simulated(Situation(DEDICATED), settings)
    except (OSError, ValueError, ValidationError, AttributeError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from None
    return dict(settings)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="live", description=DESCRIPTION)
    add = result.add_argument
    add("--plan", choices=PLANS, default=DEDICATED, help="the plan of the key (default %(default)s)")
    add("--billing", choices=(TIME, VOLUME), default=TIME, help="how the plan is billed (default %(default)s)")
    add("--write", action="store_true", help="also add addresses to the whitelist, and remove them")
    add(
        "--paid",
        type=int,
        choices=range(MAX_PAID + 1),
        default=0,
        help="the number of leases that the probes may buy, implies --write (default %(default)s)",
    )
    add(
        "--address",
        type=_address,
        nargs=2,
        default=list(Wanted.addresses),
        metavar="IP",
        help="two addresses to add and remove; neither may be on the whitelist (default %(default)s)",
    )
    add("--api-url", default=os.environ.get("QG_API_URL") or VENDOR, help="(default QG_API_URL, or %(default)s)")
    add("--timeout", type=_seconds, default=30.0, help="seconds that a call may take (default %(default)g)")
    add("--output", type=Path, default=Path(), help="directory of the recording (default: this directory)")
    add(
        "--settings",
        type=_settings,
        default={},
        metavar="FILE",
        help="JSON: fields of the simulator's key to compare with",
    )
    add("--replay", type=Path, metavar="FILE", help="make no calls; repeat the run of a recording")
    return result


def _print_report(wanted: Wanted, found: Findings, settings: dict[str, Any]) -> int:
    rows, all_settings = compare(wanted, found, settings)
    print("\n".join(report(rows, found, all_settings)))
    if found.left or found.notes:
        return FAILED
    return DONE if all(row.same for row in rows) else DIFFERENT


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.replay:
        try:
            wanted, settings, replay = read(options.replay)
        except (OSError, ValueError, KeyError, TypeError) as error:
            parser().error(f"--replay: {error}")
        return _print_report(wanted, Probes(replay, wanted).run(), settings)
    key, pwd = os.environ.get("QG_KEY", "").strip(), os.environ.get("QG_PWD", "").strip()
    if not key:
        parser().error("QG_KEY is not set: put the key of the proxy plan into this environment variable")
    app_id, app_key = os.environ.get("QG_APP_ID", "").strip(), os.environ.get("QG_APP_KEY", "").strip()
    if bool(app_id) != bool(app_key):
        parser().error("QG_APP_ID and QG_APP_KEY belong together: set both to probe the account API, or none")
    place = (os.environ.get("QG_ACCOUNT_URL") or ACCOUNT_URL, os.environ.get("QG_DOMAIN") or DOMAIN)
    account = Account(app_id, app_key, *place) if app_id else None
    if not options.output.is_dir() or not os.access(options.output, os.W_OK):
        parser().error(f"--output: {options.output} is not a directory that can be written to")
    wanted = Wanted(
        Situation(options.plan, options.billing, channels=1),
        write=options.write or options.paid > 0,
        paid=options.paid,
        account=account is not None,
        minute=_seconds(os.environ.get("QG_MINUTE_SECONDS") or "60"),
        addresses=(options.address[0], options.address[1]),
    )
    stop, path = StopSignals(), options.output / f"live-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}.json"
    with stop.caught():
        probes = Probes(Http(options.api_url, key, pwd, options.timeout, account), wanted, stop)
        try:
            found = probes.run()
        except BaseException:
            # The report, which contains it otherwise, is not made.
            print("\n".join(probes.found.left), file=sys.stderr)
            raise
        finally:
            try:
                write(path, record(wanted, options.settings, probes.caller.exchanges, (key, pwd, app_id, app_key)))
                print(f"Recording: {path}")
            except (OSError, SecretError) as error:
                print(error, file=sys.stderr)
    code = _print_report(wanted, found, options.settings)
    print(f"{probes.caller.bought} of at most {options.paid} leases were asked for.")
    return INTERRUPTED if stop.name and code != FAILED else code
