"""Trained networks on a user's own images and films: what is read, what is drawn, what is written."""
