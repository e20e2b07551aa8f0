# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the roles write on a host: whatever has the name of such a file, nobody else loses one.

The paths are those that scripts, tasks and templates contain, so that none can be forgotten.
"""

from __future__ import annotations

import re
import stat
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway import operations
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.declaration import (
    Declaration,
    Gateway,
    ProxyList,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.exits import read_look
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.gateway_options import (
    LIST_OPTIONS,
    read_list,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.places import why_in_the_way
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import Installation
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.values import typed_options
from ansible_collections.qingguo.qgnet.plugins.plugin_utils import _gateway_host
from behavior.gateway_fleet import gateway
from support.documents import ROOT
from support.invariants import assert_one_sentence
from support.plugin_runs import run_action

NONCE = "qg0123456789abcdef"
ID = "0123456789abcdef"
VICTIM = "of somebody else\n"
Obstacle = Callable[[Path, Path], None]


def link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def broken_link(path: Path, victim: Path) -> None:
    """A file would be made where it leads to."""
    path.symlink_to(victim.with_name("made"))


def directory(path: Path, _victim: Path) -> None:
    path.mkdir()


def foreign_file(path: Path, _victim: Path) -> None:
    path.write_text(VICTIM, encoding="utf-8")


OBSTACLES = [link, broken_link, directory, foreign_file]


def sh(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", "-c", script], check=False, capture_output=True, text=True)


def shell(command: str) -> tuple[int, str, str]:
    done = sh(command)
    return done.returncode, done.stdout, done.stderr


def declared_gateway(folder: Path, service: str = "daemon") -> Gateway:
    return gateway(name="gw", directory=str(folder), service=service)


def declared_list(folder: Path) -> ProxyList:
    values = typed_options(LIST_OPTIONS, {"path": str(folder / "list")})
    return read_list(values, "", "share")


def look_at(declaration: Declaration) -> str:
    return sh(_gateway_host.look_script([declaration], NONCE, is_install=False)).stdout


def served(declaration: Declaration) -> dict[str, Any]:
    row = Installation(ID, declaration.kind, "hosts", "web1", declaration.name, {}, {})
    order = operations.Order(row, declaration, {}, read_look("", 0))
    return operations.served(order, operations.unchanged(order))


def scripts_of(declaration: Declaration) -> list[str]:
    """Return all commands of a host but that of the user."""
    each = served(declaration)
    scripts = [
        _gateway_host.look_script([declaration], NONCE, is_install=True),
        _gateway_host.removal_script(each, is_found=True),
        _gateway_host.removal_script(each, is_found=False),
    ]
    if isinstance(declaration, Gateway):
        scripts.append(_gateway_host.leases_script(each, NONCE, asks=True))
        scripts.append(_gateway_host.run_script(each))
    else:
        scripts.append(_gateway_host.command_script(each))
    return scripts


def extensions_in_tasks() -> set[tuple[str, str]]:
    """Return what stands after the paths of a gateway in tasks, templates and actions."""
    sources = [
        *(ROOT / "roles" / "proxy_gateway" / "templates").iterdir(),
        *(ROOT / "roles" / "proxy_gateway" / "tasks").iterdir(),
        *(ROOT / "plugins" / "plugin_utils").glob("_gateway*.py"),
    ]
    words = re.compile(r"gateway(?:\.|\[['\"])(file|run)(?:['\"]\]|)(?: ?\}+| ~ ')\.([a-z]+)")
    found = set()
    for source in sources:
        found.update(words.findall(source.read_text(encoding="utf-8")))
    return found


def test_each_path_that_is_written_is_declared(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    for declaration in (
        declared_gateway(folder),
        declared_gateway(folder, "systemd"),
        declared_list(folder),
    ):
        paths = set()
        for script in scripts_of(declaration):
            paths.update(re.findall(rf"{re.escape(str(folder))}/[\w.@-]+", script))
        temporary = {path for path in paths if path.endswith(f".{NONCE}")}
        expected = {path for path in declaration.files if path.startswith(str(folder))}
        prefix = {str(folder / "gw"), str(folder / "gw.")} & paths
        assert paths - temporary - prefix == expected
        assert temporary, declaration.kind

    declared = declared_gateway(folder, "systemd")
    extensions = extensions_in_tasks()
    assert {("file", "cfg"), ("file", "lua"), ("run", "sock"), ("run", "peers")} <= extensions
    for base, extension in extensions:
        assert f"{getattr(declared, base)}.{extension}" in declared.files
    install = (ROOT / "roles/proxy_gateway/tasks/install.yml").read_text(encoding="utf-8")
    assert re.findall(r'dest: "(/[^"]*)"', install) == [
        "/etc/systemd/system/{{ gateway.name }}.service"
    ]
    assert declared.unit == "/etc/systemd/system/gw.service"


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("declare", [declared_gateway, declared_list])
def test_whatever_has_the_name_of_a_file_stays_and_is_named(
    tmp_path: Path, declare: Callable[[Path], Declaration], obstacle: Obstacle
) -> None:
    victim = tmp_path / "victim"
    victim.write_text(VICTIM, encoding="utf-8")
    for path in declare(tmp_path / "files").files:
        name = Path(path).name
        folder = tmp_path / f"with {obstacle.__name__} at {name}" / "files"
        folder = Path(str(folder).replace(" ", "-"))
        folder.mkdir(parents=True)
        declaration = declare(folder)
        assert why_in_the_way(look_at(declaration), declaration) == ""
        obstacle(folder / name, victim)

        said = why_in_the_way(look_at(declaration), declaration)

        assert str(folder / name) in said
        assert_one_sentence(said)
        assert victim.read_text(encoding="utf-8") == VICTIM
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["victim"]
        assert [path.name for path in folder.iterdir()] == [name]
        if obstacle is foreign_file:
            assert (folder / name).read_text(encoding="utf-8") == VICTIM


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_a_new_file_takes_no_name_that_is_taken(tmp_path: Path, obstacle: Obstacle) -> None:
    """Also if somebody has guessed it, or puts something there after it was looked for."""
    victim = tmp_path / "victim"
    folder = tmp_path / "files"
    taken = [f"gw.{NONCE}", f".list.qgnet.{NONCE}", f"gw.leases.{NONCE}"]

    def begin() -> None:
        folder.mkdir()
        victim.write_text(VICTIM, encoding="utf-8")
        for name in taken:
            obstacle(folder / name, victim)

    begin()
    for declaration in (declared_gateway(folder), declared_list(folder)):
        assert "room" not in read_look(look_at(declaration), 0).flags
    written = sh(_gateway_host.leases_script(served(declared_gateway(folder)), NONCE))

    assert written.returncode == _gateway_host.UNWRITABLE
    assert victim.read_text(encoding="utf-8") == VICTIM
    assert not victim.with_name("made").exists()
    assert sorted(path.name for path in folder.iterdir()) == sorted(taken)


@pytest.mark.parametrize("obstacle", [link, broken_link])
def test_a_link_that_came_after_the_look_is_replaced_and_not_followed(
    tmp_path: Path, obstacle: Obstacle
) -> None:
    victim = tmp_path / "victim"
    victim.write_text(VICTIM, encoding="utf-8")
    folder = tmp_path / "files"
    folder.mkdir()
    obstacle(folder / "gw.leases", victim)

    each = served(declared_gateway(folder))
    assert sh(_gateway_host.leases_script(each, NONCE)).returncode == 0

    assert victim.read_text(encoding="utf-8") == VICTIM
    assert not victim.with_name("made").exists()
    assert (folder / "gw.leases").read_text(encoding="utf-8") == f"installation {ID}\n"
    assert not (folder / "gw.leases").is_symlink()
    # A directory would get the file into it.
    (folder / "gw.leases").unlink()
    (folder / "gw.leases").mkdir()
    written = sh(_gateway_host.leases_script(each, NONCE))
    assert written.returncode == _gateway_host.UNWRITABLE
    assert [path.name for path in folder.iterdir()] == ["gw.leases"]


@pytest.mark.parametrize(
    ("other", "refreshes", "is_written"),
    [
        ("", True, True),
        # The same, as another run has it.
        (f"installation {ID}\n", True, True),
        ("newer leases\n", True, False),
        ("newer leases\n", False, True),
        ("another configuration", True, False),
        ("another configuration", False, False),
        ("removal", True, False),
    ],
)
def test_leases_are_not_written_over_what_another_run_has_done(
    tmp_path: Path, other: str, refreshes: bool, is_written: bool
) -> None:
    """What the role installs is newer than what any refresh has written."""
    declaration = declared_gateway(tmp_path)
    leases = tmp_path / "gw.leases"
    configuration = tmp_path / "gw.cfg"
    leases.write_text("installation 1\n", encoding="utf-8")
    configuration.write_text(f"# layout={declaration.layout}\n", encoding="utf-8")
    each = served(declaration)
    seen = [read_look(look_at(declaration), 0).seen, sha256(each["text"].encode()).hexdigest()]
    if other == "removal":
        leases.unlink()
    elif other == "another configuration":
        configuration.write_text("# layout=0\n", encoding="utf-8")
    elif other:
        leases.write_text(other, encoding="utf-8")
    before = leases.read_text(encoding="utf-8") if leases.exists() else ""

    script = _gateway_host.leases_script(each, NONCE, seen=seen if refreshes else (), asks=True)
    code = sh(script).returncode

    assert (code != _gateway_host.CHANGED) is is_written
    after = leases.read_text(encoding="utf-8") if leases.exists() else ""
    assert after == (each["text"] if is_written else before)


def test_a_list_is_not_written_over_what_another_run_has_done(tmp_path: Path) -> None:
    declaration = declared_list(tmp_path)
    path = Path(declaration.path)
    seen = [read_look(look_at(declaration), 0).seen]
    assert sh(_gateway_host.seen_script(str(path), seen)).returncode == 0
    path.write_text("192.0.2.1:80\n", encoding="utf-8")
    assert sh(_gateway_host.seen_script(str(path), seen)).returncode == _gateway_host.CHANGED
    seen = [read_look(look_at(declaration), 0).seen]
    assert sh(_gateway_host.seen_script(str(path), seen)).returncode == 0
    path.unlink()
    assert sh(_gateway_host.seen_script(str(path), seen)).returncode == _gateway_host.CHANGED


def test_own_files_are_in_nobodys_way(tmp_path: Path) -> None:
    declaration = declared_gateway(tmp_path)
    proxies = declared_list(tmp_path)
    for part in ("cfg", "lua", "map"):
        text = "# Made by the role qingguo.qgnet.proxy_gateway.\n"
        (tmp_path / f"gw.{part}").write_text(text, encoding="utf-8")
    (tmp_path / "gw.pid").write_text("4711\n", encoding="utf-8")
    (tmp_path / "gw.leases").write_text(f"installation {ID}\n", encoding="utf-8")
    (tmp_path / ".list.qgnet").write_text(f"installation {ID}\n", encoding="utf-8")
    (tmp_path / "list").write_text("198.51.100.2:20000\n", encoding="utf-8")

    for each in (declaration, proxies):
        output = look_at(each)
        assert why_in_the_way(output, each) == ""
        assert "room" in read_look(output, 0).flags
    assert [path for path in tmp_path.iterdir() if NONCE in path.name] == []


ROOTS = (0o40755, 0, 0)
FILE = 0o100644
#: What the host shows of folders and files, and what is in the way of a gateway.
FOLDERS = [
    ({}, ""),
    ({"/opt": (0o40755, 1000, 0)}, "/opt belongs"),
    ({"/opt/gw": (0o40755, 1000, 0)}, "/opt/gw belongs"),
    ({"/opt/gw": (0o40777, 0, 0)}, "/opt/gw belongs"),
    ({"/opt/gw": (0o40775, 0, 50)}, "/opt/gw belongs"),
    ({"/opt/gw": (0o40775, 0, 0)}, ""),
    # In a folder such as /tmp, nobody can exchange a folder of another user.
    ({"/opt": (0o41777, 0, 0)}, ""),
    ({"/opt/gw": (0o41777, 0, 0)}, "/opt/gw belongs"),
    ({"/opt/gw": (0o120777, 0, 0)}, "/opt/gw is a link"),
    ({"/opt/gw": (FILE, 0, 0)}, "/opt/gw is not a directory"),
    ({"/run/systemd/system/gw.service": (FILE, 0, 0)}, "/run/systemd/system/gw.service is not"),
    ({"/usr/lib/systemd/system/gw.service": (FILE, 0, 0)}, "/usr/lib/systemd/system/gw.service"),
]


def printed(changes: dict[str, tuple[int, int, int]], user: int = 0) -> str:
    rows = dict.fromkeys(("/", "/etc", "/opt", "/opt/gw"), ROOTS) | changes
    lines = []
    for path, (mode, owner, group) in rows.items():
        lines.append(f"{mode:x} {owner} {group} other {path}")
    return "\n".join(["root", "--- places", f"{user} {user}", *lines, "--- exits", "--- file", ""])


@pytest.mark.parametrize(("changes", "words"), FOLDERS)
def test_nobody_else_can_exchange_what_is_in_the_folders(
    changes: dict[str, tuple[int, int, int]], words: str
) -> None:
    said = why_in_the_way(printed(changes), declared_gateway(Path("/opt/gw"), "systemd"))

    assert words in said
    assert bool(said) == bool(words)


def test_a_user_may_have_a_gateway_in_a_folder_of_his_own() -> None:
    declaration = declared_gateway(Path("/opt/gw"))
    own = printed({"/opt/gw": (0o40775, 1000, 1000)}, user=1000)

    assert why_in_the_way(own, declaration) == ""
    assert "/opt/gw" in why_in_the_way(own.replace("\n1000 1000\n", "\n1001 1001\n"), declaration)
    # A host that shows nothing is not trusted.
    assert why_in_the_way("root\n--- exits\n--- file\n", declaration) != ""


def test_a_unit_of_another_program_is_not_replaced_and_the_own_one_is() -> None:
    declaration = declared_gateway(Path("/opt/gw"), "systemd")
    foreign = "/usr/lib/systemd/system/gw.service"
    output = printed({declaration.unit: (FILE, 0, 0)})

    assert declaration.unit in why_in_the_way(output, declaration)
    own = output.replace(f"other {declaration.unit}", f"own {declaration.unit}")
    assert why_in_the_way(own, declaration) == ""
    # A package that was installed later does not stop the refresh.
    later = own.replace("--- exits", f"{FILE:x} 0 0 other {foreign}\n--- exits")
    assert why_in_the_way(later, declaration) == ""


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("kind", ["gateway", "list"])
def test_a_file_that_somebody_else_has_written_is_refused(
    tmp_path: Path, kind: str, state: str
) -> None:
    file = tmp_path / ("gw.cfg" if kind == "gateway" else "passwd")
    file.write_text(VICTIM, encoding="utf-8")
    variables: dict[str, Any] = {
        "ansible_inventory_sources": ["hosts.yml"],
        "ansible_play_batch": ["web1"],
        "qg_store": str(tmp_path),
        "qg_key": "QGDEMO01",
        f"proxy_{kind}_state": state,
        "proxy_gateway_name": "gw",
        "proxy_gateway_directory": str(tmp_path),
        "proxy_gateway_service": "daemon",
        "proxy_list_path": str(file),
    }
    found = run_action(
        "qg_proxy_gateway", {"step": "find", "kinds": [kind]}, shell, variables=variables
    )
    variables["proxy_gateway__found"] = found

    result = run_action(
        "qg_proxy_gateway", {"step": "look", "kinds": [kind]}, shell, variables=variables
    )
    if state == "absent":
        variables["proxy_gateway__look"] = result
        result = run_action(
            "qg_proxy_gateway", {"step": "remove", "kinds": [kind]}, shell, variables=variables
        )

    assert result["failed"] is True
    assert str(file) in result["msg"]
    assert_one_sentence(result["msg"])
    assert file.read_text(encoding="utf-8") == VICTIM
    assert stat.S_ISREG(file.lstat().st_mode)
