"""Measuring the search itself: one bi-level iteration of ours against one of NNI's, side by side."""
