"""The asyncio side of the core, shared with the cam: hub, capture, streams. Nothing is imported here: RAM."""
