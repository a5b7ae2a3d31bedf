"""From labelled photos to proven networks in one command.

The networks keep the latency that is asked for, and the whole keeps its time.

The exit code is 1 where no network holds the latency: the closest one is delivered.
"""

from dataclasses import replace
from typing import Any

from experiments.fit.options import FREE, FitOptions
from experiments.options.arguments import parse
from experiments.runs.folder import CONFIG, given_anew, resumed
from nas_space.errors import InputError

Options = FitOptions


def run(options: Options) -> dict[str, Any]:
    """Plan, search, race, train, export and deliver; return the content of ``fit.json`` and the folder."""
    from experiments.fit.fit import begin, closing_lines, resume

    before, whole = resumed("fit", options, FREE), options
    if before is not None:
        begun, _ = parse("ssr-nas fit", "", Options, [f"--config={before / CONFIG}"])
        whole = replace(begun, **given_anew(options, FREE))
    if options.port is not None and not whole.web:
        raise InputError("port: is that of the web UI; give --web true as well, or leave out --port")
    result = begin(whole) if before is None else resume(whole, before)
    if "points" in result:
        print("\n".join(closing_lines(result)))
    return result


def exit_code(result: dict[str, Any]) -> int:
    """1 where a point's latency is held by no network."""
    return 0 if all(point["holds"] for point in result.get("points", ())) else 1
