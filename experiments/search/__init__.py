"""One search, from its options to its run folder."""
