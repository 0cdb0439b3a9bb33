"""One module a driver: where all of its ways in end, and how its sessions are asked who they are."""
