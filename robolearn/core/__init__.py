"""Types, specs, protocols, errors, clocks and geometry; imports nothing else of robolearn."""
