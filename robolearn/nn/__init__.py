"""Networks and their parts: encoders, critic ensembles, distributions, targets, augmentation, temperature."""
