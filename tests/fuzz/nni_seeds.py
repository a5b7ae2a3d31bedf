"""NNI's database of an experiment, whole and damaged."""

import json
import sqlite3
from contextlib import closing
from functools import cache
from typing import Any

from fuzzing import as_json, damaged, damaged_json, damaged_trees
from hypothesis import strategies as st
from seeds import architectures

RESULT = {"default": 0.5, "macs": 1e6, "miou_supernet": 0.4, "discrete": True, "seconds": 3.0, "data": ""}


@cache
def record_trees() -> list[Any]:
    """The texts in the tables of an NNI experiment: profile, parameters, and metrics (JSON in JSON)."""
    result = {**RESULT, "architecture": json.dumps(architectures()[0])}
    events = [
        [f"t{i}", event, {"parameter_id": i, "parameters": {"seed": i, "method": {"_name": "a", "h": 1}}}, i]
        for i in range(2)
        for event in ("WAITING", "SUCCEEDED")
    ]
    return [{"profile": {"experimentName": "name"}, "events": events, "metrics": [["t0", result], ["t1", 0.25]]}]


def databases() -> st.SearchStrategy[bytes]:
    """NNI's databases with changed values, and with changed bytes."""
    whole = database_bytes(record_trees()[0])
    texts = st.tuples(damaged_json([0.5, {"a": 1}]), st.integers(0, 2)).map(
        lambda pair: database_bytes(record_trees()[0], *pair)
    )
    return damaged_trees(record_trees()).map(database_bytes) | texts | damaged([whole])


def database_bytes(tree: Any, text: bytes | None = None, place: int = 0) -> bytes:
    """A SQLite file with these rows, as far as they are rows; ``text`` instead of one of its JSON texts."""
    tree = tree if isinstance(tree, dict) else {"profile": tree}

    def dump(value: Any, number: int) -> Any:
        chosen = text if text is not None and number == place else as_json(value)
        return chosen.decode("utf-8", "surrogateescape").encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def rows(key: str, count: int) -> list[list[Any]]:
        values = tree.get(key)
        lists = [row for row in values if isinstance(row, list)] if isinstance(values, list) else []
        return [(row + [None] * count)[:count] for row in lists]

    def cell(value: Any) -> Any:
        value = dump(value, -1) if isinstance(value, dict | list) else value
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return str(value)[:4000]
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value

    with closing(sqlite3.connect(":memory:")) as connection, connection:
        connection.execute(
            "create table ExperimentProfile (params, id, startTime, endTime, logDir, nextSequenceId, revision)"
        )
        connection.execute(
            "create table TrialJobEvent (timestamp, trialJobId, event, data, logPath, sequenceId, message, envId)"
        )
        connection.execute("create table MetricData (timestamp, trialJobId, parameterId, type, sequence, data)")
        connection.execute(
            "insert into ExperimentProfile (params, revision) values (?, 0)", (dump(tree.get("profile"), 0),)
        )
        for time, (name, event, data, number) in enumerate(rows("events", 4)):
            connection.execute(
                "insert into TrialJobEvent (timestamp, trialJobId, event, data, sequenceId) values (?, ?, ?, ?, ?)",
                (time, cell(name), cell(event), dump(data, 1), cell(number)),
            )
        for time, (name, metric) in enumerate(rows("metrics", 2)):
            metric = (
                {**metric, "architecture": metric["architecture"]}
                if isinstance(metric, dict) and "architecture" in metric
                else metric
            )
            connection.execute(
                "insert into MetricData (timestamp, trialJobId, type, data) values (?, ?, 'FINAL', ?)",
                (time, cell(name), dump(dump(metric, 2), -1)),
            )
        connection.commit()
        return connection.serialize() if hasattr(connection, "serialize") else b""


FALLEN_DATABASES = [
    database_bytes({**record_trees()[0], key: value})
    for key, value in (
        ("profile", None),
        ("profile", [1]),
        ("events", [["t0", "SUCCEEDED", 7, 0]]),
        ("events", [["t0", "SUCCEEDED", {"parameters": [1]}, "x"]]),
        ("metrics", [["t0", {**RESULT, "macs": None}]]),
        ("metrics", [["t0", {**RESULT, "default": "x"}]]),
        ("metrics", [["t0", {**RESULT, "discrete": []}], ["t1", {**RESULT, "seconds": {}}]]),
    )
]
