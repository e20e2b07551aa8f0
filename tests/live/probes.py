# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixed list of probes. Those that read come first, then those that change the whitelist, then those that pay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from simulator.account.catalog import CLOUD_PRODUCT
from simulator.keys.plans import DEDICATED, PRODUCTS, STATIC, TIME, VOLUME

from .caller import Caller, EndOfRun, NoReplyError, StopSignals
from .dialects import Dialect, channels, used
from .exchange import Reply, Transport, leases_in, outline
from .notations import canonical
from .transports import Situation
from .undo import Holdings, Undo

#: A key that does not exist.
UNKNOWN_KEY = "QGLIVE00"
#: Seconds by which the time of a signature is off.
OFFSETS = ("15", "30", "60", "120", "240", "480", "960", "1920", "3840", "86400")


@dataclass(frozen=True)
class Wanted:
    """What a run may do, and with which addresses."""

    situation: Situation
    write: bool = False
    paid: int = 0
    account: bool = False
    """Whether it may read from the account API."""
    minute: float = 60.0
    addresses: tuple[str, str] = ("203.0.113.201", "203.0.113.202")
    """Addresses that the run may add to the whitelist, and removes."""
    ipv6: str = "2001:db8::201"
    absent: str = "203.0.113.203"
    """An address that the key does not lease."""


@dataclass
class Findings:
    """What a run has found, and what it has left behind."""

    situation: Situation
    answers: dict[str, str] = field(default_factory=dict)
    """By the name of the question."""
    notes: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    ended: str = ""
    """Why the run has ended early."""


class Probes:
    def __init__(self, transport: Transport, wanted: Wanted, stop: StopSignals | None = None) -> None:
        self.found = Findings(wanted.situation)
        self.caller = Caller(transport, wanted.situation, wanted.paid, wanted.minute, stop)
        self._wanted = wanted
        self._dialect = Dialect.of(wanted.situation)
        self._holdings = Holdings()
        self._may_add = False
        """Whether the whitelist was read, and has none of the addresses that the run adds and removes."""
        self._undo = Undo(self.caller, self._dialect, self._holdings)

    def run(self) -> Findings:
        """Make all calls that are allowed, and undo what they have changed, whatever happens."""
        try:
            for probe in self._list():
                self._try(probe)
        except EndOfRun as error:
            self.found.ended = str(error)
        finally:
            self._undo.run()
            self.found.left = self._undo.left
        statuses = [exchange.reply.status for exchange in self.caller.exchanges if exchange.reply.status]
        if statuses:
            self._answer("redirects", "yes" if any(300 <= status < 400 for status in statuses) else "no")
        return self.found

    def _list(self) -> list[Callable[[], None]]:
        probes = [self.refusals, self.formats, self.leases, self.quotas, self.areas, self.whitelist]
        if self._wanted.account:
            probes += [self.account_refusals, self.account_time]
        if self._wanted.write:
            probes += [self.add, self.add_odd, self.remove, self.release_absent]
        if self._wanted.paid:
            probes.append(self.allocate)
        if self._wanted.paid > 1 and self._dialect.release:
            probes.append(self.allocate_again)
        return probes

    def _try(self, probe: Callable[[], None]) -> None:
        try:
            probe()
        except NoReplyError as error:
            self.found.notes.append(f"No response: {error}")

    def _answer(self, name: str, text: str) -> None:
        # Parts of a response are in it, and it is printed.
        self.found.answers.setdefault(name, one_line(text))

    # Reads

    def _product_read(self) -> str:
        """Return a call that each product has."""
        return f"/{self._wanted.situation.plan}/query"

    def refusals(self) -> None:
        plan = self._wanted.situation.plan
        if plan in PRODUCTS:
            # The host of another product refuses the key.
            refused = self.caller.read(f"/{next(other for other in PRODUCTS if other != plan)}/query")
            unknown = self.caller.read(self._product_read(), {"key": UNKNOWN_KEY})
        else:
            refused = self.caller.read("/resources", {"AreaId": "x"})
            unknown = self.caller.read("/resources", {"Key": UNKNOWN_KEY})
        self._answer("refusal", f"HTTP {refused.status}, {refused.outcome}")
        self._answer("unknown_key", unknown.outcome)
        if refused.refused:
            text = refused.fields.get("Msg") or refused.fields.get("message")
            self._answer("message", "yes" if text else "no")

    def formats(self) -> None:
        if self._wanted.situation.plan in PRODUCTS:
            reply = self.caller.read(self._product_read())
            broken = self.caller.read(self._product_read(), {"format": "txt", "seq": "\r\n"})
            self._answer("line_breaks", broken.outcome if broken.refused else "yes")
        else:
            reply = self.caller.read("/whitelist/query")
        self._answer("format", reply.media_type)
        posted = self.caller.read("/whitelist/query", {"format": "json"}, post=True)
        self._answer("post", posted.outcome if posted.code is not None else f"HTTP {posted.status}")

    def leases(self) -> None:
        reply = self.caller.read(self._dialect.query)
        self._answer("list", reply.outcome)
        found = list(leases_in(reply.body))
        if reply.succeeded:
            self._holdings.note_earlier(found)
        self.found.situation = replace(self.found.situation, leased=bool(found))
        if reply.succeeded and not found:
            name = "data" if self._wanted.situation.plan in PRODUCTS else "TaskList"
            self._answer("empty_leases", _form(reply, name))

    def quotas(self) -> None:
        classic = self.caller.read("/info/quota")
        self._answer("quota", classic.outcome)
        own = classic
        if self._wanted.situation.plan in PRODUCTS:
            own = self.caller.read(self._dialect.quota)
            self._answer("channels", own.outcome)
        if (count := channels(own)) is not None and self._wanted.situation.billing == TIME:
            self.found.situation = self.caller.situation = replace(self.found.situation, channels=count)
        if own.succeeded:
            data = own.fields.get("data", own.fields)
            texts = [name for name, value in data.items() if isinstance(value, str)] if isinstance(data, dict) else []
            self._answer("numbers", f"no, as text: {', '.join(texts)}" if texts else "yes")

    def areas(self) -> None:
        plan = self._wanted.situation.plan
        reply = self.caller.read(f"/{plan}/resources" if plan in PRODUCTS else "/resources")
        shape = outline(reply.fields.get("Data", reply.fields.get("data")))
        self._answer("areas", shape if reply.succeeded else reply.outcome)

    def whitelist(self) -> None:
        reply = self.caller.read("/whitelist/query")
        self._answer("whitelist", reply.outcome)
        entries = self._before_adding()
        self.found.situation = replace(self.found.situation, whitelisted=bool(entries))
        if reply.succeeded and not entries:
            self._answer("empty_whitelist", _form(reply, "Data"))

    def _before_adding(self) -> list[str]:
        """Return the entries of the whitelist, and note whether the run may add its addresses."""
        entries = self._undo.whitelist()
        own = [ip for ip in (*self._wanted.addresses, self._wanted.ipv6) if ip in map(canonical, entries or [])]
        if own and self._wanted.write:
            # Else the run would remove what was there before.
            raise EndOfRun(f"{', '.join(own)}: on the whitelist already. Choose other addresses with --address.")
        self._may_add = entries is not None
        return entries or []

    # The account

    def _account_read(self, **params: str) -> Reply:
        """Ask for something that the vendor shows to everybody: the packages of a product."""
        return self.caller.read("/api/cloud-product/packageList", {"productId": str(CLOUD_PRODUCT), **params})

    def account_refusals(self) -> None:
        self._answer("account", self._account_read().outcome)
        wrong = {"sign": "0" * 32}
        mistakes = {
            "sign": wrong,
            "missing": {"sign": ""},
            "appid": {"appid": UNKNOWN_KEY},
            "domain": {"domain": "x.example"},
        }
        for name, params in mistakes.items():
            reply = self._account_read(**params)
            self._answer(f"account_{name}", f"HTTP {reply.status}, {reply.outcome}")
        self._answer("account_balance", outline(self.caller.read("/api/merchant/getBalance", wrong).body))

    def account_time(self) -> None:
        """Sign with a time that is off by more and more, in both directions, until the vendor refuses it."""
        taken = self._account_read().outcome
        for name, sign in (("past", "-"), ("future", "")):
            longest = "0"
            for seconds in OFFSETS:
                if self._account_read(time=f"{sign}{seconds}").outcome != taken:
                    self._answer(f"account_{name}", f"between {longest} and {seconds} seconds")
                    break
                longest = seconds
            else:
                self._answer(f"account_{name}", f"more than {longest} seconds")

    # Changes of the whitelist

    def _add(self, *entries: str) -> Reply:
        addresses = [canonical(entry) or entry for entry in entries]
        self._holdings.entries += [ip for ip in addresses if ip not in self._holdings.entries]
        return self.caller.read("/whitelist/add", {"IP": ",".join(entries)})

    def add(self) -> None:
        first, second = self._wanted.addresses
        before = self._before_adding()
        if not self._may_add:
            return
        reply = self._add(first, second)
        shape = ", ".join(sorted(reply.fields)) if reply.succeeded else reply.outcome
        self._answer("add", f"{shape}{_named(reply, first, second)}")
        if not reply.succeeded:
            return
        self._answer("whitelist_lag", self._undo.wait(lambda: bool(self._undo.entries_of(second))) or "never")
        entries = self._undo.whitelist() or []
        new = [entry for entry in entries if entry not in before]
        self._answer("notation", " ".join(repr(entry) for entry in new if canonical(entry) == first))
        self._answer("order", "at the end, in their order" if entries == [*before, *new] else "elsewhere")
        again = self._add(first)
        self._answer("add_present", f"{again.outcome}{_named(again, first)}")

    def add_odd(self) -> None:
        """Add a network of one address, and an IPv6 address."""
        if not self._may_add:
            return
        self._answer("add_network", self._add(f"{self._wanted.addresses[0]}/32").outcome)
        self._answer("add_ipv6", self._add(self._wanted.ipv6).outcome)

    def remove(self) -> None:
        second = self._wanted.addresses[1]
        listed = self._undo.entries_of(second)
        if not listed:
            return
        way, reply = "the address", self.caller.read("/whitelist/del", {"IP": second})
        undone = reply.refused or _named(reply, second) in (", names 0 of 1", ", Num 0")
        if undone or not self._undo.is_removed(second):
            way = "the entry"
            self.caller.read("/whitelist/del", {"IP": listed[0]})
            if not self._undo.is_removed(second):
                self._answer("remove", "neither")
                return
        self._answer("remove", way)
        text = listed[0] if way == "the entry" else second
        absent = self.caller.read("/whitelist/del", {"IP": text})
        self._answer("remove_absent", f"{absent.outcome}{_named(absent, second)}")

    def release_absent(self) -> None:
        if self._dialect.release:
            reply = self.caller.read(self._dialect.release, {self._dialect.ip: self._wanted.absent})
            self._answer("release_absent", reply.outcome)

    # Leases

    def _buy(self) -> Reply:
        """Allocate one lease."""
        # Other leases may have been added since the first probes; what is new after a lost reply may be of this run.
        if not self._holdings.unknown and (listed := self._undo.listed()) is not None:
            self._holdings.note_earlier(listed)
        self._holdings.unknown += 1
        try:
            reply = self.caller.buy(self._dialect.allocate, 1, {self._dialect.count: "1"} | self._dialect.minutes)
        except EndOfRun:
            # Raised before the call.
            self._holdings.unknown -= 1
            raise
        new = {lease.ip: lease.deadline for lease in leases_in(reply.body)}
        if new or reply.refused:
            self._holdings.unknown -= 1
        for ip in new.keys() & (self._holdings.earlier_leases or set()):
            del new[ip]
            self._undo.left.append(f"An allocation returned {ip}, which the key held before. It is not released.")
        self._holdings.leases |= new
        self._holdings.released -= set(new)
        if reply.status is None:
            raise NoReplyError(f"{self._dialect.allocate}: {reply.error}")
        return reply

    def _used(self) -> int | None:
        return used(self.caller.read(self._dialect.quota))

    def allocate(self) -> None:
        before = self._used()
        reply = self._buy()
        if not self._holdings.leases:
            self._answer("allocated", reply.outcome)
            return
        ip, deadline = next(iter(self._holdings.leases.items()))
        if before is not None:
            self._answer("quota_lag", self._undo.wait(lambda: (self._used() or before) > before) or "never")
        shape = reply.fields.get("data") if self._wanted.situation.plan in PRODUCTS else reply.fields
        self._answer("allocated", outline(shape))
        self._answer("deadline", self._zone(reply, deadline))
        self._answer("list_lag", self._undo.wait(lambda: ip in self._listed_ips()) or "never")
        listed = self.caller.read(self._dialect.query)
        data = listed.fields.get("data") if self._wanted.situation.plan in PRODUCTS else listed.fields.get("TaskList")
        self._answer("listed", outline(data))
        if self._dialect.release:
            self._release(ip)

    def _listed_ips(self) -> set[str]:
        return {lease.ip for lease in self._undo.listed() or []}

    def _release(self, ip: str) -> None:
        before = self._used()
        reply = self.caller.read(self._dialect.release or "", {self._dialect.ip: ip})
        data = outline(reply.fields.get("data")) or "a number" if "data" in reply.fields else ""
        shape = f"data: {data}" if data else ", ".join(sorted(reply.fields))
        self._answer("release", shape if reply.succeeded else reply.outcome)
        if not reply.succeeded:
            return
        if before is not None and self._wanted.situation.billing != VOLUME:
            self._answer("free_delay", self._undo.wait(lambda: (self._used() or 0) < before) or "never")
        if self._undo.wait(lambda: ip not in self._listed_ips()) is not None:
            self._holdings.leases.pop(ip, None)
            self._holdings.released.add(ip)

    def allocate_again(self) -> None:
        earlier = set(self._holdings.released)
        self._buy()
        if self._holdings.leases and earlier:
            self._answer("reuse", "yes" if self._holdings.leases.keys() & earlier else "no")

    def _zone(self, reply: Reply, deadline: str) -> str:
        """Return the zone in which a deadline is as far away as the lease lasts."""
        situation = self._wanted.situation
        if situation.plan == STATIC or (situation.plan != DEDICATED and situation.plan not in PRODUCTS):
            return "unknown: the lifetime is the plan's"
        minutes = int(next(iter(self._dialect.minutes.values()), "30"))
        try:
            ends = datetime.strptime(deadline, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
            seconds = (ends - parsedate_to_datetime(reply.date)).total_seconds()
        except (ValueError, TypeError):
            return "unknown: no date or deadline"
        return f"UTC{round((seconds - minutes * 60) / 3600):+d}"


def _form(reply: Reply, name: str) -> str:
    """Return how an answer without rows shows that."""
    if name not in reply.fields:
        return f"no {name}"
    return f"{name}: {outline(reply.fields[name])}"


def _named(reply: Reply, *addresses: str) -> str:
    """Return what an answer says of the addresses of a call."""
    data = reply.fields.get("Data")
    if not isinstance(data, list):
        return f", Num {reply.fields['Num']}" if "Num" in reply.fields else ""
    named = [ip for ip in addresses if ip in map(canonical, map(str, data))]
    return f", names {len(named)} of {len(addresses)}"
