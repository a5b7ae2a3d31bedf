"""Tell what a space holds and what its networks cost.

The numbers come in closed form, so a space of any size is described at once, without torch.
"""

import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from experiments.options.groups import SpaceOptions, parse_size
from experiments.runs.columns import CONV_MACS_G, MACS_G
from experiments.runs.shipped import WEIGHTS, find_architecture
from nas_space.architecture import baseline1, baseline2, resolve_architecture
from nas_space.config import SpaceConfig, check_size
from nas_space.cost import Cost, cost
from nas_space.errors import InputError
from nas_space.scaling import parse_scaled


@dataclass
class Options:
    """Options of ``ssr-nas space``.

    Args:
        space: the space.
        arch: cost this network only: an architecture.json, baseline1, baseline2, or one scaled to a bound, such as
            baseline2@2.6G (MACs), baseline2@0.5M (parameters) or baseline2@20ms.
        size: image size HEIGHTxWIDTH in pixels at which operations are counted.
        classes: classes of the segmentation.
    """

    space: SpaceOptions = field(default_factory=lambda: SpaceOptions(preset="paper"))
    arch: str | None = None
    size: str = "512x1024"
    classes: int = 19


def run(options: Options) -> dict[str, Any]:
    """Describe the space, or cost one network of it; return the numbers as ``--json`` prints them."""
    size = parse_size(options.size)
    if options.classes < 1:
        raise InputError(f"classes: {options.classes} must be at least 1")
    config = options.space.resolve()
    if options.arch is None:
        check_size("size", size, len(config.widths))
        return _describe(options.space.preset, config, size, options.classes)
    if parse_scaled(options.arch) is None:
        architecture = resolve_architecture(find_architecture(options.arch), config)
    else:
        from experiments.benchmark.networks.scaled import Scaler  # torch, for milliseconds

        architecture = Scaler(size)(options.arch, config, options.classes)
    check_size("size", size, len(architecture.stages))
    total = cost(architecture, size, options.classes)
    head = architecture.space.heads[0]
    print(f"{options.arch} at {size[0]}x{size[1]}, {options.classes} classes, {head} head\n\n{architecture.table()}\n")
    print(_format_costs({options.arch: total}))
    if (Path(options.arch) / WEIGHTS).is_file():
        print(f"\nwith the head and classes that it was trained with: ssr-nas cost {shlex.quote(options.arch)}")
    return {**asdict(total), "size": f"{size[0]}x{size[1]}"}


def _describe(name: str, config: SpaceConfig, size: tuple[int, int], classes: int) -> dict[str, Any]:
    sizes = config.sizes()
    print(f"space {name}: searches {', '.join(config.search) or 'nothing'}\n")
    rows = {
        "depths": " and ".join(_format_set(depths) for depths in config.depth_candidates),
        "operators of a layer": f"{len(config.operators)}: dilation x pooling "
        + " ".join(f"{d}x{p}" for d, p in config.operators),
        "widths": " and ".join(_format_set(config.width_candidates(stage)) for stage in range(len(config.widths))),
        "choices": f"{sizes['choices']:,}",
        "architecture parameters": f"{sizes['architecture_parameters']:,}",
        "configurations of the super-network": f"10^{sizes['log10_supernet_configurations']:.3f}",
        "distinct networks": f"10^{sizes['log10_networks']:.3f}",
        "entropy at the start": f"{sizes['entropy_nats']:.2f} nats",
    }
    print("\n".join(f"  {label:<37}{value}" for label, value in rows.items()))
    print(f"\nbaselines at {size[0]}x{size[1]}, {classes} classes, {config.heads[0]} head\n")
    print(_format_costs({build.__name__: cost(build(config), size, classes) for build in (baseline1, baseline2)}))
    return sizes


def _format_set(values: tuple[int, ...]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"


def _format_costs(costs: dict[str, Cost]) -> str:
    width = max(len("network"), *map(len, costs))
    rows = [f"  {'network':<{width}}  {'parameters':>12}  {CONV_MACS_G.name:>12}  {MACS_G.name:>12}"]
    for name, total in costs.items():
        macs = f"{total.macs_conv / CONV_MACS_G.unit:>12.3f}  {total.macs_total / MACS_G.unit:>12.3f}"
        rows.append(f"  {name:<{width}}  {total.params:>12,.0f}  {macs}")
    return "\n".join(rows)
