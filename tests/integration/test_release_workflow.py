# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of the release workflow publish, sign and release the archive, and a user can verify it.

What is replaced: make, whose targets other sessions run, GitHub's program and its attestations, the key, and Galaxy.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import workspace
import yaml
from lab.galaxy import Galaxy, galaxy
from support.gnupg import gpg, home_with_a_key

pytestmark = pytest.mark.newest_core

ROOT = workspace.ROOT
COLLECTION = f"{workspace.NAMESPACE}.{workspace.NAME}"
ARCHIVE = f"{workspace.NAMESPACE}-{workspace.NAME}-{workspace.version()}"
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["publish"]["steps"]
MAKE = f"""#!/bin/sh
test "$*" = "build galaxy sbom" || exit 9
"{sys.executable}" "{ROOT}/tests/tools/reproducible.py" dist && "{sys.executable}" "{ROOT}/tests/tools/sbom.py" dist
"""
GH = '#!/bin/sh\nprintf "%s\\n" "$@" > released\n'


class Runner:
    """The machine that runs the workflow, with an own home, and a Galaxy in reach."""

    def __init__(self, folder: Path, server: Galaxy) -> None:
        self.folder, self.server = folder, server
        (folder / "bin").mkdir()
        for name, text in {"make": MAKE, "gh": GH}.items():
            (folder / "bin" / name).write_text(text, encoding="utf-8")
            (folder / "bin" / name).chmod(0o755)
        (folder / ".nox" / "build").mkdir(parents=True)
        (folder / ".nox" / "build" / "bin").symlink_to(Path(sys.executable).parent)
        shutil.copy2(ROOT / "galaxy.yml", folder)
        self.names = {
            "ANSIBLE_GALAXY_SERVER": server.url,
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "GITHUB_REF_NAME": workspace.version(),
            "HOME": str(folder),
            "PATH": f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(folder),
        }

    def run(self, command: str, **names: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env=os.environ | self.names | names,
            capture_output=True,
            text=True,
            check=False,
        )

    def steps(self, **known: str) -> None:
        """Run the commands of all steps, with these secrets."""
        for step in [step for step in STEPS if "run" in step]:
            text = {name: str(value) for name, value in step.get("env", {}).items()}
            for name, value in text.items():
                found = re.sub(r"\$\{\{ (?:secrets|github)\.(\w+) \}\}", lambda match: known[match[1]], value)
                text[name] = found.replace("https://galaxy.ansible.com/", self.server.url)
            done = self.run(step["run"], **text)
            assert done.returncode == 0, (step["name"], done.stdout, done.stderr)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    with galaxy("token of the namespace") as server:
        yield Runner(tmp_path, server)


@pytest.fixture
def key() -> Iterator[tuple[str, bytes]]:
    """A private key, armored and without a passphrase, and the keyring with its public half."""
    with home_with_a_key() as home:
        yield gpg(home, "--armor", "--export-secret-keys").decode(), gpg(home, "--export")


@pytest.mark.nightly
def test_a_release_can_be_installed_and_verified(runner: Runner, key: tuple[str, bytes]) -> None:
    private, public = key
    runner.steps(GPG_KEY=private, GALAXY_TOKEN=runner.server.token, token="of GitHub")
    released = (runner.folder / "released").read_text(encoding="utf-8").split("\n")
    assert [name for name in released if name.startswith("dist/")] == [
        f"dist/{ARCHIVE}.MANIFEST.json.asc",
        f"dist/{ARCHIVE}.cdx.json",
        f"dist/{ARCHIVE}.tar.gz",
    ]
    (runner.folder / "keyring.gpg").write_bytes(public)
    install = runner.run(f"ansible-galaxy collection install {COLLECTION}")
    assert install.returncode == 0, install.stderr
    signature = f"--keyring keyring.gpg --signature file://{runner.folder}/dist/{ARCHIVE}.MANIFEST.json.asc"
    verify = f"ansible-galaxy collection verify {COLLECTION} {signature}"
    assert runner.run(verify).returncode == 0
    (runner.folder / "keyring.gpg").write_bytes(b"")
    unknown = runner.run(verify)
    assert (unknown.returncode, "fewer successful signatures" in unknown.stdout) == (1, True)
    (runner.folder / "keyring.gpg").write_bytes(public)
    readme = runner.folder / "collections/ansible_collections" / COLLECTION.replace(".", "/") / "README.md"
    readme.write_text("changed", encoding="utf-8")
    changed = runner.run(verify)
    assert changed.returncode != 0
    assert "README.md" in changed.stdout + changed.stderr
