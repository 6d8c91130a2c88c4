"""Learning algorithms, one folder each."""
