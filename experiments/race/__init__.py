"""A race: networks are trained for a short time, the better ones again for longer, until the best is left."""
