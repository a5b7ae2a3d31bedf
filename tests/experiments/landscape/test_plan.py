"""What a landscape trains: a larger one keeps the networks of a smaller one, in any space."""

from dataclasses import replace

import pytest

from experiments.landscape.options import LandscapeOptions, check_landscape
from experiments.landscape.plan import planned_networks, planned_trainings
from experiments.options.groups import SpaceOptions
from experiments.training.recipe import RecipeOptions
from nas_space.architecture import baseline1, baseline2
from nas_space.config import SpaceConfig
from nas_space.errors import InputError


def test_a_larger_landscape_keeps_the_first_networks() -> None:
    few, many = (planned_networks(LandscapeOptions(networks=count)) for count in (10, 30))
    space = SpaceConfig.compact(("dilation", "pooling"))
    assert list(many)[:3] == ["baseline1", "baseline2", "random-0"] and len(many) == 32
    assert many["baseline1"] == baseline1(space) and many["baseline2"] == baseline2(space)
    assert list(many.items())[:12] == list(few.items())
    assert len(set(many.values())) == 32


def test_a_small_space_gives_all_that_it_has() -> None:
    two = SpaceOptions(search=["pooling"], depths=[[1], [1]])
    networks = planned_networks(LandscapeOptions(networks=100, space=two))
    assert len(networks) == 5 and len(set(networks.values())) == 5  # 2 x 2, and baseline2, which is none of them
    one = SpaceOptions(search=["pooling"], depths=[[1], [1]], dilations=[1])
    assert list(planned_networks(LandscapeOptions(networks=100, space=one))) == [
        "baseline1",
        *(f"random-{i}" for i in range(3)),
    ]


def test_seed_by_seed() -> None:
    options = LandscapeOptions(networks=2, seeds=[5, 3])
    trainings = planned_trainings(options, planned_networks(options))
    assert [(one.name, one.seed) for one in trainings] == [
        (name, seed) for seed in (5, 3) for name in ("baseline1", "baseline2", "random-0", "random-1")
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"networks": 0}, "networks: 0 must be at least 1"),
        ({"seeds": []}, "seeds: '' must be one or more different seeds"),
        ({"seeds": [1, 1]}, "seeds: '1,1' must be"),
        ({"seeds": [-1]}, "seed: -1 must be"),
        ({"seed": 3}, "seed: a landscape takes several, give --seeds"),
        ({"processes": 0}, "processes: 0 must be at least 1"),
        ({"space": SpaceOptions(search=[])}, "space.search: nothing is searched"),
        ({"train": RecipeOptions(patience=2)}, "train.patience: .* leave it out"),
        ({"stages": ["fusion", "encoder"]}, "stages: 'fusion,encoder' must be"),
    ],
    ids=str,
)
def test_options_that_make_no_landscape(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        check_landscape(replace(LandscapeOptions(), **changes))  # type: ignore[arg-type]


def test_cores_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.landscape.many_options.free_cores", lambda: 8)
    alone = LandscapeOptions(device="cpu")
    assert (alone.workers, alone.threads_each) == (8, 1)
    three = replace(alone, processes=3)
    assert (three.workers, three.threads_each) == (3, 2)
    assert replace(three, threads=4).threads_each == 4
