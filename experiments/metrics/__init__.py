"""Scores of predictions beside labels."""
