"""Whole files of every kind that a user hands over, and strategies that damage them."""

import io
import json
import random
import struct
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from fuzzing import as_json, change_tiff, damaged, damaged_json, damaged_trees
from hypothesis import strategies as st
from PIL import Image

from nas_space.architecture import Architecture
from nas_space.config import SpaceConfig

CLASSES = (("grass", (0, 200, 0)), ("path", (200, 180, 100)), ("pond", (0, 0, 200)))


def image_bytes(array: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def pictures() -> list[bytes]:
    """Small images of all kinds that people have."""
    rgb = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)
    grey = rgb[..., 0]
    exif = Image.Exif()
    exif[274] = 6
    made = [image_bytes(rgb, kind) for kind in ("PNG", "TIFF", "JPEG", "WEBP", "GIF", "BMP", "PPM")]
    made += [image_bytes(rgb, "JPEG", exif=exif), image_bytes(rgb, "JPEG", progressive=True), image_bytes(grey, "JPEG")]
    made += [
        image_bytes(rgb, "TIFF", compression=kind) for kind in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
    ]
    made += [image_bytes(grey.astype(np.uint16) * 257, kind) for kind in ("PNG", "TIFF")]
    made += [image_bytes(np.dstack([rgb, grey]), kind) for kind in ("PNG", "TIFF", "WEBP")]
    made += [image_bytes(Image.fromarray(rgb).convert("CMYK"), kind) for kind in ("JPEG", "TIFF")]
    made += [image_bytes(Image.fromarray(rgb).quantize(8), kind) for kind in ("PNG", "BMP", "GIF", "TIFF")]
    made += [image_bytes(grey > 128, kind) for kind in ("PNG", "BMP", "TIFF")]
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    moving = dict(save_all=True, append_images=frames[1:])
    return made + [image_bytes(frames[0], kind, **moving) for kind in ("PNG", "TIFF", "GIF", "WEBP")]


@cache
def masks() -> list[bytes]:
    """Small masks: indices, a palette, colours, 16 bits, 1 bit, with alpha; PNG, BMP and TIFF."""
    index = np.random.default_rng(0).integers(0, 3, (12, 17), dtype=np.uint8)
    colour = np.array([shade for _, shade in CLASSES], np.uint8)[index]
    palette = Image.fromarray(index)
    palette.putpalette([channel for _, shade in CLASSES for channel in shade])
    opaque = np.dstack([colour, np.full_like(index, 255)])
    kinds = ("PNG", "BMP", "TIFF")
    made = [image_bytes(array, kind) for array in (index, colour, palette, index > 0) for kind in kinds]
    made += [image_bytes(array, kind) for array in (index.astype(np.uint16), opaque) for kind in ("PNG", "TIFF")]
    return made + [image_bytes(colour, "TIFF", compression="tiff_lzw"), image_bytes(palette, "PNG", bits=2)]


def fallen_pictures() -> list[bytes]:
    """They once ended in an error or a warning of Python's own.

    A PNG whose header comes late, one of no moving picture, a GIF without its end, and TIFF tags of another type.
    """

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    png, tiff, gif = (image_bytes(np.zeros((12, 17), np.uint8), kind) for kind in ("PNG", "TIFF", "GIF"))
    late = png[:8] + 4 * chunk(b"gAMA", bytes(4)) + png[8:]
    still = png[:33] + chunk(b"acTL", bytes(8)) + png[33:]
    return [late, still, gif[:-1] + b",", *(change_tiff(tiff, [(6, 0.25, kind)]) for kind in (2, 7))]


CLASS_CSV = b'name,id,colour,ignore\ngrass,0,"0 200 0",\npath,1,#c8b464,no\npond,2,"[0, 0, 200]",\nsky,9,"1,2,3",yes\n'
CLASS_YAML = b"""\
classes:
- {name: grass, id: 0, colour: "#00c800"}
- {name: path, id: 1, colour: [200, 180, 100], ignore: false}
- &x {name: pond, id: 2, r: 0, g: 0, b: 200}
- {name: sky, id: 255, color: 1 2 3, ignore: true}
"""
CSV_TOKENS = (
    b",",
    b";",
    b"\t",
    b'"',
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"255",
    b"-1",
    b"1e9",
    b"#",
    b"yes",
    b"\0",
)
YAML_TOKENS = (
    b"&a [*a]",
    b"*x",
    b"- ",
    b": ",
    b"{",
    b"[" * 3000,
    b"!!python/object/apply:os.system [x]",
    b"!!set {a, b}",
    b"!!binary AA==",
    b"<<: *x",
    b"2001-99-99",
    b"2001-01-01",
    b"1_000",
    b"0x",
    b"1e999",
    b".nan",
    b"~",
    b"? [a]\n: b\n",
    b"%YAML 9.9\n",
    b"---\n",
    b"!!timestamp x",
    b"!!int x",
    b"!!float ''",
    b"!!bool x",
    b"0b",
    b"1:99:99",
    b"\t",
    b"|",
    b">",
    b"'",
    b"\x85",
    b"190:20:30",
    b"9" * 5000,
    b"!!omap [a]",
    b"!!pairs [a]",
    b"!!str [a]",
    b"!!map x",
    b"=",
    b"? {a: b}\n: c\n",
    b"!!null [a]",
)


WRONG_TAGS = (
    b"!!bool x",
    b"!!int ''",
    b"!!float ''",
    b"!!timestamp x",
    b"- {name: !!bool x}",
    b"!!null [a]",
    b"!!binary \xc3\xa4",
)
"""PyYAML fails on them by errors of Python's own."""


def class_files(seed: bytes, tokens: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    return damaged([seed], tokens)


def architectures() -> list[Any]:
    space = SpaceConfig(4, (8, 12), ((1, 2), (1, 3)), (1, 2), (1, 2), 4, 2)
    made = [Architecture.random(space, random.Random(0)), Architecture.random(SpaceConfig.paper(), random.Random(1))]
    return [json.loads(architecture.to_json()) for architecture in made]


def latency_tables() -> list[Any]:
    space = SpaceConfig(4, (8, 12), ((1, 2), (1, 3)), (1, 2), (1, 2), 4, 2)
    from dataclasses import asdict

    head = {
        "schema": 2,
        "space": asdict(space),
        "size": [32, 64],
        "classes": 3,
        "head": "encoder",
        "pixels": False,
        "resize": False,
        "argmax": False,
        "engine": "onnxruntime",
        "precision": "fp32",
    }
    head |= {"threads": 1, "device": "x", "date": "2026-01-01", "versions": {"a": "1"}, "fixed_ms": 1.5}
    names = ("d1s1", "d2s1", "d1s2", "d2s2")
    stages = [
        {"widths": ends, "layer_ms": {name: [[0.1, 0.2], [0.3, 1]] for name in names}} for ends in ([4, 8], [8, 12])
    ]
    return [{**head, "stages": stages}]


@cache
def models() -> list[tuple[bytes, dict[str, Any]]]:
    """A tiny trained network as bytes, with the content of its header."""
    import torch
    from safetensors.torch import save

    from experiments.model_file import HEADER, ModelInfo
    from nas_space.architecture import baseline1

    space = SpaceConfig(4, (8, 12), ((1, 2), (1, 3)), (1, 2), (1, 2), 4, 2)
    shades = tuple(shade for _, shade in CLASSES)
    info = ModelInfo(baseline1(space), "encoder", tuple(name for name, _ in CLASSES), shades, (32, 40), "streets")
    torch.manual_seed(0)
    weights = {name: value.contiguous() for name, value in info.build().state_dict().items()}
    return [(save(weights, info.metadata()), json.loads(info.metadata()[HEADER]))]


def model_files() -> st.SearchStrategy[bytes]:
    """Headers that say something else about the same weights, and safetensors files with changed bytes."""
    whole, content = models()[0]
    length = int.from_bytes(whole[:8], "little")
    header, body = json.loads(whole[8 : 8 + length]), whole[8 + length :]

    def joined(head: bytes) -> bytes:
        return len(head).to_bytes(8, "little") + head + body

    described = damaged_json([content]).map(
        lambda text: {**header, "__metadata__": {"ssr-nas": text.decode(errors="replace")}}
    )
    tensors = damaged_trees([header]).map(as_json)
    return described.map(as_json).map(joined) | tensors.map(joined) | damaged([whole])


@cache
def checkpoint_bytes() -> bytes:
    import torch

    buffer = io.BytesIO()
    state = {"monitor": {"options": {"seed": 0}, "stage": "encoder"}}
    parts: dict[str, Any] = {"state_dict": {"w": torch.zeros(3)}, "loops": {}, "callbacks": state}
    parts |= {"optimizer_states": [], "lr_schedulers": [], "pytorch-lightning_version": "2", "search": {}}
    torch.save(parts, buffer)
    return buffer.getvalue()


PICKLES = (
    b"cos\nsystem\n(S'touch fallen'\ntR.",
    b"c__builtin__\neval\n(S'1'\ntR.",
    b"\x80\x02]q\x00.",
    b"\x80\x04\x95\xff\xff\xff\xff",
)


def config_files() -> st.SearchStrategy[bytes]:
    from dataclasses import asdict

    from experiments.runs.files import plain
    from experiments.search.options import SearchRunOptions

    options = plain(asdict(SearchRunOptions()))
    text = yaml.safe_dump(options, sort_keys=False).encode()

    def dumped(tree: Any) -> bytes:
        try:
            return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")
        except yaml.YAMLError:
            return b"{}"

    return damaged_trees([options, {"space": {"depths": [[1, 2], [2, 3]], "widths": [8, 12]}}]).map(dumped) | damaged(
        [text, CLASS_YAML], YAML_TOKENS
    )


EXPERIMENT: dict[str, Any] = {
    "experimentName": "x",
    "searchSpace": {"seed": {"_type": "choice", "_value": [0, 1]}},
    "trialCommand": "ssr-nas trial",
    "trialCodeDirectory": ".",
    "trialConcurrency": 1,
    "maxTrialNumber": 2,
    "tuner": {"name": "GridSearch"},
    "trainingService": {"platform": "local", "useActiveGpu": False},
}


def experiments() -> st.SearchStrategy[bytes]:
    text = yaml.safe_dump(EXPERIMENT).encode()
    dumped = damaged_trees([EXPERIMENT]).map(lambda tree: yaml.safe_dump(tree).encode())
    return dumped | damaged([text], YAML_TOKENS)


PARAMETERS: list[Any] = [
    {"seed": 1, "method.h": 0.5, "space.widths": [8, 12], "strategy": {"_name": "ssr", "method.ramp": 0.1}}
]


@cache
def summary() -> dict[str, Any]:
    """``search.json`` of a small search."""
    removal = {"epoch": 1, "level": "width", "rule": "ratio", "place": "stage1/layer1", "candidate": "4", "ratio": 0.1}
    made: dict[str, Any] = {
        "strategy": "ssr",
        "seed": 0,
        "dataset": "streets",
        "epochs": 2,
        "discrete": True,
        "discrete_epoch": 1,
    }
    made |= {
        "removals": [removal],
        "miou": {"supernet": 0.4, "derived": 0.5},
        "gap": {"loss_supernet": 1.0, "loss_derived": 1.1},
    }
    made |= {"gap_before": None, "cost": {"params": 1, "macs_total": 2.0, "macs_conv": 2.0}, "time": {"total_s": 3.0}}
    made |= {"peak_memory_mb": 5.0, "versions": {"torch": "2"}, "device": "cpu"}
    from strategies.alive import LEVELS

    alive = [{"epoch": epoch, **dict.fromkeys(LEVELS, 3)} for epoch in (1, 2, 3)]
    return {**made, "alive": alive, "entropy": {"initial": 1.0, "final": 0.0}}


@cache
def metrics() -> bytes:
    from strategies.alive import LEVELS

    columns = ["epoch", "loss_w", "loss_a", "miou", "entropy", *(f"entropy_{level}" for level in LEVELS)]
    rows = [[str(epoch), *["0.5"] * (len(columns) - 1)] for epoch in (1, 2)]
    return ("\n".join(",".join(row) for row in (columns, *rows)) + "\n").encode()


FALLEN_METRICS = [metrics().replace(b"0.5", b"0.5x", 1), metrics().replace(b"2,0.5", b"x,0.5"), b"", b"\0" * 200]


def finished_run(folder: Path) -> None:
    """What ``ssr-nas report`` needs."""
    (folder / "search.json").write_bytes(as_json(summary()))
    (folder / "metrics.csv").write_bytes(metrics())
    (folder / "architecture.json").write_bytes(as_json(architectures()[0]))


def fallen_summaries() -> list[bytes]:
    """Values of another kind, which once ended in an error of Python's own or of matplotlib's."""
    changes: list[dict[str, Any]] = [
        {"peak_memory_mb": "x"},
        {"versions": 0.5},
        {"removals": [[]]},
        {"removals": [{"level": {}}]},
        {"alive": [{}]},
        {"alive": []},
        {"cost": []},
        {"miou": {}},
        {"miou": {"derived": "x"}},
        {"gap": {"loss_supernet": "x", "loss_derived": 1}},
        {"discrete_epoch": []},
    ]
    return [b"null", b"[1]", b"[" * 3000, *(as_json({**summary(), **change}) for change in changes)]


DESCRIPTION = {
    "format": "ssr-nas export 1",
    "classes": ["a", "b"],
    "colours": [[0, 0, 0], [1, 2, 3]],
    "size": "32x40",
    "dynamic": False,
    "pixels": False,
    "resize": False,
    "argmax": False,
    "normalisation": {"scale": 0.1, "offset": -2.0},
    "precision": "32",
    "lowering": "zeros",
    "head": "encoder",
    "dataset": "streets",
    "architecture": {"peer": "erfnet"},
}


@cache
def onnx_bytes() -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 32, 40])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2, 32, 40])
    weight = numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "w")
    graph = helper.make_graph([helper.make_node("Conv", ["image", "w"], ["logits"])], "g", [image], [logits], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in DESCRIPTION.items()})
    return bytes(model.SerializeToString())


def search_options() -> Any:
    from experiments.search.options import SearchOptions

    return SearchOptions()


PLACE: dict[str, Any] = {"data": {"name": "folder", "root": ".", "classes": None, "val_fraction": 0.5}}
FALLEN_PLACES = [
    yaml.safe_dump({"data": {**PLACE["data"], **change}}).encode()
    for change in (
        {"root": 5},
        {"root": [1]},
        {"root": "A" * 5000},
        {"classes": {}},
        {"val_fraction": "x"},
        {"val_fraction": float("nan")},
    )
]


def place_files() -> st.SearchStrategy[bytes]:
    return damaged_trees([PLACE]).map(lambda tree: yaml.safe_dump(tree).encode()) | damaged(
        [yaml.safe_dump(PLACE).encode()], YAML_TOKENS
    )


def record_files() -> st.SearchStrategy[bytes]:
    return damaged_json([{"parameter_id": 3, "parameters": PARAMETERS[0]}])


def compared() -> st.SearchStrategy[bytes]:
    return damaged_json([compared_search()])


def compared_search() -> dict[str, Any]:
    return {**summary(), "space": architectures()[0]["space"]}


def trainings() -> st.SearchStrategy[bytes]:
    return damaged_json([{"miou": 0.5, "cost": summary()["cost"]}])


def comparison(folder: Path) -> None:
    """A comparison's folder with one complete search, and its network's training."""
    run = folder / "search" / "ssr-0"
    run.mkdir(parents=True)
    (run / "metrics.csv").write_bytes(metrics())
    (run / "search.json").write_bytes(as_json(compared_search()))
    training = folder / "retrain" / "ssr-0-seed0"
    training.mkdir(parents=True)
    (training / "retrain.json").write_bytes(as_json({"miou": 0.5, "cost": summary()["cost"]}))
