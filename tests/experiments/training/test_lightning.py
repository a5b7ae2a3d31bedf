"""The private names of Lightning that we use are still there."""

import inspect
from importlib import import_module
from importlib.metadata import version

import pytest

PRIVATE = [
    ("lightning_fabric.strategies.launchers.subprocess_script", "_basic_subprocess_cmd"),
    ("lightning_fabric.plugins.environments.lightning", "LightningEnvironment.creates_processes_externally"),
    ("lightning_fabric.plugins.environments.lightning", "LightningEnvironment.main_address"),
    ("lightning_fabric.plugins.environments.lightning", "LightningEnvironment.main_port"),
    ("pytorch_lightning.strategies", "DDPStrategy._configure_launcher"),
    ("pytorch_lightning.strategies", "DDPStrategy.configure_ddp"),
    ("pytorch_lightning.strategies.launchers", "_SubprocessScriptLauncher._call_children_scripts"),
    ("pytorch_lightning.strategies.launchers", "_SubprocessScriptLauncher.launch"),
    ("pytorch_lightning.utilities.exceptions", "SIGTERMException"),
]
ATTRIBUTES = [
    ("lightning_fabric.plugins.environments.lightning", "LightningEnvironment", "_main_port"),
    ("pytorch_lightning.strategies", "Strategy", "_launcher"),
    ("pytorch_lightning.strategies.launchers", "_SubprocessScriptLauncher", "procs"),
    ("pytorch_lightning.strategies.launchers", "_SubprocessScriptLauncher", "num_processes"),
    ("pytorch_lightning.strategies.launchers", "_SubprocessScriptLauncher", "cluster_environment"),
]
GONE = "pytorch-lightning {version} has no {name}: mend experiments/training/lightning.py, which was made for 2.6.6"


@pytest.mark.parametrize(("module", "name"), PRIVATE, ids=lambda value: value)
def test_a_private_name_is_there(module: str, name: str) -> None:
    owner = import_module(module)
    for part in name.split("."):
        assert hasattr(owner, part), GONE.format(version=version("pytorch-lightning"), name=f"{module}.{name}")
        owner = getattr(owner, part)


@pytest.mark.parametrize(("module", "owner", "attribute"), ATTRIBUTES, ids=lambda value: value)
def test_a_private_attribute_is_set(module: str, owner: str, attribute: str) -> None:
    source = inspect.getsource(getattr(import_module(module), owner).__init__)
    name = f"{module}.{owner}.{attribute}"
    assert f"self.{attribute}" in source, GONE.format(version=version("pytorch-lightning"), name=name)
