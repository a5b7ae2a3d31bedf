"""What can be built: the search space, one point of it as data, the plain network, and its cost.

Nothing is imported here, so that reading an architecture or a space loads neither torch nor NNI.
"""
