"""What holds for every test here."""

from __future__ import annotations

import hypothesis

from tests.outside_runs import pytest_runtest_logreport as pytest_runtest_logreport
from tests.outside_runs import pytest_runtest_protocol as pytest_runtest_protocol

collect_ignore = ["hostile"]  # tried in a sandbox: see server/test_reach.py

# The machine's load is no property of the code; a test that hangs ends by pytest-timeout.
hypothesis.settings.register_profile("dbtasks", deadline=None)
hypothesis.settings.load_profile("dbtasks")
