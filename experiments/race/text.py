"""A race for people: a table for each round, and who has won."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.race.standing import is_clear
from experiments.runs.columns import LATENCY, MACS, MIOU, PARAMETERS, cells
from experiments.runs.names import labels
from experiments.runs.tables import counted


def points(value: float, error: float | None) -> str:
    """A difference or score in percentage points, with its standard error where it is known."""
    return f"{100 * value:.2f}" + ("" if error is None else f" ± {100 * error:.2f}")


def round_text(part: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """A round as a table, with what its border says.

    Args:
        part: one of ``summary["rounds"]``.
        summary: content of ``race.json``.
    """
    networks: Sequence[Mapping[str, Any]] = part["networks"]
    costs = {one["name"]: one for one in summary["entrants"]}
    names = labels([one["name"] for one in networks], lambda text: len(text) <= 40)
    scores = [points(one["miou"], one["error"]) for one in networks]
    behind = [points(one["behind"], one["behind_error"]) if i else "" for i, one in enumerate(networks)]
    macs, params = ([costs[one["name"]][key] for one in networks] for key in ("macs", "params"))
    milliseconds = [costs[one["name"]].get("milliseconds") for one in networks]
    word = "wins" if part["round"] == summary["planned_rounds"] else "stays"
    columns = [
        ("", [str(i) for i in range(1, len(networks) + 1)], ">"),
        ("network", names, "<"),
        (MIOU.name, scores, ">"),
        ("behind", behind, ">"),
        (MACS.name, cells(MACS, macs), ">"),
        (PARAMETERS.name, cells(PARAMETERS, params), ">"),
        *([] if None in milliseconds else [(LATENCY.name, cells(LATENCY, milliseconds), ">")]),
        ("", [word if one["stays"] else "" for one in networks], "<"),
    ]
    widths = [max(map(len, (title, *texts))) for title, texts, _ in columns]
    rows = [[title for title, _, _ in columns], *zip(*(texts for _, texts, _ in columns), strict=True)]
    lines = [
        "  " + "  ".join(f"{cell:{columns[i][2]}{widths[i]}}" for i, cell in enumerate(row)).rstrip() for row in rows
    ]
    title = f"round {part['round']} of {summary['planned_rounds']}: {counted(len(networks), 'network')}, "
    title += f"{counted(part['epochs'], 'epoch')}, seeds {','.join(map(str, summary['seeds']))}"
    shown = dict(zip((one["name"] for one in networks), names, strict=True))
    border = _border(part, shown) if word == "stays" else []  # of the last one the closing text tells it
    return "\n".join([title, *lines, *border])


def _border(part: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """How far the last network that stays is from the first that leaves."""
    border = part["border"]
    lead, error = border["lead"], border["error"]
    stays, leaves = names[border["stays"]], names[border["leaves"]]
    if lead == 0:
        return [f"  {stays} and {leaves} are equal: the cheaper one stays"]
    if is_clear(lead, error):
        return []
    known = "with one seed nobody knows its error" if error is None else "less than two standard errors"
    return [f"  {stays} is ahead of {leaves} by {points(lead, error)} points: {known}"]


def closing_text(summary: Mapping[str, Any]) -> str:
    """Who has won, by how much, and what that is worth."""
    winner, images = summary["winner"], summary["held_out_images"]
    names = labels([winner["name"], winner["second"]], lambda text: len(text) <= 60)
    where = f"{counted(images, 'training image')} held out, after {counted(winner['epochs'], 'epoch')}"
    lines = [
        f"winner      {names[0]}: mIoU {points(winner['miou'], winner['error'])} % on {where}",
        f"            {points(winner['lead'], winner['lead_error'])} points ahead of {names[1]}, paired over "
        f"{counted(len(summary['seeds']), 'seed')}",
    ]
    if not is_clear(winner["lead"], winner["lead_error"]):
        fix = "more --seeds or --epochs tell more"
        lines.append(f"            this lead is not above two standard errors: another race may end otherwise; {fix}")
    if len(winner["names"]) > 1:
        lines.append(f"            the same network as {', '.join(labels(winner['names'][1:]))}")
    return "\n".join(lines)
