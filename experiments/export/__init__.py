"""Trained networks as files for other engines: ONNX, OpenVINO, TorchScript, TensorRT; each is run and compared before it is kept.

Nothing is imported here: the runtime for applications reads ``description`` and must not load torch.
"""
