"""How fast something is: networks, a search, a training loop, the forms of a layer."""
