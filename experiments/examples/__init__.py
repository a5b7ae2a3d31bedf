"""What can be built on top, each in one file."""
