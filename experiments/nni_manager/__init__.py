"""NNI's manager and web UI: what starts it, talks to it and reads what it keeps."""
