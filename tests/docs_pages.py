"""Markdown files as values: their headings, links and fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbtasks.errors import Mistake

LINK = re.compile(r"\[[^\[\]]*\]\(([^()\s]+)\)")
_FENCE = re.compile(r"^ *```(\w*)")


def read_pages(root: Path) -> tuple[Page, ...]:
    files = [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]
    return tuple(Page(name=file.relative_to(root).as_posix(), text=file.read_text("utf-8")) for file in files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block. `line` is that of its first line of content, `mark` the comment on the line before the fence."""

    language: str
    line: int
    mark: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One Markdown file, by its path from the top folder with forward slashes."""

    name: str
    text: str

    def at(self, line: int, text: str) -> Mistake:
        return Mistake(file=self.name, line=line, text=text)

    def blocks(self) -> Iterator[Block]:
        lines = self.text.split("\n")
        start, language = 0, ""
        for number, line in enumerate(lines):
            fence = _FENCE.match(line)
            if fence and not start:
                start, language = number + 1, fence[1]
            elif fence:
                mark = lines[start - 2].strip() if start > 1 else ""
                yield Block(language=language, line=start + 1, mark=mark, lines=tuple(lines[start:number]))
                start = 0

    def prose(self) -> str:
        """Return the text with fenced blocks emptied, line by line in place."""
        lines, inside = self.text.split("\n"), False
        for number, line in enumerate(lines):
            fence = _FENCE.match(line)
            lines[number] = "" if fence or inside else line
            inside = inside != bool(fence)
        return "\n".join(lines)

    def is_open(self) -> bool:
        """Return whether a fenced block is never closed."""
        return sum(bool(_FENCE.match(line)) for line in self.text.split("\n")) % 2 == 1

    def headings(self, level: str = "#+") -> list[str]:
        return re.findall(rf"^{level} +(.+?) *$", self.prose(), re.MULTILINE)

    def anchors(self) -> set[str]:
        """Return what links may name behind `#`."""
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in self.headings()}
