"""The runtime for applications: runs exported files with ONNX Runtime or OpenVINO. Nothing in this folder loads torch."""
