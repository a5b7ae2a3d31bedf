"""How the space is searched: relaxations, regularizers and shrinking, composed into NNI one-shot strategies.

Nothing is imported here, so that listing commands loads neither torch nor NNI; see ``strategies.registry``.
"""
