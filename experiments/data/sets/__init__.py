"""One file for each data set. ``FINDERS`` in ``experiments/data/source.py`` lists them."""
