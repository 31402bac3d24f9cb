import pytest

from manyeyes.config_file import ConfigFile, nearest
from manyeyes.core.errors import ConfigError


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(text):
        (tmp_path / "m.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return ConfigFile("m.toml")

    return make


def test_values(read):
    file = read(
        'port = 80\nconnect = ["tcp/a:1"]\n[controls]\nbrightness = 3\n[cameras]\ngate = "test:"\n'
        '[cameras.front]\nsource = "x.mp4"\nfps = 5\n'
    )
    assert file.values == {
        "port": 80,
        "connect": ["tcp/a:1"],
        "controls": {"brightness": 3},
        "cameras": ({"name": "gate", "source": "test:"}, {"name": "front", "source": "x.mp4", "fps": 5}),
    }
    assert read("").values == {}
    assert read("[cameras]\n").values == {"cameras": ()}


def test_where_a_value_is(read):
    file = read(
        '# first\nport = 80\n\n[cameras]\ngate = "test:"\n\n[cameras.front]\nsource = "x.mp4"\n\n'
        '  fps  = 5\n[cameras."back"]\nsource = "y"\n[controls]\n"a b" = 1\ncameras = 2\n'
    )
    for location, expected in (
        (("port",), "m.toml, line 2: port"),
        (("cameras", 0, "source"), "m.toml, line 5: source"),
        (("cameras", 1, "fps"), "m.toml, line 10: fps"),
        (("cameras", 1, "rotate"), "m.toml, line 7: rotate"),  # it is not there: the table's line
        (("cameras", 2, "source"), "m.toml, line 12: source"),
        (("controls", "a b"), "m.toml, line 14: a b"),
        (("cameras",), "m.toml, line 4: cameras"),
        (("host",), "m.toml: host"),
    ):
        assert file.called(location) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 80\nprot = 8080\n", "m.toml, line 2: prot: no such setting; did you mean port?"),
        ("stall-timeout = 3", "m.toml, line 1: stall-timeout: no such setting; did you mean stall_timeout_s?"),
        ("linger = 3", "did you mean linger_s?"),
        ('port = 80\n[camera.front]\nsource = "test:"', "m.toml, line 2: camera: no such setting; did you mean cameras?"),
        ("xyzzy = 3", "m.toml, line 1: xyzzy: no such setting"),
        ("name = 3", "no such setting"),
        ('[cameras.front]\nsource = "test:"\n\nrotat = 3', "m.toml, line 4: rotat: no such setting; did you mean rotate?"),
        ('[cameras.front]\nsource = "test:"\nport = 3', "m.toml, line 3: port: no such setting"),
        ('[cameras.front]\nname = "x"\nsource = "test:"', "m.toml, line 2: name: no such setting"),
        ("\n[cameras.front]\nfps = 3", "m.toml, line 2: camera front has no source"),
        ("[cameras]\nfront = 3", "m.toml, line 2: front: expected a source or a table"),
        ('cameras = "test:"', "m.toml, line 1: cameras: expected tables"),
        ('[[cameras]]\nsource = "test:"', "cameras: expected tables"),
        ('[cameras]\n"a.b" = "test:"', "m.toml, line 2: camera name 'a.b'"),
        ("port = 80\nhost 127\n", "m.toml, line 2: expected '='"),
        ("port = 80\nport = 81\n", "m.toml, line 2: cannot overwrite a value"),
        ('host = "x\n', "m.toml, line 1: "),
        ("port = [1,\n", "m.toml, line 2: "),
        ("port = " + "[" * 5000, "m.toml, line 1: maximum recursion depth"),
        (b"port = 1\nhost = '\xff'\n", "m.toml, line 2: not UTF-8"),
        (b"#" * (1 << 20) + b"#", "more than 1048576 bytes"),
    ],
)  # fmt: skip
def test_what_is_wrong(read, text, words):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    for path, words in ((tmp_path / "nowhere", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(ConfigError, match=words):
            ConfigFile(str(path))


def test_nearest():
    assert nearest("PROT", ["port", "host"]) == "; did you mean port?"
    assert nearest("xyzzy", ["port", "host"]) == ""
