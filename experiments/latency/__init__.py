"""Measured latency: which networks are timed, by what, and the table made of their times.

Nothing is imported here, so that reading the command's options loads no torch.
"""

ROUNDS = 5  # how often everything is measured, if nobody says otherwise
