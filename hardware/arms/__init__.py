"""Drivers of real arms; each imports its vendor's library only when it is entered."""
