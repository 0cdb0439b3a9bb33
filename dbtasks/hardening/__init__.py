"""Guards inside PostgreSQL: what stops whoever has never heard of us. Read, put in place, lifted; nothing here decides.

A role is let through by `session_user`, which is who logged in: neither SET ROLE nor a function of somebody else's nor
any setting changes it, only a superuser's SET SESSION AUTHORIZATION.
"""

from __future__ import annotations

from dbtasks.hardening.lifting import lift as lift
from dbtasks.hardening.putting import Put as Put
from dbtasks.hardening.putting import put as put
from dbtasks.hardening.reading import read as read
