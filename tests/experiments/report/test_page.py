"""The report of a search, from files as a search leaves them."""

import csv
import json
import random
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main
from experiments.report.captions import CAPTIONS
from experiments.report.page import TEMPLATE, write_report
from experiments.runs.files import write_json
from experiments.runs.folder import write_metrics
from nas_space.architecture import Architecture, baseline1, baseline2
from nas_space.config import SpaceConfig
from nas_space.cost import cost
from nas_space.errors import InputError

EPOCHS = 12


def search_summary() -> dict[str, Any]:
    return {
        "strategy": "ssr",
        "seed": 3,
        "space": {},
        "dataset": "streets",
        "epochs": EPOCHS,
        "discrete": True,
        "discrete_epoch": 9,
        "removals": [
            {
                "epoch": 2,
                "level": "operator",
                "label": "stage1/layer1/op",
                "candidate": "d2s1",
                "ratio": 0.09,
                "rule": "threshold",
            },
            {
                "epoch": 4,
                "level": "operator",
                "label": "stage1/layer1/op",
                "candidate": "d4s1",
                "ratio": 0.05,
                "rule": "threshold",
            },
            {
                "epoch": 4,
                "level": "width",
                "label": "stage1/layer1/d4s1/width_3x1",
                "candidate": 16,
                "ratio": None,
                "rule": "cascade",
            },
        ],
        "entropy": {"initial": 140.5, "final": 0.0, "per_level": {"depth": 0.0, "operator": 0.0, "width": 0.0}},
        "miou": {"supernet": 0.4801, "derived": 0.4801, "resolution": "1/8"},
        "gap": {"loss_supernet": 0.5, "loss_derived": 0.50001, "max_logit_difference": 1e-6},
        "gap_before": {"loss_supernet": 0.52, "loss_derived": 0.61, "max_logit_difference": 3.0},
        "cost": {"params": 80123, "macs_conv": 2.0e7, "macs_total": 2.1e7, "size": "96x128"},
        "time": {"total_s": 131.0, "epoch_s": [11.0] * EPOCHS},
        "peak_memory_mb": 812.4,
        "alive": [
            {"epoch": e, "depth": 7 - e, "operator": 70 - 4 * e, "width": 560 - 40 * e} for e in range(1, EPOCHS + 2)
        ],
        "versions": {"ssr-nas": "0.1.0", "torch": "2.14.1"},
        "device": "cpu",
    }


def metrics() -> list[dict[str, Any]]:
    rows = []
    for epoch in range(1, EPOCHS + 1):
        left = max(0.0, 1 - epoch / 9)
        row: dict[str, Any] = {
            "epoch": epoch,
            "loss_w": 2 / epoch,
            "loss_a": 2.2 / epoch if left else None,
            "miou": 0.5 - 0.4 / epoch,
        }
        for level, share in (("depth", 2.2), ("operator", 14.6), ("width", 123.7)):
            row[f"entropy_{level}"] = share * left
        row["entropy"] = 140.5 * left
        rows.append({**row, "expected_macs": 2e7, "lr": 1e-3, "seconds": 11.0})
    return rows


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    write_json(folder / "search.json", search_summary())
    write_metrics(folder, metrics())
    (folder / "architecture.json").write_text(Architecture.random(SpaceConfig.compact(), random.Random(0)).to_json())
    (folder / "config.yml").write_text("epochs: 12\n")
    return folder


class Page(HTMLParser):
    """What a browser would find: text, the sources of images, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.rows: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.sources += [value for key, value in attrs if key in ("src", "href") and value]
        if tag not in ("img", "meta"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "
        if "tr" in self.open:
            self.rows[-1] += f"{data} "


@pytest.mark.usefixtures("real_figures")
def test_page_is_whole_and_needs_nothing_beside_it(run: Path) -> None:
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert page.open == []
    assert len(page.sources) == 4 and all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert all(CAPTIONS[name] in page.text for name in ("architecture", "entropy", "alive", "miou"))
    for fact in (
        "ssr on streets, seed 3",
        "Discrete since epoch 9, by threshold.",
        "cascade: what belonged to another candidate",
        "48.01 %",
        "0.0801",
        "812 MiB",
        "2.2 min",
    ):
        assert fact in page.text
    assert page.tags >= {"figcaption", "details"} and page.text.count("MACs M") == 1
    assert "torch 2.14.1" in page.text and "epochs: 12" in page.text and "milliseconds" not in page.text
    for number in ("architecture", "entropy", "alive", "miou"):
        assert (run / "figures" / f"{number}.png").read_bytes().startswith(b"\x89PNG")
    assert not list(run.rglob("*.tmp"))


def test_the_found_network_stands_beside_baseline1(run: Path) -> None:
    classes = {"road": 0.9, "<sky>": 0.5, "hut": None}
    miou = {**search_summary()["miou"], "derived_full": 0.7}
    write_json(run / "search.json", search_summary() | {"per_class": classes, "miou": miou})
    write_json(run / "speed.json", {"found_ms": 2.0, "baseline_ms": 4.0, "source": "measured now", "warning": "busy"})
    (run / "config.yml").write_text("data: {name: folder, root: my garden, size: 64x96}\n")
    page = Page(write_report(run).read_text(encoding="utf-8"))
    network = Architecture.load(run / "architecture.json")
    made = cost(baseline1(network.space), (96, 128), len(classes))
    rows = [line.split() for line in page.rows]
    found, baseline = (next(row for row in rows if row[0] == name) for name in ("found", "baseline1"))
    assert found[1:] == ["0.0801", "21", "2.00", "500", "70.0"]
    assert baseline[2:] == [f"{made.macs_total / 1e6:.1f}", "4.00", "250", "-"]
    assert ["road", "90.0"] in rows and ["<sky>", "50.0"] in rows and ["hut", "-"] in rows
    assert "Latency measured now. Warning: busy." in page.text
    bigger = cost(network, (96, 128), len(classes), "aggregation")
    more = f"{bigger.params / 1e6:.3g} M parameters, {bigger.macs_total / 1e6:.3g} M MACs"
    assert f"found is counted with the encoder head. retrain gives it the aggregation head: {more}." in page.text
    assert "baseline1 is not trained here" in page.text
    flags = "--data.name folder --data.root 'my garden' --data.size 64x96"
    assert f"retrain --arch {run / 'architecture.json'} {flags}" in page.text


def test_a_search_that_counts_the_larger_head_says_so(run: Path) -> None:
    costs = {**search_summary()["cost"], "head": "aggregation"}
    write_json(run / "search.json", search_summary() | {"per_class": {"road": 0.9}, "cost": costs})
    page = Page(write_report(run).read_text(encoding="utf-8"))
    made = cost(baseline1(Architecture.load(run / "architecture.json").space), (96, 128), 1, "aggregation")
    assert f"{made.macs_total / 1e6:.1f}" in next(line for line in page.rows if line.split()[0] == "baseline1")
    assert "found is counted with the aggregation head. In a search it has the encoder head: " in page.text


def test_what_was_before_it_was_discrete_is_told_of_discrete_searches_alone(run: Path) -> None:
    gap = {"loss_supernet": 1.0, "loss_derived": 2.0}
    for discrete in (True, False):
        write_json(run / "search.json", search_summary() | {"discrete": discrete, "gap_before": gap})
        assert ("before it was discrete" in write_report(run).read_text(encoding="utf-8")) == discrete


@pytest.mark.parametrize(
    "change",
    [
        {"cost": {"params": "x", "macs_total": 1}},
        {"cost": {"params": 1, "size": "large"}},
        {"per_class": {"road": "x"}},
        {"per_class": [1]},
        {"miou": {"derived": 0.5, "derived_full": "x"}},
    ],
)
def test_numbers_of_another_kind_are_named(run: Path, change: dict[str, Any]) -> None:
    write_json(run / "search.json", search_summary() | change)
    with pytest.raises(InputError, match="search.json: is damaged"):
        write_report(run)


@pytest.mark.parametrize("content", ["{", "[]", '{"found_ms": 0, "baseline_ms": 1}', '{"found_ms": "x"}'])
def test_a_damaged_speed_is_left_out(run: Path, content: str) -> None:
    (run / "speed.json").write_text(content)
    assert "FPS" not in Page(write_report(run).read_text(encoding="utf-8")).text


def test_budgets_and_their_clock(run: Path) -> None:
    bounded = {
        "target": {"latency_ms": {"target": 20.0, "found": 19.5, "ratio": 0.975, "met": True}},
        "constraint": {"params": {"limit": 5e4, "found": 6e4, "met": False}},
        "clock": "onnxruntime, fp32, on a <board>",
    }
    write_json(run / "search.json", search_summary() | bounded)
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert "target of latency ms 20, found 19.5: met" in " ".join(text.split())
    assert "bound on parameters 50K, found 60K: not met" in " ".join(text.split())
    assert "milliseconds are those of onnxruntime, fp32, on a <board>" in " ".join(text.split())


def test_a_fit_has_its_report_already(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fit.json").write_text("{}")
    assert main(["report", str(tmp_path)]) == 2
    assert str(tmp_path / "deliver" / "report.html") in capsys.readouterr().err


def test_the_command_writes_the_page_of_each_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    assert main(["report", str(run), str(other), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["reports"] == {str(folder): str(folder / "report.html") for folder in (run, other)}
    mine = (run / "report.html").read_text()
    assert mine.replace(f"{run}/", f"{other}/") == (other / "report.html").read_text()  # the next command names it
    assert main(["report", str(run), "--out", "page.md"]) == 2
    assert "lies in its folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "</title>", "a\"b'c", "{{ 7 * 7 }} {% x %}", "$title &amp;"]
)
@pytest.mark.usefixtures("real_figures")
def test_text_from_files_is_shown_as_it_is(name: str, run: Path) -> None:
    removals = [{"epoch": 1, "level": name, "rule": name}]
    changes = {"strategy": name, "dataset": name, "removals": removals, "versions": {name: name}}
    write_json(run / "search.json", {**search_summary(), **changes})
    (run / "config.yml").write_text(f"classes: </pre>{name}")
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert page.open == [] and "script" not in page.tags and len(page.sources) == 4
    for part in (
        f"{name} on {name}, seed 3",
        f", by {name}.",
        f"classes: </pre>{name}",
        f"{name} {name}, d",
    ):
        assert part in page.text
    assert page.text.count(name) == 10  # two of them in each title, two in the table of removals


def test_the_template_is_part_of_an_installation() -> None:
    tomllib = pytest.importorskip("tomllib")  # from Python 3.11 on
    root = Path(__file__).parents[3]
    data = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["experiments"]
    files = {file for pattern in data for file in (root / "experiments").glob(pattern)}
    assert root / "experiments" / "report" / TEMPLATE in files


@pytest.mark.usefixtures("real_figures")
def test_search_that_never_became_discrete(run: Path) -> None:
    summary = {**search_summary(), "discrete": False, "discrete_epoch": None, "gap_before": None, "removals": []}
    summary["miou"] = {"supernet": 0.5, "derived": None, "resolution": "1/8"}
    write_json(run / "search.json", summary)
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert "did not become discrete" in text and "not measured" in text


def test_every_score_names_the_resolution_of_its_labels(run: Path) -> None:
    assert "found network, same weights, labels at 1/8" in write_report(run).read_text()  # of an earlier version
    summary = json.loads((run / "search.json").read_text())
    summary["miou"] |= {"resolution": "12x16", "derived_full": 0.4321, "resolution_full": "96x128"}
    (run / "search.json").write_text(json.dumps(summary))
    page = write_report(run).read_text()
    assert "mIoU, super-network, labels at 12x16" in page and "43.21 %" in page
    assert "mIoU, found network, labels at 96x128 as in a retraining" in page


@pytest.mark.usefixtures("real_figures")
def test_one_epoch_without_validation(run: Path) -> None:
    write_metrics(run, [{**metrics()[0], "miou": None}])
    assert write_report(run).is_file()


@pytest.mark.usefixtures("real_figures")
def test_largest_network_of_the_paper(run: Path) -> None:
    (run / "architecture.json").write_text(baseline2(SpaceConfig.paper()).to_json())
    assert "128/128" in Page(write_report(run).read_text(encoding="utf-8")).text


@pytest.mark.usefixtures("real_figures")
def test_same_run_gives_the_same_bytes(run: Path) -> None:
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("search.json", None, "search.json: no such file"),
        ("search.json", "{", "search.json: cannot be read"),
        ("search.json", "{}", "search.json: strategy is missing"),
        ("search.json", "[]", "search.json: strategy is missing"),
        ("metrics.csv", None, "metrics.csv: cannot be read"),
        ("metrics.csv", "", "metrics.csv: cannot be read"),
        ("metrics.csv", "epoch,loss_w\n1,2\n", "metrics.csv: column loss_a is missing"),
        ("architecture.json", "{}", "architecture.json: "),
    ],
)
def test_damaged_run_is_named_and_left_alone(run: Path, name: str, content: str | None, message: str) -> None:
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_text(content)
    before = sorted(run.iterdir())
    with pytest.raises(InputError, match=message):
        write_report(run)
    assert sorted(run.iterdir()) == before


def test_metrics_are_read_as_they_were_written(run: Path) -> None:
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss_w"]) for row in rows] == [row["loss_w"] for row in metrics()]
    assert rows[-1]["loss_a"] == ""
    assert json.loads((run / "search.json").read_text()) == search_summary()


@pytest.mark.usefixtures("real_figures")
def test_a_figure_that_cannot_be_drawn_is_left_out_and_told(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no canvas")

    for name in ("architecture", "alive"):
        monkeypatch.setattr(f"experiments.report.figures.{name}_figure", fail)
    assert main(["report", str(run)]) == 0
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    assert page.open == [] and len(page.sources) == 2 and "0.0801" in page.text
    assert [path.name for path in sorted((run / "figures").iterdir())] == ["entropy.png", "miou.png"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "architecture.png" in lines[0] and "no canvas" in lines[0] and "alive.png" in lines[1]


@pytest.mark.usefixtures("real_figures")
def test_names_in_no_encoding_are_shown(run: Path) -> None:
    write_json(run / "search.json", {**search_summary(), "dataset": "caf\udce9 \x1b[2J", "device": "\udce9"})
    text = write_report(run).read_text(encoding="utf-8")
    assert text.count("ssr on caf\\udce9 \\x1b[2J, seed 3") == 2
