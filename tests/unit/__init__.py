"""No server, no socket."""
