"""Options of a fit, and everything about them that can be wrong without data. Read without torch."""

from dataclasses import dataclass, field, replace
from math import isfinite

from experiments.options.groups import DataOptions, SpaceOptions, check_seed, of_folder, parse_size, part_of
from experiments.race.options import RaceOptions
from experiments.runs.threads import check_threads
from experiments.training.recipe import HEADS
from nas_space.config import PRESETS, SpaceConfig
from nas_space.errors import InputError
from nas_space.scaling import REFERENCES

AUTO = "auto"
TRIED = ("compact", "pyramid")
"""The spaces to choose from, the cheaper one to search first."""
MOST_POINTS = 5
FREE = ("web", "port")
"""Options that may be given anew when a fit goes on: they choose who shows its work."""
INITS = ("search", "random")


@dataclass
class FitSpace(SpaceOptions):
    """What can be built.

    Args:
        preset: compact, paper or pyramid; ``auto`` is the first of compact and pyramid that has networks at the
            latency.
    """

    preset: str = AUTO

    def presets(self) -> tuple[str, ...]:
        """The presets to choose from; one where it is given, or where other keys of the space are."""
        if self.preset != AUTO:
            return (self.preset,)
        default = FitSpace()
        changed = any(vars(self)[key] != vars(default)[key] for key in vars(self) if key != "search")
        return TRIED[:1] if changed else TRIED

    def of(self, preset: str) -> SpaceOptions:
        """The space options with this preset."""
        return replace(part_of(SpaceOptions, self), preset=preset)


@dataclass
class FitOptions:
    """Options of ``ssr-nas fit``.

    Args:
        source: the labelled photos: a folder as a labelling tool exports it, or one of docs/own_photos.md.
        latency_ms: most milliseconds that one image may take in the engine, measured with the delivered file.
        minutes: time for everything. Epochs are chosen so that it is used; a run may end earlier.
        points: delivered networks: one at the latency, and further ones at 1/1.5, 1/2, 1/2.5, ... of it.
        size: image size HEIGHTxWIDTH in pixels; ``auto`` is the largest of the photos' shape that minutes and latency
            allow.
        stages: of the final training, as in ``retrain``; absent, encoder,aggregation where the minutes allow it, or
            encoder.
        searches: searches for each point; absent, one to three, as the minutes allow.
        search_epochs: of each search; absent, as the minutes allow.
        race_epochs: of the race's first round; absent, as the minutes allow.
        train_epochs: of each stage of the final training; absent, as the minutes allow.
        init: what the final training begins with: search, the weights that the winner's search has left, as far as they
            fit (a hand-made network begins with random ones), or random.
        hand_made: scaled to each point's latency, they race against what was found.
        engine: what runs the networks: onnxruntime or openvino.
        engine_threads: threads of the engine. With one, processor time is measured, which others hardly disturb.
        most_lost: most mIoU that an int8 file may lose, from 0 to 1; one that loses more is not delivered.
        dry_run: print the plan, and train nothing.
        web: run each search and each training as a trial of an NNI experiment, and so show them in NNI's web UI, on
            this machine alone, until the fit ends. Beside --resume, absent, as it was begun.
        port: of the web UI, 8080 if absent; beside --resume, absent, as it was begun.
        seed: of everything.
        device: auto, cpu or cuda.
        precision: 32 or bf16, of searches and trainings.
        threads: of torch on the CPU; as many as are fastest if absent.
        data: how the photos are read; their folder is SOURCE.
        space: what can be built.
        out: the folder; ``runs/fit-<date>-<time>`` if absent.
        resume: continue the fit in this folder; all other options come from its config.yml.
    """

    POSITIONAL = "source"
    source: str | None = None
    latency_ms: float | None = None
    minutes: float | None = None
    points: int = 1
    size: str = AUTO
    stages: list[str] | None = None
    searches: int | None = None
    search_epochs: int | None = None
    race_epochs: int | None = None
    train_epochs: int | None = None
    init: str = INITS[0]
    hand_made: list[str] = field(default_factory=lambda: list(REFERENCES))
    engine: str = "onnxruntime"
    engine_threads: int = 1
    most_lost: float = 0.05
    dry_run: bool = False
    web: bool | None = None
    port: int | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = "32"
    threads: int | None = None
    data: DataOptions = field(default_factory=lambda: DataOptions(name="folder", size=AUTO))
    space: FitSpace = field(default_factory=FitSpace)
    out: str | None = None
    resume: str | None = None

    @property
    def targets(self) -> list[float]:
        """Milliseconds of each point, the slowest first: the latency over 1, 1.5, 2, 2.5 and so on."""
        assert self.latency_ms is not None
        return [self.latency_ms / (1 + place / 2) for place in range(self.points)]

    @property
    def budget(self) -> float:
        """Seconds for everything."""
        assert self.minutes is not None
        return 60 * self.minutes

    @property
    def at_once(self) -> int:
        """Trainings of a race at a time."""
        return RaceOptions(device=self.device).workers

    def photos(self) -> DataOptions:
        """The data set, at no size yet."""
        return self.data if self.source is None else of_folder(self.data, self.source)


def check_fit(options: FitOptions) -> None:
    """Everything about the options that can be wrong without reading data.

    Raises:
        InputError: the key, and what it should be.
    """
    from experiments.latency.build import check_clock
    from experiments.options.device import resolve_device, resolve_precision

    if options.source is None and options.data.root is None and options.data.name == "folder":
        raise InputError("SOURCE is missing: give the folder of labelled photos")
    for key, example in (("latency_ms", "20"), ("minutes", "30")):
        value = getattr(options, key)
        if value is None:
            raise InputError(f"--{key} is required, such as --{key} {example}")
        if not (isfinite(value) and value > 0):
            raise InputError(f"{key}: {value:g} must be above 0")
    if options.data.size != AUTO:
        raise InputError("data.size: a fit chooses it; give --size instead")
    if options.size != AUTO:
        parse_size(options.size)
    if not 1 <= options.points <= MOST_POINTS:
        raise InputError(f"points: {options.points} must be from 1 to {MOST_POINTS}")
    for key in ("searches", "search_epochs", "race_epochs", "train_epochs", "engine_threads"):
        value = getattr(options, key)
        if value is not None and value < 1:
            raise InputError(f"{key}: {value} must be at least 1")
    if options.stages not in (None, *([head] for head in HEADS), list(HEADS)):
        given = ",".join(options.stages or ())
        raise InputError(f"stages: {given!r} must be encoder, aggregation, or encoder,aggregation")
    if options.init not in INITS:
        raise InputError(f"init: unknown {options.init!r}; choose from {', '.join(INITS)}")
    unknown = [name for name in options.hand_made if name not in REFERENCES]
    if unknown or not options.hand_made or len(set(options.hand_made)) < len(options.hand_made):
        raise InputError(f"hand_made: give one or both of {', '.join(REFERENCES)}")
    if not 0.0 <= options.most_lost <= 1.0:
        raise InputError(f"most_lost: {options.most_lost:g} must be from 0 to 1")
    if options.data.batch < 2:
        raise InputError(f"data.batch: {options.data.batch} must be at least 2 (batch normalisation)")
    check_seed(options.seed)
    check_threads(options.threads)
    resolve_device(options.device)
    resolve_precision(options.precision)
    if options.space.preset not in (AUTO, *PRESETS):
        raise InputError(f"space.preset: unknown {options.space.preset!r}; choose from auto, {', '.join(PRESETS)}")
    for preset in options.space.presets():
        resolve_space(options, preset)
    check_clock(options.engine, "fp32")


def resolve_space(options: FitOptions, preset: str) -> SpaceConfig:
    """The space that is searched.

    Raises:
        InputError: values that make no space.
    """
    return options.space.of(preset).resolve()
