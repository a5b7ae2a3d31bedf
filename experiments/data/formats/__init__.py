"""Labels as annotation tools export them: one file for each format. ``FORMATS`` in ``detection.py`` lists them."""
