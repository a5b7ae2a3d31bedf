"""Files of classes: both formats, the order of classes, what is ignored, and a line for every mistake."""

from pathlib import Path

import pytest

from experiments.data.sets.class_file import find_class_file, read_class_file, voc_colour
from nas_space.errors import InputError

YAML = """
- {name: path, id: 7, colour: [200, 180, 100]}
- {name: grass, id: 3, color: "#00c800"}
- {name: sky, id: 9, colour: 0 0 200, ignore: true}
"""
CSV = "name,id,colour,ignore\npath,7,200 180 100,\ngrass,3,#00c800,\nsky,9,'0 0 200',yes\n".replace("'", '"')
CHANNELS = "\ufeffName; ID; R; G; B; ignore\r\npath;7;200;180;100;\r\n\r\ngrass;3;0;200;0;no\r\nsky;9;0;0;200;true\r\n"
WRAPPED = "classes:\n" + "\n".join(f"  {line}" for line in YAML.strip().splitlines())


def write(folder: Path, text: str, name: str = "classes.yml") -> Path:
    (folder / name).write_bytes(text.encode())
    return folder / name


@pytest.mark.parametrize(
    ("name", "text"),
    [("c.yml", YAML), ("c.yaml", WRAPPED), ("c.csv", CSV), ("c.CSV", CSV.replace(",", "\t")), ("d.csv", CHANNELS)],
)
def test_both_formats_mean_the_same(tmp_path: Path, name: str, text: str) -> None:
    classes = read_class_file(write(tmp_path, text, name))
    assert classes.names == ("grass", "path") and classes.colours == (
        (0, 200, 0),
        (200, 180, 100),
    )  # by id, not by line
    assert classes.by_id == {3: 0, 7: 1, 9: 255, 255: 255}
    assert classes.by_colour == {(0, 200, 0): 0, (200, 180, 100): 1, (0, 0, 200): 255}


@pytest.mark.parametrize(
    "text",
    [
        "name,id,colour,ignore,,\npath,7,200 180 100,,,\ngrass,3,#00c800,,,\nsky,9,0 0 200,yes,,\n,,,,,\n",
        "name,id,colour,ignore\npath,7,200 180 100\ngrass,3,#00c800\nsky,9,0 0 200,yes\n",
        "\ufeff\n,,\nname,id,colour,ignore\n\npath,7,200 180 100,\n , \ngrass,3,#00c800,\nsky,9,0 0 200,TRUE",
        "sep=;\r\nname;id;colour;ignore\r\npath;7;200,180,100;;\r\ngrass;3;#00c800\r\nsky;9;0,0,200;1\r\n",
    ],
)
def test_what_spreadsheets_write(tmp_path: Path, text: str) -> None:
    assert read_class_file(write(tmp_path, text, "c.csv")).entries == read_class_file(write(tmp_path, YAML)).entries


@pytest.mark.parametrize(
    "word", ["1.10", "12:30:45", "yes", "Off", "010", "1_000", "2024-01-02", "1e3", ".nan", "=", "0x1f"]
)
def test_yaml_names_are_the_text_of_the_file(tmp_path: Path, word: str) -> None:
    text = f"[{{name: {word}, id: 0}}, {{name: other, id: 1}}]"
    assert read_class_file(write(tmp_path, text)).names == (word, "other")


def test_yaml_numbers_are_decimal(tmp_path: Path) -> None:
    """YAML 1.1 reads a number that begins with 0 as octal."""
    text = "[{name: a, id: 010, colour: [000, 064, 010]}, {name: b, id: 011, colour: 1 2 3, ignore: off}]"
    classes = read_class_file(write(tmp_path, text))
    assert classes.by_id == {10: 0, 11: 1, 255: 255} and (0, 64, 10) in classes.by_colour


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ("soil,0,\nplant,255,", ("soil", "plant")),
        ("plant,255,\nsoil,0,", ("soil", "plant")),
        ("soil,0,\nplant,1,\nmist,255,", ("soil", "plant")),
        ("soil,0,\nplant,255,true", None),
        ("soil,0,\nvoid,255,", None),
    ],
)
def test_255_is_a_class_where_a_threshold_needs_it(tmp_path: Path, rows: str, names: tuple[str, ...] | None) -> None:
    path = write(tmp_path, f"name,id,ignore\n{rows}\n", "classes.csv")
    if names is None:
        with pytest.raises(InputError, match=r"gives 1 class; .* \(id 255 is ignored: give \w+ false in the column"):
            read_class_file(path, by_threshold=True)
    else:
        assert read_class_file(path, by_threshold=True).names == names


def test_colours_alone_keep_the_files_order(tmp_path: Path) -> None:
    text = "name,r,g,b\nwall,9,9,9\nvoid,0,0,0\ndoor,1,1,1\n"
    classes = read_class_file(write(tmp_path, text, "c.csv"))
    assert classes.names == ("wall", "door") and classes.by_id == {}
    assert classes.by_colour == {(9, 9, 9): 0, (1, 1, 1): 1, (0, 0, 0): 255}


def test_ids_alone_get_colours(tmp_path: Path) -> None:
    classes = read_class_file(write(tmp_path, "[{name: a, id: 5}, {name: b, id: 0}, {name: c, id: 65535}]"))
    assert classes.names == ("b", "a", "c") and len(set(classes.colours)) == 3 and classes.by_colour == {}
    # The first colours of PASCAL VOC, as published with its development kit.
    assert [voc_colour(i) for i in range(4)] == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]
    assert voc_colour(20) == (0, 64, 128) and len({voc_colour(i) for i in range(256)}) == 256


@pytest.mark.parametrize(
    ("entry", "ignored"),
    [
        ("{name: x, id: 2, ignore: true}", True),
        ("{name: x, id: 255}", True),
        ("{name: Void, id: 2}", True),
        ("{name: ignored, id: 2}", True),
        ("{name: x, id: 2}", False),
        ("{name: x, id: 255, ignore: false}", False),
        ("{name: void, id: 2, ignore: false}", False),
    ],
)
def test_what_is_ignored(tmp_path: Path, entry: str, ignored: bool) -> None:
    classes = read_class_file(write(tmp_path, f"[{{name: a, id: 0}}, {{name: b, id: 1}}, {entry}]"))
    assert len(classes.names) == (2 if ignored else 3)
    assert classes.by_id[255 if "255" in entry else 2] == (255 if ignored else 2)


def test_white_as_a_class_is_not_ignored_by_its_value(tmp_path: Path) -> None:
    text = "[{name: a, id: 0, colour: [0, 0, 0]}, {name: b, id: 1, colour: [255, 255, 255]}]"
    assert read_class_file(write(tmp_path, text)).by_id == {0: 0, 1: 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{name: a, id: 1}, {name: b, id: 1}]", "id 1 is given twice .for a and b"),
        (
            "[{name: a, colour: [1, 2, 3]}, {name: b, colour: '#010203'}]",
            r"colour \(1, 2, 3\) is given twice .for a and b",
        ),
        ("[{name: a, id: 1}, {name: a, id: 2}]", "name a is given twice"),
        ("[{name: a, id: 1}, {name: b, id: 2, ignored: true}]", "entry 2: unknown key 'ignored'; did you mean ignore"),
        (
            "[{name: a, id: 1}, {name: b, id: 2, weight: 3}]",
            "entry 2: unknown key 'weight'; keys are name, id, colour, ignore",
        ),
        ("[{name: a, id: 1}, {id: 2}]", "entry 2: class 2 has no name in"),
        ("[{name: , id: 1}, {name: b, id: 2}]", "entry 1: class 1 has no name in"),
        ("[{name: [a], id: 1}, {name: b, id: 2}]", r"entry 1: name \['a'\] is no text; write it in quotes"),
        ("[{name: a, id: 12:30}, {name: b, id: 2}]", "id '12:30' must be a whole number from 0 to 65535"),
        ("[{name: a, id: 1}, {name: b}]", "entry 2: id of b is missing"),
        ("[{name: a, id: 1, colour: [1, 1, 1]}, {name: b, id: 2}]", "entry 2: colour of b is missing"),
        ("[{name: a}, {name: b}]", "gives neither ids nor colours"),
        ("[{name: a, id: -1}, {name: b, id: 2}]", "id '-1' must be a whole number from 0 to 65535"),
        ("[{name: a, id: 1.5}, {name: b, id: 2}]", "id '1.5' must be"),
        ("[{name: a, id: true}, {name: b, id: 2}]", "id 'true' must be"),
        ("[{name: a, colour: [1, 2]}, {name: b, id: 2}]", r"colour \['1', '2'\] must be three numbers"),
        ("[{name: a, colour: [1, 2, 256]}]", "must be three numbers from 0 to 255"),
        ("[{name: a, colour: [1, 2, 2.5]}]", "must be three numbers"),
        ("[{name: a, colour: '#12345g'}]", "must be three numbers"),
        ("[{name: a, colour: {r: 1}}]", "must be three numbers"),
        ("[{name: a, colour: #ff0000\n}, {name: b, id: 2}]", 'entry 1: colour is empty; write "#rrggbb" in quotes'),
        ("[{name: a, id: 1, ignore: perhaps}]", "ignore is 'perhaps'; write true or false"),
        ("[{name: a, id: 1}]", "gives 1 class; at least two"),
        (
            "[{name: a, id: 0}, {name: b, id: 255}]",
            r"gives 1 class; .* \(id 255 is ignored: .* give --data.threshold 128, or give b ignore: false\)",
        ),
        ("[]", "gives 0 classes"),
        ("", "expected a list of entries such as"),
        ("[a, b]", "expected a list of entries"),
        ("a: 0\nb: 1", "expected a list of entries"),
        ("[{name: a", "not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
        (
            "[" + ",".join(f"{{name: c{i}, id: {i}}}" for i in range(300) if i != 255) + "]",
            "299 classes; at most 255 are possible",
        ),
    ],
)
def test_mistakes_in_yaml(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_class_file(write(tmp_path, text))
    assert str(tmp_path / "classes.yml") in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,colour\n0,#000000\n", "column name is missing; the first line names the columns"),
        ("grass,0\npath,1\n", "line 1: unknown key 'grass'"),
        ("name,id,coluor\na,0,1\n", "line 1: unknown key 'coluor'; did you mean colour"),
        ("name,id,colour\na,0,1,2,3\n", "line 2: 5 values for 3 columns; put quotes"),
        ("name,id\na,0\nb\n", "line 3: id of b is missing"),
        ("name,id\n,0\nb,1\n", "line 2: class 0 has no name in .*csv; add it there$"),
        (",,\nname,id\na,0\nb,x\n", "line 4: id 'x' must be"),
        ("sep=;\nname;id\na;0\nb;x\n", "line 4: id 'x' must be"),
        ("name,id\na,0\nb,255\n", r"give --data.threshold 128, or give b false in the column ignore\)"),
        ("name,id\na,zero\nb,1\n", "line 2: id 'zero' must be a whole number"),
        ("name,r,g,b\na,1,2,x\n", "line 2: colour .* must be three numbers"),
        ('name,id\n"a,0\n', "not valid CSV"),
        (f"name,id\na,{'9' * 5000}\nb,1\n", "line 2: id '9+' must be a whole number"),
        ("name,name,id\na,b,0\nc,d,1\n", "line 1: name is given twice"),
        ("name,id,ID\na,0,1\nb,2,3\n", "line 1: id is given twice"),
        ("name,r,g,b,color\na,1,2,3,#ffffff\nb,4,5,6,#000000\n", "line 1: colour is given twice"),
        ("", "column name is missing"),
        ("name,id\n", "gives 0 classes"),
    ],
)
def test_mistakes_in_csv(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_class_file(write(tmp_path, text, "classes.csv"))


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "latin.csv").write_bytes("name,id\nstraße,0\nweg,1\n".encode("latin-1"))
    for name, message in {
        "folder.csv": "cannot be read .Is a directory",
        "none.yml": "cannot be read .No such file",
        "latin.csv": "not valid CSV: it is not UTF-8 text; correct it, or export it again",
        "classes.json": "ends in .yml, .yaml or .csv",
    }.items():
        with pytest.raises(InputError, match=f"{name}: .*{message}"):
            read_class_file(tmp_path / name)


def test_roboflows_file_of_classes(tmp_path: Path) -> None:
    path = write(tmp_path, "Pixel Value, Class\n1, cat\n0, ignore\n255, crack\n", "_classes.csv")
    assert find_class_file(tmp_path, None) == path
    assert [(one.name, one.id) for one in read_class_file(path).classes] == [("ignore", 0), ("cat", 1), ("crack", 255)]
    other = write(tmp_path, YAML, "classes.yml")
    assert find_class_file(tmp_path, None) == other
    with pytest.raises(InputError, match="line 1: id is given twice"):
        read_class_file(write(tmp_path, "Pixel Value,id,Class\n0,0,a\n1,1,b\n", "c.csv"))
    with pytest.raises(InputError, match="entry 1: unknown key 'class'"):
        read_class_file(write(tmp_path, "- {name: cat, class: animal, id: 0}\n", "c.yml"))
    with pytest.raises(InputError, match="entry 1: colour is given twice"):
        read_class_file(write(tmp_path, '- {name: cat, colour: "#000000", color: "#ffffff"}\n', "d.yml"))


def test_where_the_file_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no file of classes .classes.yml, .* --data.classes"):
        find_class_file(tmp_path, None)
    path = write(tmp_path, YAML, "classes.yaml")
    assert find_class_file(tmp_path, None) == path and find_class_file(tmp_path, "other.csv") == Path("other.csv")
    write(tmp_path, CSV, "classes.csv")
    with pytest.raises(InputError, match="classes.yaml and classes.csv: two files of classes"):
        find_class_file(tmp_path, None)
