# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the site of the documentation in both languages, and check every link in it; nothing is fetched.

The English site has the guides and the reference, which antsibull-docs makes of the collection. The Chinese one has the
guides, and leads to the English reference.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import landing
import parameters
import workspace
import yaml

ROOT = workspace.ROOT
SETTINGS = ROOT / "docs" / "site"
BUILD = workspace.CACHE / "docs"
SITE = BUILD / "html"
COLLECTION = f"{workspace.NAMESPACE}.{workspace.NAME}"
#: Documents of the checkout that the English site has, by their name there.
PROJECT = {
    "contributing": "CONTRIBUTING.md",
    "code_of_conduct": "CODE_OF_CONDUCT.md",
    "security": "SECURITY.md",
}
#: The titles of the groups of guides in Chinese.
CHINESE_TITLES = {"Start": "入门", "Tasks": "使用", "Operate": "运维", "Reference": "参考", "Project": "项目"}
#: Pages of the English site that are in a group, and no guides.
PAGES = {"Reference": ["reference", "environment_variables"], "Project": list(PROJECT)}
#: Elements that a browser fetches by itself, and the attribute that says from where.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
_MARKDOWN_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"(?P<before>^ *\.\. (?:image|figure):: |!\[[^\]]*\]\()(?P<path>[^\s)]+)", re.MULTILINE)
_SVG_ADDRESS = re.compile(r"(?:href|src)\s*=\s*['\"]([^'\"#][^'\"]*)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CSS_ADDRESS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
_CHINESE = "\u3000-\u303f\u3400-\u9fff\uff00-\uffef"


def groups() -> dict[str, list[str]]:
    """Return the names of the guides by the title of their group, in the order of the table of contents."""
    sections = yaml.safe_load((ROOT / "docs" / "docsite" / "extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    return {section["title"]: section["toctree"] for section in sections}


def guides() -> list[str]:
    """Return the names of the guides, in the order of the table of contents."""
    return [name for names in groups().values() for name in names]


def modules() -> list[str]:
    """Return the names of the modules."""
    return sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if not path.stem.startswith("_"))


def repository() -> str:
    """Return where the files are that the site does not have."""
    address: str = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
    return f"{address}/blob/main"


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Change what stands outside of fenced blocks."""
    kept = _FENCE.findall(text)
    parts = [change(part) for part in _FENCE.split(text)]
    return "".join(part + block for part, block in zip(parts, [*kept, ""], strict=True))


def rewrite(text: str, source: Path, places: dict[Path, str]) -> str:
    """Lead links to files of the checkout to their place in the site, or else to the repository."""

    def lead(match: re.Match[str]) -> str:
        words, target = match.groups()
        address, anchor = urldefrag(target)
        if not address or urlsplit(address).scheme:
            return match[0]
        path = (source.parent / unquote(address)).resolve()
        if not path.exists():
            raise FileNotFoundError(f"{source.relative_to(ROOT)} links to {target}, which does not exist")
        place = places.get(path) or f"{repository()}/{path.relative_to(ROOT)}"
        return f"[{words}]({place}{'#' + anchor if anchor else ''})"

    return outside_fences(text, lambda part: _MARKDOWN_LINK.sub(lead, part))


def take_pictures(text: str, source: Path, target: Path) -> str:
    """Copy the pictures of a guide to where its page is made, and name them from there."""

    def take(match: re.Match[str]) -> str:
        path = (source.parent / match["path"]).resolve()
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / path.name)
        return f"{match['before']}{path.name}"

    return _PICTURE.sub(take, text)


def join_lines(text: str) -> str:
    """Undo the end of a line between two Chinese characters, which a browser would show as a space."""
    return outside_fences(text, lambda part: re.sub(rf"(?<=[{_CHINESE}])\n(?=[{_CHINESE}])", "", part))


def link_modules(text: str) -> str:
    """Make the names of modules in Chinese prose links to the English reference."""
    known = "|".join(modules())

    def change(part: str) -> str:
        lines = []
        for line in part.splitlines(keepends=True):
            if not line.startswith("#"):
                line = re.sub(rf"(?<!\[)`({known})`", r"[`\1`](english:\1_module.html)", line)
            lines.append(line)
        return "".join(lines)

    return outside_fences(text, change)


def describe_roles(text: str) -> str:
    """Say in the index what a role does; antsibull-docs looks for an entry point that Ansible would check by itself."""
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        (entry,) = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values()
        name = path.parents[1].name
        text = re.sub(
            rf"^(\* :ansplugin:`{name} role <.+>` --)$", rf"\1 {entry['short_description']}", text, flags=re.M
        )
    return text


def project_links() -> list[tuple[str, str]]:
    """Return the names and addresses of the issues and the changelog."""
    address = repository().removesuffix("/blob/main")
    return [("Issues", f"{address}/issues"), ("Changelog", f"{address}/tree/main/changelogs")]


def english_navigation() -> str:
    """Return the tables of contents of the English site, a group each."""
    parts = []
    for title, names in groups().items():
        entries = [f"docsite/{name}" for name in names] + PAGES.get(title, [])
        if title == "Project":
            entries += [f"{name} <{address}>" for name, address in project_links()]
        lines = "".join(f"   {entry}\n" for entry in entries)
        parts.append(f".. toctree::\n   :caption: {title}\n   :maxdepth: 1\n   :hidden:\n\n{lines}")
    return "\n".join(parts)


def chinese_navigation() -> str:
    """Return the tables of contents of the Chinese site, a group each."""
    parts = []
    for title, names in groups().items():
        entries = list(names)
        if title == "Project":
            words = {"Issues": "问题反馈", "Changelog": "变更记录"}
            entries += [f"{words[name]} <{address}>" for name, address in project_links()]
        caption = CHINESE_TITLES[title]
        parts.append(
            "\n".join(["```{toctree}", f":caption: {caption}", ":maxdepth: 1", ":hidden:", "", *entries, "```"])
        )
    return "\n\n".join(parts)


def write_english(source: Path) -> None:
    """Write the sources of the English site."""
    source.mkdir(parents=True, mode=0o755)
    settings = BUILD / "antsibull-docs.cfg"
    settings.write_text("breadcrumbs = true\nindexes = true\nuse_html_blobs = false\n", encoding="utf-8")
    command = ["antsibull-docs", "--config-file", str(settings), "collection", "--use-current", "--squash-hierarchy"]
    subprocess.run([*command, "--fail-on-error", "--dest-dir", str(source), COLLECTION], check=True)
    parameters.arrange(source)
    for path in source.rglob("*.rst"):
        # The theme has a table of contents of its own beside each page.
        text = re.sub(r"^\.\. contents::\n(?:   +:.*\n)+", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")
    # Its first page becomes one of the site's, without the guides, which stand in the first page of the site.
    index = source / "index.rst"
    text = index.read_text(encoding="utf-8")
    text = re.sub(r"^Qingguo\.Qgnet\n=+$", "Reference\n=========", text, count=1, flags=re.MULTILINE)
    for title in groups():
        text, removed = re.subn(
            rf"^{title}\n-+\n\n\.\. toctree::\n(?:    .*\n|\n)+", "", text, count=1, flags=re.MULTILINE
        )
        if not removed:
            raise ValueError(f"the page of antsibull-docs has no guides {title}")
    # In the navigation, a name is enough.
    text = re.sub(
        r"^    ((\w+)_(?:callback|filter|inventory|lookup|module|role))$", r"    \2 <\1>", text, flags=re.MULTILINE
    )
    (source / "reference.rst").write_text(describe_roles(text), encoding="utf-8")
    template = SETTINGS / "index.en.rst"
    text = take_pictures(template.read_text(encoding="utf-8"), template, source)
    text = landing.write(text, "en", english_navigation(), source)
    index.write_text(text, encoding="utf-8")
    for path in (source / "docsite").glob("*.rst"):
        text = take_pictures(
            path.read_text(encoding="utf-8"), ROOT / "docs" / "docsite" / "rst" / path.name, path.parent
        )
        path.write_text(text, encoding="utf-8")
    places = {ROOT / path: f"{name}.md" for name, path in PROJECT.items()}
    for name, document in PROJECT.items():
        text = rewrite((ROOT / document).read_text(encoding="utf-8"), ROOT / document, places)
        (source / f"{name}.md").write_text(text, encoding="utf-8")


def write_chinese(source: Path) -> None:
    """Write the sources of the Chinese site."""
    source.mkdir(parents=True)
    places = {ROOT / "docs" / "zh-CN" / f"{name}.md": f"{name}.md" for name in guides()}
    places |= {ROOT / "docs" / "docsite" / "rst" / f"{name}.rst": f"english:docsite/{name}.html" for name in guides()}
    places |= {ROOT / path: f"english:{name}.html" for name, path in PROJECT.items()}
    for name in guides():
        path = ROOT / "docs" / "zh-CN" / f"{name}.md"
        # The switch of the language stands above each page.
        text = re.sub(r"^\[English\]\(\S+\)\n\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        text = join_lines(link_modules(take_pictures(rewrite(text, path, places), path, source)))
        (source / f"{name}.md").write_text(text, encoding="utf-8")
    template = SETTINGS / "index.zh-CN.md"
    text = rewrite(template.read_text(encoding="utf-8"), template, places)
    text = join_lines(take_pictures(text, template, source))
    (source / "index.md").write_text(landing.write(text, "zh-CN", chinese_navigation(), source), encoding="utf-8")


def sphinx(language: str, source: Path, target: Path) -> bool:
    """Build one site, and return whether there was no warning."""
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-c", str(SETTINGS), "-W", "--keep-going", "-q"]
    command += ["-d", str(BUILD / "doctrees" / language), "-D", f"language={language.replace('-', '_')}"]
    return subprocess.run([*command, str(source), str(target)], check=False).returncode == 0


@dataclass
class Page(HTMLParser):
    """What a page links to, what it fetches, and what can be linked to in it."""

    path: Path
    links: list[str] = field(default_factory=list)
    fetches: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        known = {name: value or "" for name, value in attrs}
        self.anchors |= {known[name] for name in ("id", "name") if name in known}
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        elif tag == "link" and "href" in known:
            self.fetches.append(known["href"])
        elif tag in FETCHED and FETCHED[tag] in known:
            self.fetches.append(known[FETCHED[tag]])
        self.fetches += [part.split()[0] for part in known.get("srcset", "").split(",") if part.strip()]


def pages(site: Path) -> dict[Path, Page]:
    """Read all pages of a site."""
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def problems(site: Path) -> Iterator[str]:
    """Tell what is wrong with the links of a site, and what it would load from elsewhere."""
    known = pages(site)
    for path, page in known.items():
        here = path.relative_to(site)
        for link in [*page.links, *page.fetches]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.fetches and parts.scheme != "data":
                    yield f"{here} loads {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{here} links to {link}, which does not exist"
            elif parts.fragment and target in known and unquote(parts.fragment) not in known[target].anchors:
                yield f"{here} links to {link}, which has no such anchor"
    for picture in sorted(site.rglob("*.svg")):
        for address in _SVG_ADDRESS.findall(picture.read_text(encoding="utf-8")):
            if not address.startswith("data:"):
                yield f"{picture.relative_to(site)} loads {address}"
    for sheet in sorted(site.rglob("*.css")):
        for address in _CSS_ADDRESS.findall(sheet.read_text(encoding="utf-8")):
            if urlsplit("".join(address)).netloc:
                yield f"{sheet.relative_to(site)} loads {''.join(address)}"


def main() -> int:
    """Build, check, and return the exit code."""
    shutil.rmtree(BUILD, ignore_errors=True)
    SITE.mkdir(parents=True)
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    write_english(BUILD / "source" / "en")
    write_chinese(BUILD / "source" / "zh-CN")
    built = [sphinx(language, BUILD / "source" / language, SITE / language) for language in ("en", "zh-CN")]
    if not all(built):
        print("docs: Sphinx has warnings, see above", file=sys.stderr)
        return 1
    shutil.copyfile(SETTINGS / "index.html", SITE / "index.html")
    wrong = list(problems(SITE))
    for reason in wrong:
        print(f"docs: {reason}", file=sys.stderr)
    known = pages(SITE)
    links = sum(len(page.links) + len(page.fetches) for page in known.values())
    print(f"docs: {len(known)} pages, {links} links, {len(wrong)} problems: {SITE.relative_to(ROOT)}/index.html")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
