"""Network parts shared by agents: encoders, critic ensembles, distributions, augmentation."""
