"""Point-in-time recovery: marks before what destroys, their proof, and a recovered server beside the live one.

`marks.make_mark` puts a mark into the write-ahead log, an engine's `prove` reads it back from where a recovery would
get it, `recovering.recover` brings a second server to it, `differences` tells what is different there, `copying` takes
tables back. Nothing here asks anybody: whoever calls has a clearance, and connections that were opened with it.
"""
