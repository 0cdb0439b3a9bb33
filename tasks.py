"""The tasks of this project: everything that dbtasks brings, and room for our own."""

from dbtasks.invoke_tasks import namespace

ns = namespace()
