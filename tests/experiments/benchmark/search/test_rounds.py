"""What is made of the seconds of several rounds."""

from experiments.benchmark.search.rounds import summarise


def test_the_ratio_is_that_of_the_rounds() -> None:
    """Rounds in which the machine was slow for both sides do not move it."""
    summary = summarise((1.0, 10.0, 1.0), (3.0, 30.0, 4.0))
    assert summary == {"ours_s": 1.0, "nni_s": 4.0, "ratio": 3.0, "ratio_spread": [3.0, 4.0]}
