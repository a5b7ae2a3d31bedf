"""The runtime for applications: exported files in an engine. Nothing in this folder loads torch."""
