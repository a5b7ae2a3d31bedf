"""The figures of the paper that are of runs: what stands in them, from files as runs leave them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from experiments.cli import main
from experiments.report.cut import SearchAndTraining, cut_figure
from experiments.report.figures import comparison_figure
from experiments.report.loss_weights import Weighted, loss_weights_figure, one_level_apart
from experiments.report.paper import FIGURES, search_names
from experiments.runs.folder import write_metrics
from experiments.runs.probabilities import write_probabilities
from nas_space.architecture import Architecture, baseline1, baseline2
from nas_space.config import SpaceConfig
from nas_space.expected_cost import Probabilities
from strategies.alive import Alive

Write = Callable[..., str]
ROOT = Path(__file__).parents[3]


def curve(*scores: float) -> pd.DataFrame:
    rows = {"epoch": list(range(1, len(scores) + 1)), "miou": scores, "val_loss": [1 - score for score in scores]}
    return pd.DataFrame(rows)


def test_the_cut_falls_from_the_super_network_to_the_found_network() -> None:
    training = curve(0.2, 0.4).assign(miou=[None, 0.4])
    searches = [
        SearchAndTraining("ssr-0", curve(0.3, 0.5), (0.5, 0.5), (0.7, 0.7 - 1e-8), training),
        SearchAndTraining("darts-0", curve(0.3, 0.6), (0.6, 0.35), (0.6, 0.9), None),
    ]
    figure = cut_figure(searches)
    first, _, second, of_loss = figure.axes
    search, cut, trained = first.lines
    assert search.get_xydata().tolist() == [[1, 30], [2, 50]] and cut.get_xydata().tolist() == [[2, 50], [2, 50]]
    assert trained.get_xydata().tolist() == [[2, 40]]  # the first epoch was not validated
    assert second.lines[1].get_xydata().tolist() == [[2, 60], [2, 35]] and len(second.lines) == 2
    assert of_loss.lines[1].get_ydata().tolist() == [0.6, 0.9]
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["+0.0", "+0.00", "-25.0", "+0.30"]


@pytest.mark.parametrize(("count", "columns", "lines"), [(1, 1, 2), (3, 3, 2), (4, 2, 4), (5, 3, 4), (7, 3, 6)])
def test_many_searches_go_on_below_at_the_same_scales(count: int, columns: int, lines: int) -> None:
    score = [0.3 + 0.05 * place for place in range(count)]
    figure = cut_figure([SearchAndTraining(str(one), curve(0.2, one), (one, one), (1, 1), None) for one in score])
    boxes = [axes.get_subplotspec() for axes in figure.axes]
    assert {(box.get_gridspec().nrows, box.get_gridspec().ncols) for box in boxes} == {(lines, columns)}
    assert [(box.rowspan.start, box.colspan.start) for box in boxes] == [
        (2 * (place // columns) + loss, place % columns) for place in range(count) for loss in (0, 1)
    ]
    for row in (figure.axes[::2], figure.axes[1::2]):
        assert len({axes.get_ylim() for axes in row}) == 1
    assert [bool(axes.get_ylabel()) for axes in figure.axes[::2]] == [place % columns == 0 for place in range(count)]


MIDDLE = (0.15, 0.3, 0.3)


def test_searches_are_compared_one_level_at_a_time() -> None:
    searches = [
        Weighted((0.15, 0.9, 0.3), 0.3, False),
        Weighted((0.05, 0.9, 0.3), 0.9, True),  # differs in two levels: no panel of its own
        Weighted(MIDDLE, 0.4, True),
        Weighted((0.45, 0.3, 0.3), 0.5, True),
        Weighted(MIDDLE, 0.42, True),
        Weighted((0.15, 0.1, 0.3), 0.2, True),
        Weighted((0.15, 0.3, 0.1), 0.3, True),
    ]
    middle, rows = one_level_apart(searches)
    assert middle == MIDDLE
    assert {name: [one.rho[level] for one in rows[name]] for level, name in enumerate(rows)} == {
        "depth": [0.15, 0.15, 0.45],
        "operator": [0.1, 0.3, 0.3, 0.9],
        "width": [0.1, 0.3, 0.3],
    }
    figure = loss_weights_figure(searches)
    *points, means, dotted = figure.axes[1].lines
    assert [point.get_xydata().tolist()[0] for point in points] == [[0.1, 20], [0.3, 40], [0.3, 42], [0.9, 30]]
    assert [point.get_markerfacecolor() == "white" for point in points] == [False, False, False, True]
    assert means.get_xydata().tolist() == [[0.1, 20], [0.3, pytest.approx(41)], [0.9, 30]]
    assert list(dotted.get_xdata()) == [0.3, 0.3]


def test_lines_differ_without_their_colours() -> None:
    figure = comparison_figure({f"s{i}-0": pd.DataFrame({"epoch": [1], "entropy": [i]}) for i in range(28)})
    looks = [(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines]
    assert len(set(looks)) == 28 and len({line for _, line in looks[:4]}) == 4


@pytest.fixture
def write(tmp_path: Path, tiny: Callable[..., SpaceConfig]) -> Write:
    """``write(name, strategy, seed, network)``: the folder of a search, or with ``strategy=None`` of a retraining."""

    def make(
        name: str, strategy: str | None = "ssr", seed: int = 0, network: Architecture | None = None, **summary: Any
    ) -> str:
        folder = tmp_path / name
        folder.mkdir()
        space = tiny()
        (folder / "architecture.json").write_text((network or baseline1(space)).to_json())
        write_metrics(folder, curve(0.1, 0.2).assign(entropy=[2.0, 1.0]).to_dict("records"))
        if strategy is None:
            (folder / "retrain.json").write_text("{}")
            return str(folder)
        one = Probabilities(*(mask / mask.sum(-1, keepdim=True).clamp(min=1) for mask in Alive.full(space)))
        write_probabilities(folder, [1, 2], [one, one])
        content: dict[str, Any] = {"strategy": strategy, "seed": seed, "discrete": True, "discrete_epoch": 2}
        content |= {"removals": [], "gap_before": None, "entropy": {"final": 0.0}, "time": {"total_s": 1.0}}
        content |= {"miou": {"supernet": 0.2, "derived": 0.1}, "gap": {"loss_supernet": 1.0, "loss_derived": 1.5}}
        content |= {"cost": {"params": 1, "macs_total": 1.0}, "space": json.loads(baseline1(space).to_json())["space"]}
        (folder / "search.json").write_text(json.dumps({**content, **summary}))
        rho = dict(zip(("depth", "operator", "width"), MIDDLE, strict=True))
        (folder / "config.yml").write_text(yaml.safe_dump({"method": {"rho": rho}}))
        return str(folder)

    return make


def test_every_figure_is_drawn(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searches = [write("a"), write("b", "my.$\\frac{$", network=baseline2(Architecture.load(tmp_path / "a").space))]
    runs = {"loss_surfaces": [], "shrinking": [], "training": [*searches, write("c", None)]}
    for figure, chosen in FIGURES.items():
        out = tmp_path / f"out-{figure}"
        assert main(["figures", "paper", *runs.get(figure, searches), "--figure", figure, "--out", str(out)]) == 0
        assert (out / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert capsys.readouterr().out == f"figure  {out / figure}.png\n{chosen.caption}\n"


def test_the_page_shows_every_figure_with_its_caption() -> None:
    page = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    for name, figure in FIGURES.items():
        assert figure.caption in page and f"assets/figures/{name}.png" in page and f"--figure {name}" in page
        assert (ROOT / "docs" / "assets" / "figures" / f"{name}.png").stat().st_size < 150_000
    method = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    assert FIGURES["loss_surfaces"].caption in method and FIGURES["shrinking"].caption in method


def test_searches_of_one_name_are_told_apart(write: Write) -> None:
    runs = [Path(write("a")), Path(write("b")), Path(write("c", seed=1))]
    assert search_names(runs) == ["ssr a-0", "ssr b-0", "ssr-1"]


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--figure", "faces"], "figure: unknown 'faces'; choose from loss_surfaces, shrinking,"),
        (["--figure", "entropy"], "figure: entropy is of runs; give their folders"),
        (["--figure", "shrinking", "a"], "figure: shrinking is of no run; leave out "),
        (["--figure", "entropy", "a", "a"], "is given twice"),
        (["--figure", "entropy", "nowhere"], "search.json: cannot be read"),
        (["--figure", "probabilities", "sampled"], "probabilities.npz: no such file"),
        (["--figure", "training", "trained"], "runs: none is a search"),
        (["--figure", "training", "a", "other"], "is the training of no network of these searches"),
        (["--figure", "training", "diverged"], "search.json: a score is missing"),
        (["--figure", "loss_weights", "unweighted"], "method.rho holds no weight of each level"),
    ],
)
def test_bad_input(
    arguments: list[str], culprit: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in arguments[2:]:
        if name != "nowhere" and not (tmp_path / name).exists():
            other = baseline2(Architecture.load(tmp_path / "a").space) if name == "other" else None
            write(name, None if name in ("trained", "other") else "ssr", network=other)
    if "sampled" in arguments:
        (tmp_path / "sampled" / "probabilities.npz").unlink()
    if "diverged" in arguments:
        file = tmp_path / "diverged" / "search.json"
        content = json.loads(file.read_text())
        file.write_text(json.dumps(content | {"miou": {"supernet": None, "derived": None}}))
    if "unweighted" in arguments:
        (tmp_path / "unweighted" / "config.yml").write_text("method: {rho: {depth: 1}}\n")
    runs = [str(tmp_path / name) for name in arguments[2:]]
    assert main(["figures", "paper", *arguments[:2], *runs, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert culprit in error and error.count("\n") == 1 and not (tmp_path / "out").exists()
