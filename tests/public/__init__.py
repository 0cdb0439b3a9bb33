"""Public projects, migrated through dbtasks as they are: `nox -s public_projects`."""
