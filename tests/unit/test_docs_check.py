"""Each check of the documentation finds the mistake that it is there for, and the documentation has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbtasks.errors import Mistake
from tests import docs_check
from tests.docs_check import Known, Site
from tests.docs_commands import problems
from tests.docs_pages import Page, read_pages

KNOWN = Known(
    tasks={"seed": ("--tier",)},
    operations=("seed",),
    keys=("tiers.<tier>.url",),
    codes=frozenset({"E-STAMP"}),
    variables=frozenset({"DBTASKS_PORT"}),
    targets=frozenset({"demo"}),
    options=frozenset({"--seed"}),
)
RIGHT = {
    "README.md": "# Shop\n\n[seeds](docs/tasks/seed.md#flags), [elsewhere](https://example.com/x)\n",
    "docs/index.md": "# Index\n\n[seed](tasks/seed.md), [guard](guard.md), [settings](settings.md)\n",
    "docs/guard.md": "# Guard\n\n| `seed` | adds |\n| `E-STAMP` | foreign |\n",
    "docs/settings.md": "# Settings\n\n`tiers.<tier>.url`, `DBTASKS_PORT`\n",
    "docs/tasks/seed.md": "# seed\n\n## Flags\n\n`--tier=STRING`\n\n```console\n$ invoke seed --tier=int\n```\n",
}

Check = Callable[[Site], Iterator[Mistake]]


def site(root: Path, **changed: str) -> Site:
    """Return the small documentation with some pages changed: `docs_guard` is docs/guard.md."""
    texts = {name: changed.get(name.removesuffix(".md").replace("/", "_"), text) for name, text in RIGHT.items()}
    for name, text in texts.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return Site(root=root, pages=tuple(Page(name=name, text=text) for name, text in texts.items()), known=KNOWN)


def fenced(language: str, text: str, mark: str = "") -> str:
    return f"# Shop\n\n{mark}\n```{language}\n{text}\n```\n"


def test_the_documentation_is_right() -> None:
    pages, known = read_pages(docs_check.ROOT), docs_check.learn(docs_check.ROOT)
    assert [*docs_check.check(Site(root=docs_check.ROOT, pages=pages, known=known))] == []


def test_the_small_documentation_is_right(tmp_path: Path) -> None:
    assert [*docs_check.check(site(tmp_path))] == []


@pytest.mark.parametrize(
    ("check", "changed", "expected"),
    [
        pytest.param(
            docs_check.tasks_have_pages,
            {"docs_tasks_seed": ""},
            ["docs/tasks/seed.md:1: task seed has no page."],
            id="a task without a page",
        ),
        pytest.param(
            docs_check.tasks_have_pages,
            {"docs_tasks_seed": "# seed\n\n`--tiers`, --tier\n"},
            ["docs/tasks/seed.md:1: flag --tier of seed is not explained."],
            id="a flag that is not explained",
        ),
        pytest.param(
            docs_check.words_have_places,
            {"docs_guard": "# Guard\n\nseed, E-STAMP\n"},
            [
                "docs/guard.md:1: operation seed is not explained.",
                "docs/guard.md:1: refusal code E-STAMP is not explained.",
            ],
            id="an operation and a code without a row",
        ),
        pytest.param(
            docs_check.words_have_places,
            {"docs_settings": "# Settings\n"},
            [
                "docs/settings.md:1: settings key tiers.<tier>.url is not explained.",
                "docs/settings.md:1: variable DBTASKS_PORT is not explained.",
            ],
            id="a key and a variable without a place",
        ),
        pytest.param(
            docs_check.words_exist,
            {"README": "# Shop\n\nE-STAMPED\nDBTASKS_PORTS\n"},
            [
                "README.md:3: there is no E-STAMPED in the program.",
                "README.md:4: there is no DBTASKS_PORTS in the program.",
            ],
            id="a code and a variable that do not exist",
        ),
        pytest.param(
            docs_check.pages_are_whole,
            {"README": "# Shop"},
            ["README.md:1: the page does not end with one newline."],
            id="no newline at the end",
        ),
        pytest.param(
            docs_check.pages_are_whole,
            {"README": "# Shop\n\n# Another\n\n```sh\n# a comment\n```\n"},
            ["README.md:1: expected one heading of the first level, found 2."],
            id="two headings of the first level",
        ),
        pytest.param(
            docs_check.pages_are_whole,
            {"README": "# Shop\n\n```sh\n"},
            ["README.md:1: a fenced block is never closed."],
            id="an open block",
        ),
        pytest.param(
            docs_check.pages_are_in_the_index,
            {"docs_index": "# Index\n\n[seed](tasks/seed.md), [guard](guard.md)\n"},
            ["docs/index.md:1: docs/settings.md is not listed."],
            id="a page that the index lacks",
        ),
        pytest.param(
            docs_check.links_resolve,
            {"README": "# Shop\n\n[a](docs/nosuch.md)\n[b\nc](docs/guard.md#nosuch), [d](#nosuch), [e](#shop)\n"},
            [
                "README.md:3: the link docs/nosuch.md leads nowhere.",
                "README.md:5: the link docs/guard.md#nosuch names a heading that is not there.",
                "README.md:5: the link #nosuch names a heading that is not there.",
            ],
            id="links that lead nowhere",
        ),
        pytest.param(
            docs_check.commands_parse,
            {"README": fenced("console", "$ invoke seed --teir=int\noutput of invoke nosuch\n$ invoke nosuch")},
            [
                "README.md:5: invoke seed --teir=int: No idea what '--teir' is!.",
                "README.md:7: invoke nosuch: No idea what 'nosuch' is!.",
            ],
            id="an unknown flag and an unknown task",
        ),
        pytest.param(
            docs_check.imports_resolve,
            {"README": fenced("python", "import os\nfrom dbtasks import mask, masks\nfrom dbtasks.nosuch import x")},
            ["README.md:6: dbtasks has no masks.", "README.md:7: dbtasks.nosuch has no x."],
            id="imports that do not resolve",
        ),
        pytest.param(
            docs_check.imports_resolve,
            {"README": fenced("python", "x = 1\ndef")},
            ["README.md:6: this is no Python: invalid syntax."],
            id="no Python",
        ),
        pytest.param(
            docs_check.data_parses,
            {"README": fenced("json", '{"a": 1,}')},
            ["README.md:5: this is no JSON: "],
            id="no JSON",
        ),
        pytest.param(
            docs_check.data_parses,
            {"README": fenced("yaml", "project: shop\ntiers: five", docs_check.SETTINGS_MARK)},
            ["README.md:6: tiers: expected "],
            id="settings that cannot be read",
        ),
    ],
)
def test_a_check_finds_its_mistake(check: Check, changed: dict[str, str], expected: list[str], tmp_path: Path) -> None:
    found = [str(mistake) for mistake in check(site(tmp_path, **changed))]
    assert [text[: len(wanted)] for text, wanted in zip(found, expected, strict=True)] == expected


def test_a_page_of_a_task_that_is_gone_is_found(tmp_path: Path) -> None:
    small = site(tmp_path)
    gone = Page(name="docs/tasks/undo.md", text="# undo\n")
    found = docs_check.tasks_have_pages(Site(root=tmp_path, pages=(*small.pages, gone), known=KNOWN))
    assert [str(mistake) for mistake in found] == ["docs/tasks/undo.md:1: there is no task undo."]


def test_a_block_that_shows_a_teams_own_task_is_passed_over(tmp_path: Path) -> None:
    shown = fenced("console", "$ invoke largest", docs_check.OWN_TASK_MARK)
    assert [*docs_check.commands_parse(site(tmp_path, README=shown))] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("invoke reset --tier=stg --dry-run    # what it would do", []),
        ("USE_PROD_DATABASE=true .venv/bin/invoke migrate --tier=prod < /dev/null", []),
        ("invoke run --tier=stg -- psql -c 'select 1 > 0; invoke nosuch'", []),
        ("cd shop && invoke nosuch", ["invoke nosuch: No idea what 'nosuch' is!."]),
        ("invoke audit --verify 2>/dev/null | invoke nosuch", ["invoke nosuch: No idea what 'nosuch' is!."]),
        ("invoke run --nosuch -- true", ["invoke run --nosuch: No idea what '--nosuch' is!."]),
        ("make demo PYTHON=python3.12", []),
        ("make demon", ["make has no target demon."]),
        ("./manage_db.sh --seed stg -- --dry-run", []),
        ("./manage_db.sh --sow stg", ["manage_db.sh has no option --sow."]),
        ("./manage_db.sh --seed stg -- --dri", ["invoke seed --dri: No idea what '--dri' is!."]),
        ("psql -c 'select 1", ["this is no shell command: No closing quotation."]),
    ],
)
def test_a_line_of_shell_names_what_exists(text: str, expected: list[str]) -> None:
    assert [*problems(text, KNOWN.targets, KNOWN.options)] == expected
