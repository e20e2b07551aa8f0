# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a role may write and remove its files on a host: nothing else has their names, and nobody
else can exchange them meanwhile.

The host prints what there is, and this decides. So root neither follows a link of a user nor
replaces a file of somebody else.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .declaration import SOCKET, Declaration, Gateway

#: The line before what a host prints of places.
MARK = "--- places\n"
#: The number of the user and of the group of the administrator.
_ROOT = 0
_FOREIGN = "is not a file of the role, which replaces and removes no other"


@dataclass(frozen=True)
class Place:
    """What has a name on a host. ``is_own`` says whether it is empty or begins as a file of the
    role does.
    """

    mode: int
    owner: int
    group: int
    is_own: bool


def folders_of(declaration: Declaration) -> list[str]:
    """Return the folders of all files, and those above them, each after the one that has it."""
    folders = set()
    for path in declaration.files:
        while path != "/":
            path = _folder(path)
            folders.add(path)
    return sorted(folders)


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def why_in_the_way(output: str, declaration: Declaration, *, is_refresh: bool = False) -> str:
    """Return why a role may not write or remove the files of a declaration, by the output of a
    look; empty if it may.

    A refresh only writes what the host shows to be installed.
    """
    user, group, places = _read(output)
    if "/" not in places:
        return "The host has not shown the folders of its files: it needs a program named stat."
    problem = _problem(declaration, places, {_ROOT, user, places["/"].owner}, {_ROOT, group})
    if not problem and not is_refresh:
        problem = _foreign(declaration, places)
    if not problem:
        return ""
    if isinstance(declaration, Gateway):
        return (
            f"The gateway {declaration.name} cannot have its files, because {problem}, or set "
            "another proxy_gateway_name or proxy_gateway_directory."
        )
    return (
        f"proxy_list_path={declaration.path} cannot be used, because {problem}, or name another "
        "file."
    )


def _read(output: str) -> tuple[int, int, dict[str, Place]]:
    """Return the user and the group of the play on the host, and the places by their paths."""
    lines = output.partition(MARK)[2].splitlines()
    user = group = -1
    places = {}
    for line in lines:
        words = line.split(" ", 4)
        with contextlib.suppress(ValueError):
            if len(words) == 2:
                user = int(words[0])
                group = int(words[1])
            elif len(words) == 5:
                mode = int(words[0], 16)
                owner = int(words[1])
                places[words[4]] = Place(mode, owner, int(words[2]), words[3] == "own")
    return user, group, places


def _problem(
    declaration: Declaration,
    places: Mapping[str, Place],
    owners: Collection[int],
    groups: Collection[int],
) -> str:
    """Return what is in the way, and how it leaves; empty if nothing is."""
    own_folders = {_folder(path) for path in declaration.files}
    for folder in folders_of(declaration):
        if folder in places:
            is_shared = folder not in own_folders
            problem = _of_folder(places[folder], owners, groups, is_shared=is_shared)
            if problem:
                return f"{folder} {problem}"
    for path, begins in declaration.files.items():
        if path in places:
            problem = _of_file(places[path], is_socket=begins == SOCKET)
            if problem:
                return f"{path} {problem}: remove it"
    return ""


def _foreign(declaration: Declaration, places: Mapping[str, Place]) -> str:
    """Return which file of somebody else does not show it, and how it leaves: a list without the
    mark beside it, and a unit that the one of a new gateway would replace.
    """
    suspects = []
    if isinstance(declaration, Gateway):
        if declaration.unit not in places:
            suspects = declaration.units_of_others
    elif declaration.mark not in places:
        suspects = [declaration.path]
    for path in suspects:
        if path in places:
            return f"{path} {_FOREIGN}: move it"
    return ""


def _of_folder(
    place: Place, owners: Collection[int], groups: Collection[int], *, is_shared: bool
) -> str:
    """Return why somebody else could exchange what is in a folder; empty if nobody can.

    In one with the sticky bit, such as /tmp, everybody can make files, and exchange none of others.
    """
    if stat.S_ISLNK(place.mode):
        return "is a link, and the role follows none: give the path to which it leads"
    if not stat.S_ISDIR(place.mode):
        return "is not a directory: remove it"
    is_open = bool(place.mode & stat.S_IWOTH)
    if place.mode & stat.S_IWGRP and place.group not in groups:
        is_open = True
    if is_shared and place.mode & stat.S_ISVTX:
        is_open = False
    if is_open or place.owner not in owners:
        return (
            "belongs to another user or can be written by others, who could exchange the files: "
            "let it belong to root alone, run the play as its owner (become_user)"
        )
    return ""


def _of_file(place: Place, *, is_socket: bool) -> str:
    if stat.S_ISLNK(place.mode):
        return "is a link, and the role follows none"
    if stat.S_ISDIR(place.mode):
        return "is a directory"
    if is_socket and stat.S_ISSOCK(place.mode):
        return ""
    if is_socket or not stat.S_ISREG(place.mode) or not place.is_own:
        return _FOREIGN
    return ""
