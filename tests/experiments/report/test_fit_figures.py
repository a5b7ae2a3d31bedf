"""The figure of a fit: what stands in it."""

from experiments.report.fit_figures import latency_figure


def test_networks_stand_at_their_latency_and_score() -> None:
    made = {"is_hand_made": True, "is_delivered": False}
    rows = [
        {"name": "found", "ms": 2.0, "race": 0.5, "is_hand_made": False, "is_delivered": True},
        {"name": "made", "ms": 1.0, "race": 0.4, **made},
        {"name": "worse", "ms": 3.0, "race": 0.3, **made},
        {"name": "unknown", "ms": None, "race": 0.9, **made},
    ]
    (axes,) = latency_figure(rows, [2.5]).axes
    front, *marks, target = axes.lines
    assert front.get_xydata().tolist() == [[1.0, 40.0], [2.0, 50.0]]
    assert [(mark.get_marker(), mark.get_xydata().tolist()) for mark in marks] == [
        ("*", [[2.0, 50.0]]),
        ("o", [[1.0, 40.0]]),
        ("o", [[3.0, 30.0]]),
    ]
    assert list(target.get_xdata()) == [2.5, 2.5]
    assert [text.get_text() for text in axes.texts] == ["found", "made", "worse"]
