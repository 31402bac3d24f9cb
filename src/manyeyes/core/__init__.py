"""The pure core, shared with the cam: no I/O, no clock, no asyncio. Nothing is imported here: RAM."""
