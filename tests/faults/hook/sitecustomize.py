"""Python runs this as it starts, where this folder is on its PYTHONPATH: commands under test, and their children."""

import os

if "FAULTS" in os.environ:
    from tests.faults import points

    points.hook()
    points.begin()
