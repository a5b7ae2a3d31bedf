"""One bi-level iteration of the search beside NNI's."""
