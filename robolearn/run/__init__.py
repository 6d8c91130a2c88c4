"""The loops: train and evaluate; they know protocols only."""
