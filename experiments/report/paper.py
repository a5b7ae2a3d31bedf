"""The figures of the SSR paper but for those of trained networks: what each is drawn from and how it is read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.report.choices import choices_of, read_history, searches_figure
from experiments.report.cut import SearchAndTraining, cut_figure
from experiments.report.figures import comparison_figure
from experiments.report.loss_surfaces import loss_surfaces_figure
from experiments.report.loss_weights import Weighted, loss_weights_figure
from experiments.report.summaries import read_metrics, read_search
from experiments.report.trajectories import shrinking_figure
from experiments.runs.folder import CONFIG, METRICS, read_config
from nas_space.architecture import Architecture
from nas_space.errors import InputError
from strategies.alive import LEVELS


@dataclass(frozen=True)
class PaperFigure:
    """One figure.

    Args:
        number: of the paper.
        caption: what it shows and how it is read.
        draw: from run folders to the figure.
        of_runs: whether it is of runs.
    """

    number: str
    caption: str
    draw: Callable[[Sequence[Path]], Figure]
    of_runs: bool = True


def search_names(runs: Sequence[Path]) -> list[str]:
    """The strategy and seed of each search, such as ``ssr-0``; with its folder where two have the same.

    Raises:
        InputError: a folder is that of no finished search, or is given twice.
    """
    for place, run in enumerate(runs):
        if run.resolve() in {one.resolve() for one in runs[:place]}:
            raise InputError(f"{run}: is given twice; give each run once")
    searches = [read_search(run / "search.json") for run in runs]
    named = [(str(one.get("strategy", "search")), str(one.get("seed", 0))) for one in searches]
    return [
        f"{strategy}-{seed}" if named.count((strategy, seed)) == 1 else f"{strategy} {run.resolve().name}-{seed}"
        for run, (strategy, seed) in zip(runs, named, strict=True)
    ]


def _probabilities(runs: Sequence[Path]) -> Figure:
    """A row for each search: the operator of the first layer and that of the found network's last one."""
    searches = {}
    for run, name in zip(runs, search_names(runs), strict=True):
        architecture = Architecture.load(run / "architecture.json")
        epochs, history = read_history(run, architecture.space)
        choices = choices_of(architecture.space, history)
        last = f"stage{len(architecture.stages)}/layer{len(architecture.stages[-1])}/op"
        labels = [label for label in ("stage1/layer1/op", last) if label in choices]
        if not labels:
            raise InputError(f"{run}: has searched no operators, which this figure shows; give another run")
        searches[name] = (epochs, [choices[label] for label in labels])
    return searches_figure(searches)


def _entropy(runs: Sequence[Path]) -> Figure:
    names = search_names(runs)
    curves = [read_metrics(run / METRICS, ["epoch", "entropy"]) for run in runs]
    return comparison_figure(dict(zip(names, curves, strict=True)))


def _training(runs: Sequence[Path]) -> Figure:
    """Each search with the training of its own network, told by their ``architecture.json``."""
    trainings = [run for run in runs if (run / "retrain.json").is_file()]
    searches = [run for run in runs if run not in trainings]
    if not searches:
        raise InputError("runs: none is a search; give the folders of searches, and of the trainings of their networks")
    columns = ("epoch", "miou", "val_loss")
    networks = {run: Architecture.load(run / "architecture.json") for run in runs}
    left, shown = list(trainings), []
    for run, name in zip(searches, search_names(searches), strict=True):
        summary = read_search(run / "search.json")
        training = next((one for one in left if networks[one] == networks[run]), None)
        if training is not None:
            left.remove(training)
        pairs = [(summary["miou"], ("supernet", "derived")), (summary["gap"], ("loss_supernet", "loss_derived"))]
        if any(values[key] is None for values, keys in pairs for key in keys):
            raise InputError(f"{run / 'search.json'}: a score is missing, so there is nothing to draw")
        miou, loss = ((float(values[first]), float(values[second])) for values, (first, second) in pairs)
        trained = None if training is None else read_metrics(training / METRICS, columns)
        shown.append(SearchAndTraining(name, read_metrics(run / METRICS, columns), miou, loss, trained))
    if left:
        raise InputError(f"{left[0]}: is the training of no network of these searches; give the search that found it")
    return cut_figure(shown)


def _loss_weights(runs: Sequence[Path]) -> Figure:
    search_names(runs)
    searches = []
    for run in runs:
        summary, method = read_search(run / "search.json"), read_config(run).get("method")
        weights: Any = method.get("rho") if isinstance(method, dict) else None
        values: list[Any] = [weights.get(level) if isinstance(weights, dict) else None for level in LEVELS]
        if not all(isinstance(value, int | float) and value >= 0 for value in values):
            raise InputError(f"{run / CONFIG}: method.rho holds no weight of each level; give the folder of a search")
        miou = summary["miou"].get("derived_full") or summary["miou"]["derived"]
        if miou is None:
            raise InputError(f"{run / 'search.json'}: miou.derived is missing, so there is nothing to draw")
        depth, operator, width = map(float, values)
        searches.append(Weighted((depth, operator, width), miou, summary["discrete"]))
    return loss_weights_figure(searches)


FIGURES = {
    "loss_surfaces": PaperFigure(
        "3",
        "The regularizers over the probabilities of one choice: of two candidates above, of three below, where each "
        "corner is a decision and dark is low. A search goes downhill. SSR falls without a floor at every edge, so it "
        "pushes a weak candidate out; the others are low at the corners alone.",
        lambda runs: loss_surfaces_figure(),
        of_runs=False,
    ),
    "shrinking": PaperFigure(
        "4",
        "Six choices of three candidates that begin undecided in the centre, equal steps for all: a dot each 10 steps, "
        "and a cross where a candidate leaves. A line first reaches an edge, where two are left, then a corner, which "
        "is decided.",
        lambda runs: shrinking_figure(),
        of_runs=False,
    ),
    "probabilities": PaperFigure(
        "5a to 5e",
        "The probability of each operator of the first and of the last layer, a row for each search. The thick line is "
        "the strongest in the end; a line that ends in a cross belongs to a candidate that has left. d2s1 is dilation "
        "2 without pooling, d2s2 with pooling by 2.",
        _probabilities,
    ),
    "entropy": PaperFigure(
        "5f and 8",
        "How undecided each search is, over all its choices. At 0 the super-network is the found network; a line that "
        "ends above 0 leaves a decision to the cut.",
        _entropy,
    ),
    "training": PaperFigure(
        "6",
        "The super-network while it is searched, what is left when the found network is cut out of it (the cut, with "
        "the change beside it), and the same network trained from scratch. The longer the fall, the less the search "
        "tells about the network. A search is scored on labels at 1/8, a retraining on full ones.",
        _training,
    ),
    "loss_weights": PaperFigure(
        "7",
        "The score of the found network by the weight of the regularizer on one level, the other two weights fixed at "
        "their dotted lines. A hollow point is a search that did not end discrete by itself.",
        _loss_weights,
    ),
}
"""By name."""
