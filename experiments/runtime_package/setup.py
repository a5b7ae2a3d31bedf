"""Builds the distribution ``ssr-nas-runtime``: the runtime's modules under a package name of their own.

Were they installed as ``experiments.runtime``, this and the toolkit would own the same files, and removing one would
break the other. So each module that ``Segmenter`` needs is copied to ``ssr_nas_runtime`` as it is; in its imports alone
the names of the toolkit's packages get that prefix. There is no second source.
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from setuptools import setup
from setuptools.command.build_py import build_py

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE, START = "ssr_nas_runtime", "experiments.runtime.segmenter"
IMPORT = re.compile(r"^(\s*from )((?:experiments|nas_space)\.[\w.]+)(?= import )", re.MULTILINE)
(VERSION,) = re.findall(r'__version__ = "(.+)"', (PROJECT / "experiments/__init__.py").read_text(encoding="utf-8"))
FACE = f'''"""Exported networks in an application, without torch."""

from {PACKAGE}.{START} import Segmenter

__all__ = ["Segmenter"]
__version__ = "{VERSION}"
'''


def needed(module: str) -> dict[str, str]:
    """The source of a module and of all that it imports from the toolkit, by name."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = (PROJECT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
            waiting += [inner for _, inner in IMPORT.findall(found[name])]
    return found


class BuildRuntime(build_py):
    """Writes the package in place of looking for one."""

    def run(self) -> None:
        """Write the modules, and an empty ``__init__.py`` into each of their folders."""
        root = Path(self.build_lib) / PACKAGE
        for name, source in needed(START).items():
            place = root / f"{name.replace('.', '/')}.py"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(IMPORT.sub(rf"\1{PACKAGE}.\2", source), encoding="utf-8")
            for folder in place.relative_to(root).parents:
                (root / folder / "__init__.py").touch()
        (root / "__init__.py").write_text(FACE, encoding="utf-8")
        (root / "py.typed").touch()

    def get_source_files(self) -> list[str]:
        """None lies here."""
        return []


with TemporaryDirectory() as place:  # nothing is left beside the source
    setup(
        version=VERSION,
        packages=[PACKAGE],
        cmdclass={"build_py": BuildRuntime},
        options={"build": {"build_base": place}, "egg_info": {"egg_base": place}},
    )
