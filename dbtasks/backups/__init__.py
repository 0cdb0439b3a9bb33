"""Backups: taken, sealed, stored, shown to be readable or restorable, brought back beside the live database, dropped.

`vault.open_vault` finds the place and the keys. `taking.take` makes a backup with its `manifest.Manifest` beside it,
`verifying` shows what it is worth, `restoring.restore_into` makes a database of it, `listing.list_backups` says what
there is, `retention.superfluous` and `pruning.prune` drop the rest. Whoever writes or reads rows brings a permit.
"""
