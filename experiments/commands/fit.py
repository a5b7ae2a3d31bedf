"""From labelled photos to proven networks in one command.

The networks keep the latency that is asked for, and the whole keeps its time.

The exit code is 1 where no network holds the latency: the closest one is delivered.
"""

from typing import Any

from experiments.fit.options import FitOptions
from experiments.options.arguments import parse
from experiments.runs.folder import CONFIG, resumed
from experiments.runs.lock import locked

Options = FitOptions


def run(options: Options) -> dict[str, Any]:
    """Plan, search, race, train, export and deliver; return the content of ``fit.json`` and the folder."""
    from experiments.fit.fit import PLAN, Begun, begin, closing_lines, go_on

    before = resumed("fit", options)
    if before is None:
        result = begin(options)
    else:
        options, _ = parse("ssr-nas fit", "", Options, [f"--config={before / CONFIG}"])
        with locked(before):
            result = go_on(options, before, Begun.read(before / PLAN))
    if "points" in result:
        print("\n".join(closing_lines(result)))
    return result


def exit_code(result: dict[str, Any]) -> int:
    """1 where a point's latency is held by no network."""
    return 0 if all(point["holds"] for point in result.get("points", ())) else 1
