# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of qg_doctor_info, which checks a control node and a key, and changes nothing."""

from __future__ import annotations

import contextlib
import math
import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils import ansible_release

from .._api.calls import CLASSIC
from .._api.key import KeyCaller
from .._api.lease_client import Leases
from .._api.leases import Lease, Quota
from .._api.parsing import beijing_time
from .._api.transport import VERSION
from .._api.whitelist import Whitelist
from .._core.checks import check_proxy, check_sources, read_address
from .._core.errors import CallError, OptionError, QgError, Reason
from .._core.runtime import elapsed, playbook_command
from .._core.text import counted, format_sample
from .._gateway.gateway_options import GATEWAY_OPTIONS
from .._gateway.outlook import outlook
from .._gateway.records import problem_of
from .._leases.credentials import proxy_url
from .._leases.foreign import (
    foreign_leases,
    leases_with_origins,
    unexplained_addresses,
    unexplained_fall,
)
from .._spending.caps import bought_today, parse_cap
from .._store.installations import Installations
from .._store.opening import is_database
from .._task.api_options import (
    ACCOUNT_API_OPTIONS,
    AUTO,
    CAP_OPTIONS,
    EGRESS_OPTIONS,
    PRODUCT_OPTIONS,
    PROXY_API_OPTIONS,
    SHARED_KEY_OPTIONS,
    AccountConnection,
    Connection,
    account_api,
    key_caller,
)
from .._task.operation import Mode, Operation, Params, Spec, explained
from .._task.products import UnknownKeyError, read_product

#: The credentials of an account: they are checked if one of them is set.
_ACCOUNT = ("app_id", "app_key")
_SPEC: Spec = {
    "through_proxy": {"type": "str"},
    "sources": EGRESS_OPTIONS["sources"],
    **CAP_OPTIONS,
    **SHARED_KEY_OPTIONS,
    **PRODUCT_OPTIONS,
    **ACCOUNT_API_OPTIONS,
    **PROXY_API_OPTIONS,
    "key": {**PROXY_API_OPTIONS["key"], "required": False},
    **{name: {**ACCOUNT_API_OPTIONS[name], "required": False} for name in _ACCOUNT},
}
#: The most leases whose exits are measured: each request is traffic of the plan.
_MAX_MEASURED = 5
#: Seconds for which an exit may take at least: good ones can need 10.
_EXIT_TIMEOUT = 20.0
#: The shortest timeout of a check that is proposed, in seconds.
_MIN_TIMEOUT = 2
#: The number of problems that a check shows.
_MAX_PROBLEMS = 5


class Doctor:
    """Collects the checks, each ``{name, ok, detail}``.

    The detail of a check that has failed contains the cause and the fix.
    """

    connection: Connection
    caller: KeyCaller

    def __init__(self, params: Params, mode: Mode, own_name: Callable[[], str]) -> None:
        self.mode = mode
        self.sources: list[str] = params["sources"]
        self.proxy: str = params["through_proxy"] or ""
        self.cap: int | None = params["max_new_per_day"]
        self.is_shared: bool = params["shared_key"]
        self.quota: Quota | None = None
        self._params = params
        self._own_name = own_name
        self.checks: list[dict[str, Any]] = []
        self.api: Leases | None = None
        self.leases: list[Lease] = []
        self.has_list = True
        self.egress_ip: str | None = None
        self.is_listed = False
        #: How long each request through a proxy took.
        self.seconds: list[float] = []

    def check(self, name: str, examine: Callable[[], str]) -> bool:
        """Add a check, and return whether it is ok.

        ``examine`` returns the detail, or empty text if there is nothing to check, or raises
        QgError.
        """
        ok = True
        try:
            detail = examine()
        except QgError as error:
            ok = False
            detail = explained(error, self.mode.origin)
        if detail:
            self.checks.append({"name": name, "ok": ok, "detail": detail})
        return ok

    def run(self) -> None:
        """Check one thing after the other, as long as the next one can be checked."""
        before = (("versions", _versions), ("options", self._options), ("store", self._store))
        if not all(self.check(name, examine) for name, examine in before):
            return
        with contextlib.closing(self.caller.store):
            self.check("gateways", self._gateways)
            self.check("account", self._account)
            self.check("egress", self._egress)
            readable = self.check("whitelist", self._whitelist)
            if not self.check("product", lambda: self._product(readable)):
                return
            api = self.api
            if api is not None:
                self.check("leases", lambda: self._held(api))
                self.check("quota", lambda: self._quota(api))
                self.check("cap", lambda: self._cap(api))
            if not (self.proxy or self.leases) or not self.check("proxy", self._proxy):
                return
            if not self.proxy:
                self.check("exits", self._exits)

    def _options(self) -> str:
        if self._params["key"] is None:
            raise QgError(
                "No key is set: give the Authkey of QG.net's user center as the variable qg_key, "
                "or type: export QG_KEY=AUTHKEY"
            )
        self.connection = Connection.of(self._params)
        # This fails if the library that calls need is missing.
        self.connection.timing.transport("api_url")
        parse_cap(self.cap)
        check_sources(self.sources)
        if self.proxy:
            check_proxy("through_proxy", _as_url(self.proxy))
        return f"The API is at {self.connection.url}."

    def _store(self) -> str:
        self.caller = key_caller(replace(self.connection, product=CLASSIC), self.mode.announcer)
        # What works only at the second attempt is not healthy.
        self.caller.single_attempt = True
        place = self.connection.store
        if is_database(place):
            return f"{self.caller.store.place}, which several control nodes can share"
        return f"the directory {place}"

    def _gateways(self) -> str:
        """Check that the last refresh of each gateway and list of this store is not long ago, and
        succeeded.
        """
        store = self.caller.store
        now = store.wall_time()
        installed = Installations(store).standing()
        if not installed:
            return ""
        texts = [problem_of(each, now) for each in installed]
        problems = list(filter(None, texts))
        if problems:
            raise QgError(" ".join(problems[:_MAX_PROBLEMS]))
        # A timer that has stopped shows only after a few intervals.
        times = [each.refreshed_at or each.installed_at for each in installed]
        text = f"{len(installed)} installed; the oldest refresh was at {beijing_time(min(times))}"
        sleeping = [each.host for each in installed if each.sleeps]
        if sleeping:
            text += f"; pools sleep, since nobody uses them, on {format_sample(sleeping)}"
        return text

    def _account(self) -> str:
        """Read the balance of the account, if its credentials are set."""
        missing = [option for option in _ACCOUNT if self._params[option] is None]
        if len(missing) == len(_ACCOUNT):
            return ""
        for option in missing:
            fix = f"set {' and '.join(_ACCOUNT)}, or neither of them"
            raise OptionError(option, "is missing", fix)
        account = account_api(AccountConnection.of(self._params), self.mode.announcer)
        account.caller.single_attempt = True
        return f"its balance is {account.balance()['balance']} yuan"

    def _egress(self) -> str:
        failed: list[QgError] = []
        for source in self.sources:
            try:
                self.egress_ip = self._echo(source)
                return f"{self.egress_ip}, says {source}"
            except QgError as error:
                failed.append(error)
        # They may all say the same, if the cause is on this machine.
        raise QgError(
            f"No source reports the egress address of this machine. The first of {len(failed)} "
            f"says: {failed[0].message}",
            **failed[0].details,
        )

    def _whitelist(self) -> str:
        entries = Whitelist(self.caller).whitelist()[0]
        self.is_listed = self.egress_ip in entries
        held = counted(len(entries), "address", "are") + " on it"
        if self.egress_ip is None or self.is_listed:
            return f"{held}, also that of this machine" if self.is_listed else held
        return (
            f"{held}, but not that of this machine. To use proxies here, type: "
            f"{self._registering()}"
        )

    def _registering(self) -> str:
        """Return the command that registers this machine on the whitelist."""
        return playbook_command("register", qg_hosts=self._own_name())

    def _product(self, readable: bool) -> str:
        try:
            product = read_product(self.caller)
        except UnknownKeyError:
            if readable:
                return (
                    "unknown: no list of leases takes the key, but its whitelist can be read, "
                    "as with a tunnel's key"
                )
            raise
        self.api = Leases(self.caller)
        given = self.connection.product
        if given in (AUTO, product):
            return product
        mend = f"set qg_product to {product}"
        if self.mode.origin("product") == "QG_PRODUCT":
            mend = "unset QG_PRODUCT"
        raise QgError(
            f"product={given} is wrong: the key is one of product={product}. To mend it: {mend}"
        )

    def _held(self, api: Leases) -> str:
        try:
            self.leases, origins = leases_with_origins(api)
        except CallError as error:
            if error.reason is not Reason.PERMISSION:
                raise
            self.has_list = False
            return "none: the plan is one for reserved lines, which qg_monopoly_info lists"
        if not self.leases:
            if self._has_nothing_free(api):
                return "none, and the plan has nothing free to lease one"
            return (
                "none. To buy one, which is paid for, type: "
                f"{playbook_command('ensure_leases', qg_lease_count='1')}"
            )
        now = api.caller.vendor_clock.now()
        self.leases.sort(key=lambda lease: lease.remaining(now) or 0.0)
        held = counted(len(self.leases), "lease")
        last = self.leases[-1].described(now)["expires_at"]
        if last is not None:
            held += f", the last until {last}"
        return f"{held}{foreign_leases(origins, self.is_shared)}"

    def _has_nothing_free(self, api: Leases) -> bool:
        # The check of the quota says why it cannot be read.
        with contextlib.suppress(QgError):
            quota = api.lease_quota()
            return quota is not None and quota.described()["available"] == 0
        return False

    def _quota(self, api: Leases) -> str:
        quota = api.lease_quota()
        self.quota = quota
        if quota is None:
            return "cannot be read for this product"
        numbers = quota.described()
        if quota.balance == 0:
            raise QgError(
                "The plan has no addresses left: buy more in QG.net's user center, or use the key "
                "of another plan."
            )
        total = f" of {numbers['total']}" if numbers["total"] is not None else ""
        detail = f"{numbers['available']}{total} {numbers['unit']} free"
        if quota.balance is not None:
            detail += unexplained_addresses(unexplained_fall(api, quota.balance), self.is_shared)
        more = quota.used - len(self.leases)
        if self.has_list and quota.balance is None and more > 0:
            detail += (
                f"; it counts {more} more in use than the list of leases shows. If this stays so, "
                "and the plan of the key is billed by volume, tasks that lease need ignore_quota: "
                "true"
            )
        return detail

    def _cap(self, api: Leases) -> str:
        bought = bought_today(api.caller.store, api.caller.key_digest).in_a_day()
        need = outlook(api, self.connection.key, self.cap, self.quota)
        if self.cap is None:
            advice = "To set one, type: export QG_MAX_NEW_PER_DAY=NUMBER."
            return f"{bought}, without a limit. {advice} {need}".rstrip()
        return f"{bought} of at most {self.cap}. {need}".rstrip(". ")

    def _proxy(self) -> str:
        """Send one request through the given proxy, or through the held lease that lasts
        longest.
        """
        server = urlsplit(_as_url(self.proxy)).netloc if self.proxy else self.leases[-1].server
        try:
            return f"{server} leads to {self._exit_address(server)}"
        except QgError as error:
            why = f"does not work: {error.message}"
            if error.details.get("http_status") == 407:
                why = (
                    "refuses this machine, whose address is not on the whitelist. Type: "
                    f"{self._registering()}"
                )
                if self.is_listed:
                    why = (
                        "refuses this machine, although its address is on the whitelist: wait, "
                        "since a new entry takes effect after some seconds, and check that the "
                        "proxy is one of this key."
                    )
        raise QgError(f"The proxy {server} {why}")

    def _exits(self) -> str:
        """Measure how long some of the exits take, and propose the timeout of a gateway's check."""
        measured = self.leases[-_MAX_MEASURED:]
        silent = []
        for lease in measured[:-1]:
            try:
                self._exit_address(lease.server)
            except QgError:
                # A new connection through a tunnel often fails, and the next one works.
                with contextlib.suppress(QgError):
                    self._exit_address(lease.server)
                    continue
                silent.append(lease.server)
        slowest = max(self.seconds)
        text = f"{counted(len(measured), 'exit')} of {counted(len(self.leases), 'lease')}: "
        if silent:
            text += f"{', '.join(silent)} did not answer, and {len(measured) - len(silent)} "
        else:
            text += "all "
        text += f"answered, within {round(slowest, 1):g} seconds. "
        # A part of all checks takes longer than these few requests.
        proposed = max(_MIN_TIMEOUT, math.ceil(2 * slowest))
        default = int(GATEWAY_OPTIONS["exit_timeout"]["default"])
        if proposed == default:
            return f"{text}The default of proxy_gateway_exit_timeout suits them"
        why = "so that it takes no slow exit for one that is down, and pays for another one"
        if proposed < default:
            why = "so that it notices sooner when an exit falls silent"
        return f"{text}For a gateway, set proxy_gateway_exit_timeout={proposed}, {why}"

    def _exit_address(self, server: str) -> str:
        """Return the address with which a site sees requests through a proxy."""
        url = f"http://{server}"
        password = self.connection.password
        if password and not self.is_listed:
            url = proxy_url(server, self.connection.key, password)
        began = elapsed()
        address = self._echo(self.sources[0], url)
        self.seconds.append(elapsed() - began)
        return address

    def _echo(self, url: str, proxy: str = "") -> str:
        """Return the address that an echo service reports, for a direct request or one through a
        proxy.
        """
        timing = self.connection.timing
        if proxy:
            timing = replace(timing, timeout=max(timing.timeout, _EXIT_TIMEOUT))
        sender = timing.transport("sources", proxy=proxy)
        response = sender.send("GET", url, {}, url)
        try:
            if response.status == 200:
                return read_address(response.text, any_scope=True)
        except ValueError:
            pass
        raise QgError(
            f"{url} sent no address (HTTP status {response.status}).", http_status=response.status
        )


def _versions() -> str:
    versions = {
        "qingguo.qgnet": VERSION,
        "ansible-core": ansible_release.__version__,
        "Python": platform.python_version(),
        "requests": getattr(sys.modules.get("requests"), "__version__", "missing"),
    }
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _as_url(proxy: str) -> str:
    """Return the URL of a proxy that is given with or without a scheme."""
    return proxy if "//" in proxy else f"http://{proxy}"


def doctor_info(own_name: Callable[[], str]) -> Operation:
    """Return the operation on this machine; ``own_name`` returns its name in the inventory."""

    def run(params: Params, mode: Mode) -> dict[str, Any]:
        doctor = Doctor(params, mode, own_name)
        doctor.run()
        return {
            "changed": False,
            "healthy": all(check["ok"] for check in doctor.checks),
            "checks": doctor.checks,
        }

    return Operation(spec=_SPEC, run=run)


DOCTOR_INFO = doctor_info(lambda: "localhost")
