"""Running it on something real: data, training, the commands, and what a run leaves on disk.

Nothing is imported here, so that ``ssr-nas --help`` loads neither torch nor NNI.
"""

__version__ = "0.1.0"
