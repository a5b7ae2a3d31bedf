"""Remarks on a data set in few lines: what stops nothing, and is told once before a training."""

from collections.abc import Sequence

from experiments.data.files import DataError


def remark_lines(problems: Sequence[DataError]) -> list[str]:
    """A line for each kind of remark: the first one, and how many more there are; what stops a training is left out.

    Args:
        problems: of a data set.
    """
    by_kind: dict[str, list[DataError]] = {}
    for problem in problems:
        if not problem.stops:
            by_kind.setdefault(problem.kind, []).append(problem)
    lines = []
    for same in by_kind.values():
        more = f" (and {len(same) - 1} more of this kind: ssr-nas data check lists them all)" if len(same) > 1 else ""
        lines.append(" ".join(f"{same[0]}{more}".split()))
    return lines
