"""Measured latency: which networks are timed, by what, and the table made of their times.

Nothing is imported here, so that reading the command's options loads no torch.
"""

ROUNDS = 6  # quiet turns of each network in each pass, if nobody says otherwise
