"""Kills commands, and the server under them, at every point at which they do something: `python -m tests.faults`.

`points` goes into the commands and counts, `nursery` starts them, `ground` is what they work on, `operations` says what
is tried, `campaign` goes through the points, and `__main__` prints what came of it. Nothing in `dbtasks/` knows it.
"""
