"""One network of a race by itself: all rounds, one after another. Somebody else stops it when it falls behind."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.data import load
from experiments.landscape.setup import held_out
from experiments.options.groups import parse_size, part_of
from experiments.race.options import RaceOptions, check_race
from experiments.race.table import TABLE, RaceRow, read_rows, write_rows
from experiments.training.few_steps import few_training_steps, warn
from experiments.training.recipe import RetrainOptions
from experiments.training.retrain import Retraining, check_data, plan
from experiments.training.score import train_and_score
from nas_space.architecture import Architecture
from nas_space.cost import cost
from nas_space.errors import InputError
from nas_space.memory import TRAINED, check_network

Report = Callable[[int, dict[str, Any]], None]


def run_alone(
    options: RaceOptions, folder: Path, resolve: Callable[[str, int], Architecture], report: Report
) -> tuple[Architecture, dict[str, Any]]:
    """Train the only entrant through all rounds; what is in the folder's ``race.csv`` is not trained again.

    Args:
        options: of the race, with one entrant and the number of rounds.
        folder: keeps the table.
        resolve: makes the network from its name, or its file's, and the number of classes.
        report: called with the number of each round that is trained, from 1 on, and with its scores.

    Returns:
        The network, and the scores of its last round: ``default`` (mean mIoU over the seeds, in [0, 1], on the training
        images held out), ``epochs``, ``macs``, ``params``, ``seconds`` (of all trainings), ``resolution``.

    Raises:
        InputError: an option or file that cannot be used, or a loss that is not finite.
    """
    check_race(options)
    if len(options.entrants) != 1:
        raise InputError("entrants: a trial of a race trains one network; let NNI's search space give it")
    if options.rounds is None:
        raise InputError("rounds: a trial does not know how many others run; give a number, such as 3")
    recipe, (name,) = part_of(RetrainOptions, options), options.entrants
    given = load(options.data)
    network = resolve(name, len(given.classes))
    check_data(recipe, given, network)
    data, stages = held_out(given, options.hold_out, recipe), plan(recipe, network)
    check_network(name, network, num_classes=len(data.classes), copies=TRAINED)
    warn(few_training_steps(recipe, stages, max(len(data.train) // options.data.batch, 1)))
    spent = cost(network, parse_size(options.data.size), len(data.classes), stages[-1].head)
    rows = {row.key: row for row in read_rows(folder / TABLE, [name], options.seeds)}
    result: dict[str, Any] = {}
    for number in range(1, options.rounds + 1):
        epochs = options.epochs * 2 ** (number - 1)
        missing = [seed for seed in options.seeds if (number, name, seed) not in rows]
        for seed in missing:
            start = time.perf_counter()
            miou = train_and_score(Retraining(replace(recipe, epochs=epochs, seed=seed), data, folder, network)).miou
            row = RaceRow(number, epochs, name, seed, miou, (time.perf_counter() - start) / 60)
            rows[row.key] = row
            write_rows(folder / TABLE, rows.values(), {name: spent})
        result = {"default": fmean(rows[number, name, seed].miou for seed in options.seeds), "epochs": epochs}
        if missing:
            report(number, result)
    seconds = 60 * sum(row.minutes for row in rows.values())
    result |= {"macs": spent.macs_total, "params": spent.params, "seconds": seconds, "resolution": options.data.size}
    return network, result
