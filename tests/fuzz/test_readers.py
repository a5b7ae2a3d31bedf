"""Whatever a file holds, its reader reads it or refuses it in one line: no other error, no hang, no gigabytes."""

from contextlib import suppress
from pathlib import Path

import pytest
from fuzzing import attack, budget
from hypothesis import example, given
from readers import READERS

from nas_space.errors import InputError


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    if reader.beside is not None:
        reader.beside(tmp_path)
    file = tmp_path / reader.file
    file.write_bytes(b"")
    with suppress(InputError):
        reader.read(file)  # imports what it needs: torch alone is larger than the limit

    def read(data: bytes) -> None:
        file.write_bytes(data)
        attack(lambda: reader.read(file), None if reader.writes else tmp_path)

    test = budget(reader.examples)(given(reader.inputs())(read))
    for data in reader.fallen:
        test = example(data)(test)
    test()
