"""A module with an example that is run.

>>> from attempts import attempt
>>> attempt("a doctest")
"""
