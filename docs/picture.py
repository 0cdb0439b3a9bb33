"""Draw docs/terminal.svg from a real run: python docs/picture.py FOLDER, a set-up project whose tiers are built.

Each command runs on a pseudo-terminal of its own; a question is answered with what its last line before it asks for.
"""

from __future__ import annotations

import html
import os
import re
import sys
from pathlib import Path

import pexpect

COMMANDS = (
    ("invoke reset", ""),
    ("invoke reset --tier=stg", "instainstru_stg"),
    ("USE_PROD_DATABASE=true invoke reset --tier=prod < /dev/null", ""),
    ("invoke audit --limit=3", ""),
)
COLUMNS, LINE, CHAR, PAD = 104, 19, 8.43, 18
INK, GROUND = "#d7dae0", "#16181d"
COLOURS = {"31": "#ff6b6b", "32": "#7bd88f", "33": "#ffd866", "34": "#6cb6ff", "35": "#c792ea", "36": "#66d9ef"}
_CODE = re.compile(r"\x1b\[([0-9;]*)m")
_OTHER = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")


def main(folder: Path) -> None:
    lines: list[str] = []
    for command, answer in COMMANDS:
        lines += [f"\x1b[1;37m$ {command}\x1b[0m", *_run(folder, command, answer), ""]
    Path(__file__).with_name("terminal.svg").write_text(_svg(lines[:-1]), encoding="utf-8")


def _run(folder: Path, command: str, answer: str) -> list[str]:
    environ = {**os.environ, "TERM": "xterm-256color"}
    child = pexpect.spawn("/bin/sh", ["-c", command], cwd=folder, env=environ, encoding="utf-8", timeout=120)
    child.setwinsize(40, 200)
    seen = ""
    if answer:
        child.expect("to go on: ")
        seen = child.before + child.after
        child.sendline(answer)
    child.expect(pexpect.EOF)
    # A progress bar is drawn over by what comes after it, as on a screen.
    return [
        _OTHER.sub("", line.split("\r")[-1]) for line in (seen + child.before).replace("\r\n", "\n").split("\n")[:-1]
    ]


def _svg(lines: list[str], columns: int = COLUMNS) -> str:
    width, height = columns * CHAR + 2 * PAD, len(lines) * LINE + 2 * PAD
    rows = [
        f'<text x="{PAD}" y="{PAD + LINE * (at + 0.75):.0f}" xml:space="preserve">{_spans(line[:400])}</text>'
        for at, line in enumerate(lines)
    ]
    style = "font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    box = f"0 0 {width:.0f} {height:.0f}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" aria-label="A terminal session">'
    ground = f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>'
    return "\n".join([head, ground, f'<g style="{style}" fill="{INK}">', *rows, "</g></svg>\n"])


def _spans(line: str) -> str:
    out, colour = "", ""
    for at, part in enumerate(_CODE.split(line)):
        if at % 2:
            colour = next(
                (COLOURS[code] for code in part.split(";") if code in COLOURS), "#ffffff" if "37" in part else ""
            )
        elif part:
            fill = f' fill="{colour}" font-weight="bold"' if colour else ""
            out += f"<tspan{fill}>{html.escape(part)}</tspan>"
    return out


if __name__ == "__main__":
    main(Path(sys.argv[1]))
