"""The drill: each forbidden thing is really tried, in a sandbox of its own, and what stopped it is told.

Nothing here reaches a database of the project that it is run for: the sandbox has its own servers, its own project, and
an environment that is built from an allow-list.
"""
