"""The process that converts a network to a LiteRT file: ``litert_file`` starts it with two paths.

The first is what ``torch.export.save`` wrote, the second the new ``.tflite`` file.
"""

import sys


def main() -> None:
    """Convert ``sys.argv[1]`` to ``sys.argv[2]``."""
    import litert_torch
    import torch

    program = torch.export.load(sys.argv[1])
    arguments, _ = program.example_inputs
    litert_torch.convert(program.module(), arguments).export(sys.argv[2])


if __name__ == "__main__":
    main()
