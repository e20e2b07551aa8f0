# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the demo in a terminal of its own, and make docs/demo.svg of what it said there.

"make picture" prepares the environment. The picture fetches nothing: its fonts are those of who looks at it.
"""

from __future__ import annotations

import io
import os
import pty
import re
import sys
from pathlib import Path

import workspace
from demo.story import STORY, cut
from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.padding import Padding
from rich.terminal_theme import TerminalTheme
from rich.text import Text

DEMO = Path(__file__).resolve().parent / "demo.sh"
PICTURE = workspace.ROOT / "docs" / "demo.svg"
TITLE = "make demo: the proxy refuses five hosts, one playbook run registers them, and the proxy lets them in"
#: In columns, one of them on either side empty; ends the recap behind what matters.
WIDTH = 94
#: The picture has a background of its own, whatever the page's is.
THEME = TerminalTheme(
    background=(13, 17, 23),
    foreground=(230, 237, 243),
    # black, red, green, yellow, blue, magenta, cyan, white
    normal=[
        (139, 148, 158),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (230, 237, 243),
    ],
)
FORMAT = f"""\
<!--
Copyright (c) 2026 The qingguo.qgnet authors
{"SPDX"}-License-Identifier: GPL-3.0-or-later
Made by tests/demo/picture.py
-->
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{width}} {{height}}" \
width="{{width}}" height="{{height}}" role="img" aria-labelledby="{{unique_id}}-label">
<title id="{{unique_id}}-label">{TITLE}</title>
<style>
.{{unique_id}}-matrix, .{{unique_id}}-title {{{{
  font: {{char_height}}px ui-monospace, 'SFMono-Regular', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', \
monospace;
}}}}
{{styles}}
</style>
{{chrome}}
<g transform="translate({{terminal_x}}, {{terminal_y}})">
{{backgrounds}}
<g class="{{unique_id}}-matrix">
{{matrix}}
</g>
</g>
</svg>
"""


def run() -> str:
    """Run the demo under a pseudo-terminal, where it speaks in colours, and return all that it said."""
    # Neither does it run without colours, nor with what this program imports.
    for name in ("NO_COLOR", "PYTHONPATH"):
        os.environ.pop(name, None)
    heard = io.BytesIO()

    def read(terminal: int) -> bytes:
        data = os.read(terminal, 1024)
        heard.write(data)
        return data

    if code := os.waitstatus_to_exitcode(pty.spawn(["bash", str(DEMO)], read)):
        sys.exit(f"picture: the demo ended with {code}")
    return heard.getvalue().decode().replace("\r\n", "\n")


def draw(output: str) -> str:
    """Return the picture of what a terminal got."""
    lines = list(AnsiDecoder().decode(output))
    console = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard",
        no_color=False,
        highlight=False,
    )
    shown = [Text("$ make demo")]
    for number in cut([line.plain for line in lines], STORY):
        shown.append(Text("...", style="dim") if number is None else lines[number])
    for line in shown:
        line.no_wrap, line.overflow = True, "ellipsis"
        console.print(Padding(line, (0, 1)))
    made = console.export_svg(title="qingguo.qgnet", theme=THEME, code_format=FORMAT, unique_id="demo")
    # No line is longer than the terminal, so none is cut; the frames that rich has for that take the last line's feet.
    made = re.sub(r' clip-path="url\(#demo-line-\d+\)"', "", made)
    # Nor does the end of a line show anything.
    made = re.sub(r"<text [^>]*>\n</text>", "", made)
    # A line for each piece of text, so that git shows what has changed.
    return "\n".join(line.strip() for line in made.replace("</text>", "</text>\n").splitlines() if line.strip()) + "\n"


def main() -> None:
    """Run, and write the picture."""
    PICTURE.write_text(draw(run()), encoding="utf-8")
    print(f"picture: {PICTURE.relative_to(workspace.ROOT)}, {PICTURE.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
