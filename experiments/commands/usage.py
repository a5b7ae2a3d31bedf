"""What the help of each command shows first: examples to copy, and the options that most people need."""

from experiments.options.help import Usage

FOLDER = ("data.name", "data.root", "data.size")
"""A data set, and the size at which it is read."""
ARCHITECTURE = "--arch runs/found/architecture.json"
PHOTOS = "--data.name folder --data.root garden --data.size 96x128"

USAGE = {
    "fit": Usage(
        ("ssr-nas fit garden --latency_ms 20 --minutes 60", "ssr-nas fit --resume runs/fit-20261129-101500"),
        ("points", "size", "engine", "dry_run", "web", "out", "resume"),
        dict.fromkeys(("source", "latency_ms", "minutes"), "--resume"),
    ),
    "space": Usage(
        ("ssr-nas space --preset compact --size 96x128", "ssr-nas space --preset paper --arch baseline2@2.6G"),
        ("space.preset", "arch", "size", "classes"),
    ),
    "search": Usage(
        ("ssr-nas search", f"ssr-nas search {PHOTOS} --constraint.macs 30M"),
        (
            *("strategy", "epochs", "seed", *FOLDER, "space.preset"),
            *("constraint.macs", "constraint.latency_ms", "target.macs", "target.latency_ms", "constraint.head"),
            *("out", "resume"),
        ),
    ),
    "retrain": Usage(
        (f"ssr-nas retrain {ARCHITECTURE}", f"ssr-nas retrain --arch baseline1 --epochs 50 {PHOTOS}"),
        ("peer", "epochs", "stages", "seed", *FOLDER, "data.batch", "train.lr", "init", "out", "resume"),
        {"arch": "--peer, or --resume"},
    ),
    "evaluate": Usage(
        ("ssr-nas evaluate --checkpoint runs/trained", "ssr-nas evaluate --checkpoint runs/trained --split test"),
        ("checkpoint", "split", "data.name", "data.root", "eval.size", "out"),
    ),
    "predict": Usage(
        ("ssr-nas predict --checkpoint runs/trained street.jpg", "ssr-nas predict --checkpoint runs/trained photos/"),
        ("checkpoint", "camera", "frames", "eval.size", "out"),
        {"inputs": "--camera"},
    ),
    "figures": Usage(
        ("ssr-nas figures --checkpoint runs/found --against runs/baseline1",),
        ("checkpoint", "against", "split", "count", "out"),
    ),
    "figures paper": Usage(
        ("ssr-nas figures paper --figure loss_surfaces", "ssr-nas figures paper runs/ssr runs/darts --figure entropy"),
        ("figure", "out"),
    ),
    "compare": Usage(
        (
            "ssr-nas compare --strategies ssr,darts --seeds 0,1,2",
            "ssr-nas compare --landscape streets --runs runs/found",
        ),
        (
            *("strategies", "seeds", "references", "random", "epochs", "retrain_epochs", "workers"),
            *("landscape", "runs", *FOLDER, "out"),
        ),
    ),
    "landscape": Usage(
        ("ssr-nas landscape --networks 100 --seeds 0,1", "ssr-nas landscape --resume runs/landscape --seeds 0,1,2"),
        ("networks", "seeds", "epochs", "processes", *FOLDER, "space.preset", "space.search", "out", "resume"),
    ),
    "race": Usage(
        ("ssr-nas race runs/ssr-0 runs/ssr-1 baseline1 baseline2", "ssr-nas race --resume runs/race"),
        ("rounds", "keep", "epochs", "seeds", "hold_out", "processes", *FOLDER, "out", "resume"),
        {"entrants": "--resume"},
    ),
    "report": Usage(("ssr-nas report runs/found", "ssr-nas report 8zqk4mtw --out table.md"), ("out",)),
    "data check": Usage(
        ("ssr-nas data check garden", "ssr-nas data check --data.name camvid --data.root camvid"),
        (*FOLDER, "data.format", "data.classes"),
    ),
    "data convert": Usage(
        ("ssr-nas data convert exported --out garden",), ("out", "data.format", "data.classes", "data.limit")
    ),
    "data classes": Usage(("ssr-nas data classes garden --out garden/classes.csv",), ("out", "data.format")),
    "cost": Usage(
        ("ssr-nas cost baseline1 runs/found", "ssr-nas cost erfnet --sizes 512x1024 --fps false"),
        ("sizes", "fps", "engine", "precision", "threads", "classes", "out"),
    ),
    "latency": Usage(
        ("ssr-nas latency --preset compact --size 96x128", "ssr-nas latency --engine openvino --check 20"),
        ("space.preset", "size", "classes", "engine", "precision", "threads", "check", "out"),
    ),
    "latency pack": Usage(
        ("ssr-nas latency pack --out bundle.zip --size 96x128",),
        ("out", "space.preset", "size", "classes", "engine", "precision"),
    ),
    "export": Usage(
        (
            "ssr-nas export --checkpoint runs/trained --format onnx --out model.onnx",
            "ssr-nas export --checkpoint runs/trained --format openvino --precision int8 --out model.xml",
        ),
        ("checkpoint", "format", "out", "size", "precision", "pixels", "argmax", "dynamic"),
    ),
    "export lowering": Usage(
        ("ssr-nas export lowering --formats onnx,openvino",), ("formats", "space.preset", "count", "size", "threads")
    ),
    "benchmark": Usage(
        (
            "ssr-nas benchmark --arch runs/found --against baseline1",
            "ssr-nas benchmark --arch erfnet --engine openvino --size 360x480 --threads 1",
        ),
        ("arch", "against", "engine", "size", "precision", "threads", "rounds", "out"),
    ),
    "benchmark search": Usage(
        ("ssr-nas benchmark search --preset compact --size 96x128",),
        ("space.preset", "size", "batch", "rounds", "device", "out"),
    ),
    "benchmark training": Usage(
        ("ssr-nas benchmark training --arch baseline1 --data.size 96x128",),
        ("arch", "peer", "steps", "rounds", *FOLDER, "data.batch", "device"),
    ),
    "benchmark video": Usage(
        ("ssr-nas benchmark video street.mp4 --arch runs/trained",),
        ("arch", "engine", "size", "batch", "frames", "threads", "out"),
    ),
    "trial": Usage(
        ("ssr-nas trial --config experiments/configs/strategies/search.yml",),
        ("strategy", "epochs", "seed", *FOLDER, "space.preset"),
    ),
    "race-trial": Usage(
        ("ssr-nas race-trial --config experiments/configs/race/race.yml",),
        ("entrants", "rounds", "epochs", "seeds", *FOLDER),
    ),
    "fit-trial": Usage(("ssr-nas fit-trial",)),
    "launch": Usage(
        ("ssr-nas launch experiments/configs/strategies/experiment.yml", "ssr-nas launch --resume 8zqk4mtw"),
        ("resume", "port", "host", "keep", "out"),
        {"experiment": "--resume"},
    ),
    "export-best": Usage(("ssr-nas export-best 8zqk4mtw --select pareto",), ("select", "out")),
}
"""By command. A command that is not here explains all of its options."""
