"""What SQL would do to a database that people use, before it does it.

`engine.lint` is the way in: statements, what the catalogue says, waivers; out come findings. `parsing` reads SQL with
PostgreSQL's own grammar, `acts` takes statements apart, `rules/` judge each act, one rule a file, by what `world` knows
of the database at that point of the run. `squawk` asks another linter. `views/` show findings, one format a file.
"""
