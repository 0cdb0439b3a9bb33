"""What holds for every test here."""

from __future__ import annotations

import hypothesis

# The machine's load is no property of the code; a test that hangs ends by pytest-timeout.
hypothesis.settings.register_profile("dbtasks", deadline=None)
hypothesis.settings.load_profile("dbtasks")
