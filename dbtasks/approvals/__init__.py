"""A plan on paper: written by whoever asks, signed by those who agree, run where nobody sits.

`document` is the paper, `signers` and `signature` say whose hand it is, all of them values. `ssh_keygen` signs and
checks, `verifying` joins them into a `Brought`, which `dbtasks.brought` weighs and the guard judges.
"""
