"""Measured latency: layers as ONNX graphs, the engines that run them, and the table made of their times.

Nothing is imported here, so that reading the command's options loads no torch.
"""

ROUNDS = 5  # how often everything is measured, if nobody says otherwise
