"""Networks side by side in an engine."""
