"""The project's revisions as values, and Alembic at arm's length: it runs in a child process of its own."""
