"""Endurance: one server, a crowd that comes and goes, sources that die, for as long as one likes (`make soak`)."""
