"""Measured latency: a network's layers as ONNX graphs, the engines that run them, and the table made of their times."""
