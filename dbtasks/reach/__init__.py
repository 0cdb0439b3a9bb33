"""Holds every PostgreSQL driver of a test process to the default tier's database and its clones.

`dbtasks.pin` calls this once it is awake. What a driver is about to do is read as the driver itself would read it
(`wanted`), judged by its text (`ground`), and after connecting by what the server says of itself (`stamp`); `door` does
both for the drivers, each of which is wrapped where all of its ways in end (`drivers/`), now or when it is imported
(`imports`).
"""

from __future__ import annotations

from dbtasks.reach.imports import find, hold_loaded
from dbtasks.reach.listening import hear

__all__ = ["find", "hear", "hold_loaded"]
