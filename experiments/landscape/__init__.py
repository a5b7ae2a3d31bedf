"""A landscape: many networks of one space trained alike, and where the choice of a search stands among them."""
