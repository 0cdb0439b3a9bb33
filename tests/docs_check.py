"""What must hold between documentation and program: `python tests/docs_check.py`, exit 1 with file:line mistakes.

Every task, flag, operation, settings key, refusal code and variable has its place; links, commands, imports, JSON and
marked settings in the pages are what they claim to be.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script, too

from dbtasks.embedded import Kind
from dbtasks.errors import Mistake, SettingsError
from dbtasks.invoke_tasks import namespace
from dbtasks.operations import VERBS
from dbtasks.probes import PROBES
from dbtasks.settings import SETTINGS_FILE, load
from dbtasks.settings_key import Key, Shape
from dbtasks.settings_keys import TOP_KEYS
from tests.docs_commands import problems
from tests.docs_pages import LINK, Block, Page, read_pages

ROOT = Path(__file__).resolve().parent.parent
SETTINGS_MARK, OWN_TASK_MARK = "<!-- settings -->", "<!-- own task -->"
_CODE = re.compile(r"E-[A-Z]+(?:-[A-Z]+)*")
_VARIABLE = re.compile(r"\bDBTASKS_[A-Z_]*[A-Z]\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the program has, by the names that people type or read."""

    tasks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    operations: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    options: frozenset[str] = frozenset()
    probes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The pages of a checkout and what they should speak of."""

    root: Path
    pages: tuple[Page, ...]
    known: Known

    def page(self, name: str) -> Page:
        return next((page for page in self.pages if page.name == name), Page(name=name, text=""))


def main() -> int:
    mistakes = sorted(check(Site(root=ROOT, pages=read_pages(ROOT), known=learn(ROOT))), key=str)
    sys.stdout.writelines(f"{mistake}\n" for mistake in mistakes)
    return 1 if mistakes else 0


def check(site: Site) -> Iterator[Mistake]:
    for rule in CHECKS:
        yield from rule(site)


def learn(root: Path) -> Known:
    """Return what the sources and the wrappers of a checkout have."""
    sources = [file.read_text("utf-8") for file in sorted((root / "dbtasks").rglob("*.py"))]
    texts = [node.value for each in sources for node in ast.walk(ast.parse(each)) if isinstance(node, ast.Constant)]
    ports = {f"DBTASKS_EMBEDDED_PORT_{kind.upper()}" for kind in Kind}
    return Known(
        tasks={each.name: tuple(sorted(_flags(each.flags))) for each in namespace().to_contexts() if each.name},
        operations=tuple(verb.OPERATION.name for verb in VERBS),
        keys=tuple(_paths(TOP_KEYS, "")),
        codes=frozenset(text for text in texts if isinstance(text, str) and _CODE.fullmatch(text)),
        variables=frozenset(found for each in sources for found in _VARIABLE.findall(each)) | ports,
        targets=frozenset(" ".join(_found(r"^([a-z]+(?: [a-z]+)*):", root / "Makefile")).split()),
        options=frozenset(_found(r"^  (--[a-z]+)", root / "manage_db.sh")),
        probes=tuple(probe.ABOUT.name for probe in PROBES),
    )


def _found(pattern: str, file: Path) -> list[str]:
    return re.findall(pattern, file.read_text("utf-8"), re.MULTILINE)


def _flags(flags: dict[str, object]) -> Iterator[str]:
    return (flag for flag in flags if flag.startswith("--"))


_EACH = {"tiers": "tier", "histories": "history", "people": "person"}


def _paths(keys: tuple[Key, ...], before: str) -> Iterator[str]:
    for key in keys:
        path = f"{before}{key.name}"
        yield from _paths(key.section, f"{path}.<{_EACH[key.name]}>." if key.shape is Shape.SECTIONS else f"{path}.")
        if not key.section:
            yield path


# What the program has must be in the pages, and nothing else


def tasks_have_pages(site: Site) -> Iterator[Mistake]:
    for task, flags in site.known.tasks.items():
        page = site.page(f"docs/tasks/{_page(task)}.md")
        if not page.text:
            yield page.at(1, f"task {task} has no page.")
        for flag in flags if page.text else ():
            if not re.search(rf"`{flag}[`=]", page.text):
                yield page.at(1, f"flag {flag} of {task} is not explained.")
    for page in site.pages:
        name = page.name.removeprefix("docs/tasks/").removesuffix(".md")
        if page.name.startswith("docs/tasks/") and name not in map(_page, site.known.tasks):
            yield page.at(1, f"there is no task {name}.")


def probes_have_pages(site: Site) -> Iterator[Mistake]:
    """A page for each probe, with the problem, how it is proved, and how to mend it."""
    for name in site.known.probes:
        page = site.page(f"docs/probes/{name}.md")
        if page.headings("##") != ["The problem", "How it is proved", "How to mend it"]:
            yield page.at(1, f"probe {name} has no page with the three headings.")
    for page in site.pages:
        if page.name.startswith("docs/probes/") and page.name[12:-3] not in site.known.probes:
            yield page.at(1, "there is no such probe.")


def _page(task: str) -> str:
    """Return the page of a task: those of one collection share one."""
    return task.partition(".")[0]


def words_have_places(site: Site) -> Iterator[Mistake]:
    guard, settings = site.page("docs/guard.md"), site.page("docs/settings.md")
    for kind, page, names, form in (
        ("operation", guard, site.known.operations, "| `{}` |"),
        ("refusal code", guard, sorted(site.known.codes), "| `{}` |"),
        ("settings key", settings, site.known.keys, "`{}`"),
        ("variable", settings, sorted(site.known.variables), "`{}`"),
    ):
        for name in names:
            if form.format(name) not in page.text:
                yield page.at(1, f"{kind} {name} is not explained.")


def words_exist(site: Site) -> Iterator[Mistake]:
    for page in site.pages:
        for pattern, known in ((_CODE, site.known.codes), (_VARIABLE, site.known.variables)):
            for found in pattern.finditer(page.text):
                if found[0] not in known and not page.text[found.start() - 1].isalnum():
                    yield page.at(_line(page.text, found.start()), f"there is no {found[0]} in the program.")


# The pages' own form


def pages_are_whole(site: Site) -> Iterator[Mistake]:
    for page in site.pages:
        if not page.text.endswith("\n") or page.text.endswith("\n\n"):
            yield page.at(page.text.count("\n") + 1, "the page does not end with one newline.")
        count = len(page.headings("#"))
        if count != 1:
            yield page.at(1, f"expected one heading of the first level, found {count}.")
        if page.is_open():
            yield page.at(1, "a fenced block is never closed.")


def pages_are_in_the_index(site: Site) -> Iterator[Mistake]:
    index = site.page("docs/index.md")
    listed = {f"docs/{target}" for target in LINK.findall(index.prose())}
    for page in site.pages:
        if page.name.startswith("docs/") and page.name != index.name and page.name not in listed:
            yield index.at(1, f"{page.name} is not listed.")


def links_resolve(site: Site) -> Iterator[Mistake]:
    for page in site.pages:
        prose = page.prose()
        for found in LINK.finditer(prose):
            path, _, anchor = found[1].partition("#")
            if re.match(r"[a-z]+:", found[1]):
                continue
            target = (site.root / page.name).parent / path if path else site.root / page.name
            where = _line(prose, found.start(1))
            if not target.exists():
                yield page.at(where, f"the link {found[1]} leads nowhere.")
            elif anchor and anchor not in Page(name=path, text=target.read_text("utf-8")).anchors():
                yield page.at(where, f"the link {found[1]} names a heading that is not there.")


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


# What stands in fenced blocks


def commands_parse(site: Site) -> Iterator[Mistake]:
    for page in site.pages:
        for block in page.blocks():
            if block.mark == OWN_TASK_MARK:
                continue
            for number, line in enumerate(block.lines, block.line):
                typed = re.match(r" *\$ (.*)", line)
                text = typed[1] if typed else line if block.language == "sh" else ""
                for problem in problems(text, site.known.targets, site.known.options):
                    yield page.at(number, problem)


def imports_resolve(site: Site) -> Iterator[Mistake]:
    for page in site.pages:
        for block in page.blocks():
            if block.language == "python":
                yield from _import_problems(page, block)


def _import_problems(page: Page, block: Block) -> Iterator[Mistake]:
    try:
        tree = ast.parse(block.text)
    except SyntaxError as error:
        yield page.at(block.line + (error.lineno or 1) - 1, f"this is no Python: {error.msg}.")
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "dbtasks":
            for name in node.names:
                if not _is_there(node.module or "", name.name):
                    yield page.at(block.line + node.lineno - 1, f"{node.module} has no {name.name}.")


def _is_there(module: str, name: str) -> bool:
    for full in (module, f"{module}.{name}"):
        try:
            found = importlib.import_module(full)
        except ImportError:
            continue
        if full != module or hasattr(found, name):
            return True
    return False


def data_parses(site: Site) -> Iterator[Mistake]:
    for page in site.pages:
        for block in page.blocks():
            if block.language == "json":
                try:
                    json.loads(block.text)
                except ValueError as error:
                    yield page.at(block.line, f"this is no JSON: {error}.")
            if block.mark == SETTINGS_MARK:
                yield from _settings_problems(page, block)


def _settings_problems(page: Page, block: Block) -> Iterator[Mistake]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / SETTINGS_FILE
        file.parent.mkdir()
        file.write_text(block.text + "\n", encoding="utf-8")
        try:
            load(Path(folder))
        except SettingsError as error:
            for mistake in error.mistakes:
                text = f"{mistake.path}: {mistake.text}" if mistake.path else mistake.text
                yield page.at(block.line + (mistake.line or 1) - 1, text)


CHECKS = (
    tasks_have_pages,
    probes_have_pages,
    words_have_places,
    words_exist,
    pages_are_whole,
    pages_are_in_the_index,
    links_resolve,
    commands_parse,
    imports_resolve,
    data_parses,
)

if __name__ == "__main__":
    sys.exit(main())
