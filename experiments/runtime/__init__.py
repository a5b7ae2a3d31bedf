"""The runtime for applications: exported files in ONNX Runtime or OpenVINO. Nothing in this folder loads torch."""
