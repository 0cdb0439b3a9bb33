"""The trail in the forms that other systems read: one JSON document a line, one for each entry.

Each module is one form. None of them decides what is exported, and none writes.
"""
