"""Trained networks as files for other engines; each file is run and compared before it is kept."""
