"""NNI's manager of an experiment, seen from here: starting it behind the loopback address, following it, reading what it recorded."""
