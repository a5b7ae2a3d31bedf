"""What a user may say: typed options, and how they are read."""
