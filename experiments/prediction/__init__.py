"""Trained networks on a user's own images and films, and on a labelled split."""
