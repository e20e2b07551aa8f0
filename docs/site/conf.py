# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx settings of the site, for both languages; "make docs" sets the language on the command line."""

from __future__ import annotations

import gettext
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from markupsafe import Markup
from sphinx.search.en import SearchEnglish

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

HERE = Path(__file__).resolve().parent

project = "qingguo.qgnet"
author = "The qingguo.qgnet authors"
project_copyright = "2026 The qingguo.qgnet authors, GPL-3.0-or-later"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
exclude_patterns: list[str] = []
# antsibull-docs asks for it
default_role = "any"
# What is linked and does not exist is an error, like every warning.
nitpicky = True
# Two hyphens, as in the titles of antsibull-docs, become a dash; quotes stay what they are.
smartquotes_action = "D"

html_theme = "furo"
html_title = "qingguo.qgnet"
templates_path = [str(HERE / "templates")]
html_static_path = [str(HERE / "static")]
html_css_files = ["site.css"]
html_js_files = ["tables.js"]
html_search_scorer = str(HERE / "scorer.js")
html_favicon = str(HERE / "static" / "icon.svg")
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_last_updated_fmt = None
html_theme_options = {
    # antsibull's tables in the colours of the theme, hence in its dark ones as well
    name: {
        "antsibull-links-background": "var(--color-brand-primary)",
        "antsibull-links-background-active": "var(--color-brand-content)",
        "antsibull-links-focus-outline": "var(--color-brand-content)",
        "antsibull-links-text": "var(--color-background-primary)",
        "antsibull-table-background-header": "var(--color-background-border)",
        "antsibull-table-background-even": "var(--color-background-secondary)",
        "antsibull-table-background-odd": "var(--color-background-primary)",
        "antsibull-table-border": "var(--color-background-border)",
        "antsibull-narrowtable-background": "var(--color-background-secondary)",
        "antsibull-option-type": kinds,
        "antsibull-option-elements": kinds,
        "antsibull-option-required": bad,
        "antsibull-option-version-added": good,
        "antsibull-option-aliases": good,
        "antsibull-option-default": values,
        "antsibull-option-sample": values,
        "antsibull-option-sample-header": "var(--color-foreground-primary)",
        "antsibull-attribute-support-none": bad,
        "antsibull-attribute-support-partial": partly,
        "antsibull-attribute-support-full": good,
        "antsibull-attribute-support-na": "inherit",
    }
    for name, kinds, values, good, partly, bad in (
        ("light_css_variables", "#7a2a8a", "#0a4d9c", "#1b6b1b", "#7a6200", "#b3261e"),
        ("dark_css_variables", "#e8a5f5", "#a9c7ff", "#8fd68f", "#d9c35a", "#ff9a8f"),
    )
}
antsibull_ext_color_scheme = "none"

myst_heading_anchors = 4
# The cards of the landing page.
myst_enable_extensions = ["colon_fence"]
# A page of the English site, from the Chinese one; docs/site/docsite.py sees to it that it exists.
myst_url_schemes = {"http": None, "https": None, "mailto": None, "english": "../en/{{path}}#{{fragment}}"}

# What antsibull-docs links to in Ansible's own documentation. An inventory of that would have to be fetched.
ANSIBLE = "https://docs.ansible.com/projects/ansible/latest"
LABELS = {
    "action_plugins": f"{ANSIBLE}/plugins/action.html",
    "callback_plugins": f"{ANSIBLE}/plugins/callback.html",
    "common_return_values": f"{ANSIBLE}/reference_appendices/common_return_values.html",
    "ansible_configuration_settings": f"{ANSIBLE}/reference_appendices/config.html",
}
BUILTIN = re.compile(
    r"ansible_collections\.ansible\.builtin\.(?P<name>\w+)_(?P<kind>filter|lookup|module|strategy|test)"
)


def ansible_itself(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Resolve what Ansible's own documentation defines."""
    target = str(node["reftarget"])
    address = LABELS.get(target)
    if match := BUILTIN.fullmatch(target):
        address = f"{ANSIBLE}/collections/ansible/builtin/{match['name']}_{match['kind']}.html"
    if node["reftype"] == "envvar" and target.startswith("ANSIBLE_"):
        address = f"{LABELS['ansible_configuration_settings']}#envvar-{target}"
    if address is None:
        return None
    return nodes.reference("", "", content.deepcopy(), internal=False, refuri=address)


class Search(SearchEnglish):
    """Finds words and numbers: Sphinx leaves numbers out of a query, and users type the code of an error."""

    lang = "en"
    js_splitter_code = """
var splitQuery = (query) =>
  (query.match(/[A-Za-z0-9_]+/g) || []).map((word) => (/^\\d+$/.test(word) ? `n${word}` : word));
"""

    def split(self, text: str) -> list[str]:
        """Return words, and numbers with a letter before them."""
        return [f"n{word}" if word.isdigit() else word for word in re.findall(r"\w+", text)]


class SearchChinese(SearchEnglish):
    """Finds Chinese by pairs of characters, since no space parts its words; Sphinx would want a dictionary for it."""

    lang = "zh"
    language_name = "Chinese"
    js_splitter_code = """
var splitQuery = (query) =>
  (query.match(/[\\u3400-\\u9fff]+|[A-Za-z0-9_]+/g) || []).flatMap((word) =>
    /^[\\u3400-\\u9fff]/.test(word) && word.length > 2
      ? Array.from({ length: word.length - 1 }, (_, place) => word.slice(place, place + 2))
      : [/^\\d+$/.test(word) ? `n${word}` : word],
  );
"""

    def split(self, text: str) -> list[str]:
        """Return Latin words, numbers with a letter before them, and pairs of Chinese characters."""
        found = []
        for word in re.findall(r"[\u3400-\u9fff]+|[A-Za-z0-9_]+", text):
            chinese = word[0] >= "\u3400" and len(word) > 2
            pairs = [word[place : place + 2] for place in range(len(word) - 1)]
            found += pairs if chinese else [f"n{word}" if word.isdigit() else word]
        return found


#: What the theme says. It brings no translations, and Sphinx's have none of these.
CHINESE = {
    "Back to top": "返回顶部",
    "Home": "首页",
    "Next": "下一页",
    "On this page": "本页目录",
    "Previous": "上一页",
    "Skip to content": "跳到正文",
    # Labels, which it does not have translated at all
    "Auto light/dark, in dark mode": "自动配色 (当前为深色)",
    "Auto light/dark, in light mode": "自动配色 (当前为浅色)",
    "Contents": "目录",
    "Dark mode": "深色",
    "Expand": "展开",
    "Light mode": "浅色",
    "Menu": "菜单",
    "Toggle Light / Dark / Auto color theme": "切换浅色、深色或自动",
    "Toggle site navigation sidebar": "显示或隐藏导航",
    "Toggle table of contents sidebar": "显示或隐藏本页目录",
}
LABEL = re.compile(r'(?<=<title>)[^<]+(?=</title>)|(?<=aria-label=")[^"]+(?=")')


class ChineseTheme(gettext.NullTranslations):
    """Knows the words of the theme; Sphinx asks it for those that it does not know itself."""

    def gettext(self, message: str) -> str:
        """Return the message in Chinese."""
        return CHINESE.get(message, message)


def labelled(body: str) -> str:
    """Return the body of a page with the labels of the theme in Chinese; templates/page.html asks for it."""
    return Markup(LABEL.sub(lambda label: CHINESE.get(label[0], label[0]), body))


def twin(language: str, page: str) -> str:
    """Return the page of the other language, relative to the root of this one."""
    if language == "en":
        name = page.removeprefix("docsite/")
        return f"../zh-CN/{name if page.startswith('docsite/') else 'index'}.html"
    return f"../en/{'docsite/' if page not in ('index', 'search', 'genindex') else ''}{page}.html"


def switch_of_language(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Put the link to the same page in the other language above the page."""
    context["labelled"] = labelled if app.config.language == "zh_CN" else Markup
    if "body" not in context:
        return
    language = "en" if app.config.language == "en" else "zh-CN"
    up = "../" * page.count("/")
    other, name = ("zh-CN", "简体中文") if language == "en" else ("en", "English")
    link = f'<a href="{up}{twin(language, page)}" lang="{other}" hreflang="{other}" rel="alternate">{name}</a>'
    context["body"] = f'<p class="other-language">{link}</p>\n{context["body"]}'


def setup(app: Sphinx) -> dict[str, bool]:
    """Join what is above to Sphinx."""
    app.add_search_language(Search)
    app.add_search_language(SearchChinese)
    if app.config.language == "zh_CN":
        app.translator.add_fallback(ChineseTheme())
    app.connect("missing-reference", ansible_itself)
    app.connect("html-page-context", switch_of_language)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
