"""`--dbtasks-keep`: the databases of a failed test stay for some days, and its report says how to look at them."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from dbtasks.pytest_supply import LENT, SUPPLY

if TYPE_CHECKING:
    from dbtasks.testing import Database

OPTION = "--dbtasks-keep"


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "keep the databases of failed tests for three days; their reports say how to look at them"
    parser.getgroup("dbtasks").addoption(OPTION, action="store_true", help=text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and item.config.getoption(OPTION):
        supply = item.config.stash[SUPPLY]
        used = getattr(item, "funcargs", {})
        databases = [used[fixture] for fixture in LENT if fixture in used]
        lines = [line for database in databases for line in _said(database, "this test's own")]
        if supply.clone is not None:
            databases.append(supply.clone)
            lines += _said(supply.clone, "the one that this process's tests share, as the last of them leaves it")
        supply.kept |= {database.name for database in databases}
        if lines:
            report.sections.append(("databases kept for three days", "\n".join(lines)))
    return report


def _said(database: Database, what: str) -> list[str]:
    return [f"{database.masked} ({what})", f"  invoke run -- psql {database.name}"]
