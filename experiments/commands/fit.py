"""From labelled photos to proven networks in one command.

The networks keep the latency that is asked for, and the whole keeps its time.

The exit code is 1 where no network holds the latency: the closest one is delivered.
"""

from dataclasses import replace
from typing import Any

from experiments.fit.options import FREE, FitOptions
from experiments.options.arguments import parse
from experiments.runs.folder import CONFIG, given_anew, resumed

Options = FitOptions


def run(options: Options) -> dict[str, Any]:
    """Plan, search, race, train, export and deliver; return the content of ``fit.json`` and the folder."""
    from experiments.fit.fit import begin, closing_lines, resume

    before = resumed("fit", options, FREE)
    if before is None:
        result = begin(options)
    else:
        begun, _ = parse("ssr-nas fit", "", Options, [f"--config={before / CONFIG}"])
        result = resume(replace(begun, **given_anew(options, FREE)), before)
    if "points" in result:
        print("\n".join(closing_lines(result)))
    return result


def exit_code(result: dict[str, Any]) -> int:
    """1 where a point's latency is held by no network."""
    return 0 if all(point["holds"] for point in result.get("points", ())) else 1
