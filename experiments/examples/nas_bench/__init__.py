"""Strategies judged by NAS-Bench-201 and NAS-Bench-Macro, where the accuracy of every network is known."""
