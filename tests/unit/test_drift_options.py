# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of modules, inventory, lookup and event source says of an option is what the code takes.

What the code takes is seen by running it, or read from the specification that it is validated with.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible_collections.qingguo.qgnet.extensions.eda.plugins.event_source import qg_watch
from ansible_collections.qingguo.qgnet.plugins.inventory import qg_cloud
from ansible_collections.qingguo.qgnet.plugins.lookup import proxy
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account import models
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.exchange import Count
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import Announcer
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases import lookup as lookup_file
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import (
    ACCOUNT_API_OPTIONS,
    GROUP_OPTIONS,
    PRODUCT_OPTIONS,
    PROXY_API_OPTIONS,
    account_api,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import Spec, shared_options, variable_name
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch import options as watch_options
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch.events import polls_to_skip
from support.documents import (
    alike,
    configured,
    documented_options,
    lookup_of,
    plugin_names,
    read,
    running_text,
    spec_of,
    with_fragments,
)


@pytest.mark.parametrize("module", plugin_names("modules"))
def test_a_module_documents_the_options_that_it_takes(module: str) -> None:
    fields = ("type", "required", "choices", "elements", "aliases", "default")
    assert fields_of(documented_options(module), *fields) == fields_of(spec_of(module), *fields)


Option = dict[str, Any]


@pytest.fixture(autouse=True)
def _no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("QG_")]:
        monkeypatch.delenv(name)
    # What a default is must not depend on what is in the home of the caller.
    monkeypatch.setenv("HOME", str(tmp_path))


def text_of(option: Option) -> str:
    described = option["description"]
    return " ".join(described if isinstance(described, list) else [described])


def variables(option: Option) -> list[str]:
    """The environment variables that a description names."""
    return list(dict.fromkeys(re.findall(r"\bQG_[A-Z_]+", text_of(option))))


def ansible_variables(option: Option) -> list[str]:
    """The variables of Ansible that a description names as a source."""
    return re.findall(r"If not set, the variable C\((\w+)\)", text_of(option))


def fallback(option: Option) -> list[str]:
    """The environment variables that an option of a specification is read from."""
    return list(option["fallback"][1]) if "fallback" in option else []


def fields_of(options: Spec, *fields: str) -> dict[str, list[Any]]:
    """These fields of each option, with the defaults of Ansible."""
    implied = {"type": "str", "required": False}
    return {name: [option.get(field, implied.get(field)) for field in fields] for name, option in options.items()}


# Modules


@pytest.mark.parametrize("module", plugin_names("modules"))
def test_a_module_documents_the_sources_of_its_options(module: str) -> None:
    taken, declared = spec_of(module), documented_options(module)
    shared = shared_options(taken)
    assert {name: (variables(option), ansible_variables(option)) for name, option in declared.items()} == {
        name: (fallback(option), [variable_name(name)] if name in shared else []) for name, option in taken.items()
    }


# The inventory. Ansible takes an option's type, default and environment from the documentation itself; what can drift
# is whether the plugin knows the option, and whether it can use what Ansible hands to it.


CREDENTIALS = {"app_id": "qgdemo01", "app_key": "0123456789abcdef0123"}
SERVICES = [
    {
        "Suid": f"10400000{number}",
        "line_no": "ap-shanghai",
        "area_no": "ap-shanghai-1",
        "Ip": ip,
        "Local_ip": f"192.0.2.{number}",
        "Run_status": str(number),
        "Order_status": "1",
        "System_name": "CentOS 7.9",
        "Login_password": "secret",
    }
    for number, ip in enumerate(("8.8.4.1", "8.8.4.2", "198.51.100.3"), 1)
]
#: For each of the inventory's own options something that makes another inventory than its default.
CHANGES: dict[str, Any] = {
    "product_ids": [104],
    "simple_filters": {"suid": "104000001"},
    "filters": [{"exclude": "qg_run_status_code == 1"}],
    "hostnames": ["ip"],
    "connect_with": "local",
    "allow_non_global": True,
    "include_secrets": True,
    "vars_prefix": "cloud_",
    "default_groups": [],
    "group_prefix": "cloud_",
}
INVENTORY = yaml.safe_load(qg_cloud.DOCUMENTATION)
NAME = qg_cloud.InventoryModule.NAME
OWN = {name: option for name, option in INVENTORY["options"].items() if name != "plugin"}


class Reads(dict[str, Any]):
    """Options that remember which of them were read."""

    def __init__(self, options: dict[str, Any], names: set[str]) -> None:
        super().__init__(options)
        self.names = names

    def __getitem__(self, name: str) -> Any:
        """Read one."""
        self.names.add(name)
        return super().__getitem__(name)


class Cloud:
    """The plugin as Ansible loads it, with a vendor that has some services."""

    count = Count(1)

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.plugin = configured("inventory", qg_cloud.InventoryModule(), NAME, with_fragments(INVENTORY))
        #: The options that were read, and those that the client was made of last.
        self.names: set[str] = set()
        self.given = Reads({}, self.names)
        self._get_option, self._get_options = self.plugin.get_option, self.plugin.get_options
        monkeypatch.setattr(self.plugin, "get_option", self.get_option)
        monkeypatch.setattr(self.plugin, "get_options", self.get_options)
        monkeypatch.setattr(qg_cloud, "account_api", self.connect)

    def get_option(self, option: str, **more: Any) -> Any:
        """Read one."""
        self.names.add(option)
        return self._get_option(option, **more)

    def get_options(self) -> Reads:
        """Hand all of them over, of which each is read or not."""
        names = set(self.names)
        options = self._get_options()
        # Ansible reads each of them for that.
        self.names.intersection_update(names)
        return Reads(options, self.names)

    def connect(self, options: Reads, announcer: Announcer) -> Cloud:
        """Stand in for the client, after the real one has been made of the options."""
        account_api(options, announcer)
        self.given = options
        return self

    def instances(self, product: int | None, *, include_secrets: bool) -> list[dict[str, Any]]:
        """What the vendor has, whatever the product."""
        return models.instances(SERVICES, include_secrets=include_secrets)

    def read(self, **options: Any) -> dict[str, Any]:
        """Hosts with their variables and groups, of a file with these options."""
        path = self.directory / "site.qg_cloud.yml"
        path.write_text(yaml.safe_dump({"plugin": NAME, **options}), encoding="utf-8")
        inventory = InventoryData()
        self.plugin.parse(inventory, DataLoader(), str(path))
        return {
            name: (host.get_vars(), sorted(group.name for group in host.get_groups()))
            for name, host in inventory.hosts.items()
        }


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    return Cloud(tmp_path, monkeypatch)


def test_the_inventory_reads_the_options_that_it_documents_and_no_others(cloud: Cloud) -> None:
    # One of them has no public address.
    assert len(cloud.read(**CREDENTIALS)) == len(SERVICES) - 1
    documented = with_fragments(INVENTORY)
    assert cloud.names <= set(documented)
    # Ansible itself looks at the name of the plugin, and takes care of the cache.
    assert {*OWN, *ACCOUNT_API_OPTIONS} <= cloud.names


def test_no_variable_of_a_host_is_taken_for_an_option_of_a_task(cloud: Cloud) -> None:
    variables = {name for found, _groups in cloud.read(**CREDENTIALS).values() for name in found}
    assert "qg_suid" in variables
    assert not variables & set(map(variable_name, GROUP_OPTIONS))


def test_the_inventory_is_given_the_defaults_that_it_documents(cloud: Cloud) -> None:
    default = cloud.read(**CREDENTIALS)
    assert {name: cloud.given[name] for name in OWN} == {name: option["default"] for name, option in OWN.items()}
    assert [name for name, option in OWN.items() if not isinstance(cloud.given[name], type(option["default"]))] == []
    shared = {name: option for name, option in ACCOUNT_API_OPTIONS.items() if name not in CREDENTIALS}
    assert {name: cloud.given[name] for name in shared} == {
        name: option.get("default") for name, option in shared.items()
    }
    for name, option in OWN.items():
        assert cloud.read(**CREDENTIALS, **{name: option["default"]}) == default


def test_each_option_of_the_inventory_changes_something(cloud: Cloud) -> None:
    assert set(CHANGES) == set(OWN)
    default = cloud.read(**CREDENTIALS)
    for name, value in CHANGES.items():
        changed = cloud.read(**CREDENTIALS, **{name: value})
        assert changed
        assert changed != default, name


@pytest.mark.parametrize("name", sorted(name for name, option in OWN.items() if "choices" in option))
def test_each_choice_of_the_inventory_is_another_one(cloud: Cloud, name: str) -> None:
    listed = OWN[name]["type"] == "list"
    made = [
        cloud.read(**CREDENTIALS, product_ids=[104], **{name: [choice] if listed else choice})
        for choice in OWN[name]["choices"]
    ]
    assert all(one not in made[:number] for number, one in enumerate(made))


def test_the_inventory_reads_the_environment_as_modules_do(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    named = {name: variable for name, option in ACCOUNT_API_OPTIONS.items() for variable in fallback(option)}
    values = {
        "account_url": "https://reseller.example/api",
        "timeout": "7.5",
        "max_wait": "17.5",
        "retries": "2",
        "use_proxy": "False",
        "api_proxy": "http://192.0.2.1:3128",
        "validate_certs": "False",
        "ca_path": requests.certs.where(),
    }
    for name, variable in named.items():
        monkeypatch.setenv(variable, values.setdefault(name, f"other.{name.replace('_', '-')}"))
    cloud.read()
    assert {name: str(cloud.given[name]) for name in named} == values


# The lookup, whose options Ansible takes from the documentation in the same way.


def test_the_lookup_reads_the_options_that_it_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lookup, documented = lookup_of(proxy)
    names: set[str] = set()
    own = lookup.get_options
    monkeypatch.setattr(lookup, "get_options", lambda: Reads(own(), names))

    def matching_leases(api: Any, desired: Any, **_more: Any) -> tuple[()]:
        return ()

    monkeypatch.setattr(lookup_file, "matching_leases", matching_leases)
    common = {"key": "QGDEMO01", "pwd": "secret", "at_least": 0, "form": "url", "state_dir": str(tmp_path / "state")}
    for product in ("classic", "share"):
        assert lookup.run([], {}, **common, product=product) == []
    assert names == set(documented)


# The event source


WATCH: dict[str, Option] = yaml.safe_load(qg_watch.DOCUMENTATION)["options"]
#: Something of each type that no default is.
OTHERS = {"str": "https://other.example", "float": "7.5", "path": "/elsewhere", "bool": "False"}


def test_the_event_source_documents_the_options_that_it_takes() -> None:
    taken = watch_options.SPEC
    assert set(WATCH) == set(watch_options.read_options({}))
    fields = ("type", "elements", "choices", "aliases")
    assert fields_of(WATCH, *fields) == fields_of(taken, *fields)


def test_the_event_source_documents_the_defaults_that_it_has() -> None:
    left_out = watch_options.read_options({})
    # Also one that is needed is left out without an error here: the calls that need it report it.
    assert not [name for name, option in WATCH.items() if option.get("required")]
    assert {name for name, value in left_out.items() if value is not None} == {
        name for name, option in WATCH.items() if "default" in option
    }
    given = {name: option["default"] for name, option in WATCH.items() if "default" in option}
    assert watch_options.read_options(given) == left_out


@pytest.mark.parametrize("name", WATCH)
def test_the_event_source_documents_the_environment_that_it_reads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = variables(WATCH[name])
    assert named == fallback(watch_options.SPEC[name])
    for variable in named:
        value = WATCH[name].get("choices", [OTHERS[WATCH[name]["type"]]])[-1]
        monkeypatch.setenv(variable, value)
        assert str(watch_options.read_options({})[name]) == value


def refuses(**options: Any) -> bool:
    try:
        watch_options.rules_from(watch_options.read_options({"whitelist": True, **options}))
    except OptionError:
        return True
    return False


def test_the_event_source_documents_the_least_interval() -> None:
    declared = re.search(r"The minimum is (\d+)\.", text_of(WATCH["interval"]))
    assert declared
    least = int(declared[1])
    assert refuses(interval=least - 0.01)
    assert not refuses(interval=least)


def reported_by(guide: str, pattern: str) -> tuple[str, ...]:
    """The groups of the only match in a guide, whose lines may end anywhere."""
    text = running_text(read(guide))
    found = list(re.finditer(pattern, text))
    assert len(found) == 1, f"{guide}: {len(found)} times {pattern}"
    return found[0].groups()


#: Sentences of the guide in both languages, with what they tell.
EVENTS = {
    "docs/docsite/rst/events.rst": {
        "options": r"is required\. The other options are `interval` \((\d+) seconds\), (.+?)\. If an option",
        "least": r"`interval` is at least (\d+) seconds",
        "rest": r"at most after (\d+) minutes or one interval",
    },
    "docs/zh-CN/events.md": {
        "options": r"此外还有 `interval`\((\d+) 秒\),(.+?)。选项有误时",
        "least": r"`interval` 至少为 (\d+) 秒",
        "rest": r"最长相隔 (\d+) 分钟\(`interval` 更长时为一个间隔\)",
    },
}


@pytest.mark.parametrize("guide", EVENTS)
def test_the_guide_lists_what_can_be_watched(guide: str) -> None:
    text = alike(read(guide))
    of_table = re.findall(r"^(?:   \* -|\|) `(\w+)(: true)?`", text, re.MULTILINE)
    declared = {name: "bool" if flag else None for name, flag in of_table if name in WATCH}
    assert list(declared) == list(watch_options.WATCHED)
    assert {name for name, kind in declared.items() if kind} == {
        name for name, option in watch_options.WATCHED.items() if option["type"] == "bool"
    }


@pytest.mark.parametrize("guide", EVENTS)
def test_the_guide_lists_the_other_options_of_the_event_source(guide: str) -> None:
    interval, prose = reported_by(guide, EVENTS[guide]["options"])
    assert float(interval) == watch_options.read_options({})["interval"]
    words = re.findall(r"`(\w+)`", prose)
    named = [word for word in words if not word.startswith("QG_")]
    account = [name for name in ACCOUNT_API_OPTIONS if name not in PROXY_API_OPTIONS]
    in_order = [name for name in (*PROXY_API_OPTIONS, *PRODUCT_OPTIONS) if name != "retries"]
    in_order += ["balance_below", *account]
    # The two languages put what an option is for before or after it.
    assert sorted(named) == sorted(in_order)
    assert [name for name in named if name != "balance_below"] == [name for name in in_order if name != "balance_below"]
    assert {"interval", *named, *watch_options.WATCHED} == set(WATCH)
    read = {variable for option in watch_options.SPEC.values() for variable in fallback(option)}
    assert {word for word in words if word.startswith("QG_")} <= read


@pytest.mark.parametrize("guide", EVENTS)
def test_the_guide_states_how_often_the_event_source_looks(guide: str) -> None:
    (least,), (minutes,) = reported_by(guide, EVENTS[guide]["least"]), reported_by(guide, EVENTS[guide]["rest"])
    assert refuses(interval=int(least) - 0.01)
    assert not refuses(interval=int(least))
    # After a failure that lasts, with an interval of a second, as many polls are left out as the guide has seconds.
    assert polls_to_skip(100, 1.0) == int(minutes) * 60 - 1
