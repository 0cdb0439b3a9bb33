"""From which size on which way is taken."""

from __future__ import annotations

# Up to here everything travels as parameters in pipelines; above it, CSV files that are worth it are copied.
SMALL_BYTES = 4 << 20
# CSV files from here on are copied, and any file is asked about on its own, where the load is large.
WORTH_COPYING_BYTES = 1 << 18
# To build indexes anew takes some milliseconds each, whatever the file.
WORTH_REBUILDING_BYTES = 1 << 20
