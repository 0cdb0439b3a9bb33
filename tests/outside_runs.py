"""Tests marked `outside` work in their own process on servers of their own, which this process is held away from.

They run in another pytest, in a copy of these tests that lies in no project, and so under no pin; what it reports is
reported here. Only tests whose servers are sandboxes are marked so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests import outside

REPORTS = "DBTASKS_TESTS_REPORTS"  # the file that the other pytest reports to
_PATIENCE_S = 900
_known = pytest.StashKey[dict[str, list[Any]]]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Report what the other pytest found; it runs all of a module's tests when the first of them comes."""
    if REPORTS in os.environ or item.get_closest_marker("outside") is None:
        return None
    known = item.session.stash.setdefault(_known, {})
    if item.nodeid not in known:
        module = [each for each in item.session.items if each.path == item.path]
        known |= _run([each.nodeid for each in module if each.get_closest_marker("outside")])
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in known[item.nodeid]:
        item.ihook.pytest_runtest_logreport(report=report)
    _leave(item, nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _leave(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End what the test before this one has left open for this one, and the next test does not share.

    The test before knows of no other next than this one, whose own end is skipped here with its protocol.
    """
    call = pytest.CallInfo.from_call(lambda: item.session._setupstate.teardown_exact(nextitem), when="teardown")
    if call.excinfo is not None:
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        item.ihook.pytest_runtest_logreport(report=report)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write a report down, in the other pytest."""
    if REPORTS in os.environ:
        with Path(os.environ[REPORTS]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(report._to_json(), default=str) + "\n")


def _run(wanted: list[str]) -> dict[str, list[Any]]:
    """Return the reports of these tests, by their ids."""
    with tempfile.TemporaryDirectory(prefix="dbtasks-tests-") as folder:
        root, path = Path(folder), Path(folder, "reports")
        shutil.copytree(outside.REPOSITORY / "tests", root / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(outside.REPOSITORY / "pyproject.toml", root)  # pytest's own settings
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "-m", "", *wanted],
            cwd=root,
            env=outside.environment({REPORTS: str(path)}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    reports = [pytest.TestReport._from_json(json.loads(line)) for line in lines]
    return {each: _of(each, reports, done.stdout + done.stderr) for each in wanted}


def _of(nodeid: str, reports: Iterable[Any], output: str) -> list[Any]:
    found = [report for report in reports if report.nodeid == nodeid]
    if any(report.when == "teardown" for report in found):
        return found
    text = f"it did not come to its end outside:\n{output[-5000:]}"
    lost = pytest.TestReport(nodeid, (nodeid, None, nodeid), {}, "failed", text, "call")
    return [*found, lost]
