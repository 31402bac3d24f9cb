"""The Microdot app and its page, shared with the cam. Nothing is imported here: RAM."""
