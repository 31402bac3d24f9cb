import tomllib

from manyeyes.config_layers import load
from manyeyes.config_show import HIDDEN, show


def saved(tmp_path, loaded):
    file = tmp_path / "saved.toml"
    file.write_text(show(loaded))
    return load(str(file), {}, {})


def test_what_is_shown_can_be_saved(tmp_path):
    cameras = (
        {"name": "a-b", "source": 'exec:say "\\x\x7f" \u00fc\U0001f600', "fps": 2.5, "controls": {"odd name": 1}, "size": None},
        {"name": "c", "source": "test:", "overlay": "line\nline"},
    )  # fmt: skip
    given = {
        "cameras": cameras,
        "controls": {"gain": "3"},
        "connect": ["tcp/a:1", "tcp/b:2"],
        "open": True,
        "overlay": "%H",
    }
    loaded = load(None, {"MANYEYES_PORT": "81"}, given)
    again = saved(tmp_path, loaded)
    assert again.settings == loaded.settings
    assert show(again) == show(saved(tmp_path, again))
    assert saved(tmp_path, load(None, {}, {})).settings == load(None, {}, {}).settings


def test_each_says_where_it_comes_from():
    lines = show(load(None, {"MANYEYES_PORT": "81"}, {"fps": 3})).splitlines()
    for line in (
        "port = 81  # MANYEYES_PORT", "fps = 3.0  # command line", 'host = "127.0.0.1"  # default', "# size is not set",
        "# cameras is not set: this machine's first one, or test:",
    ):  # fmt: skip
        assert line in lines


def test_secrets_are_hidden():
    sources = {
        "rtsp://me:hush@host/x": f"rtsp://{HIDDEN}@host/x",
        "http://h/s.jpg?token=hush&size=1": f"http://h/s.jpg?token={HIDDEN}&size=1",
        "exec:curl -s http://me:hush@h/": f"exec:curl -s http://{HIDDEN}@h/",
        "http://h/?a=b": "http://h/?a=b",
        "rtsp://me:hu/sh@host/x": f"rtsp://{HIDDEN}@host/x",
        "rtsp://me:a@hush@host/x": f"rtsp://{HIDDEN}@host/x",
        "http://h/s.jpg?user=hush&pwd=hush": f"http://h/s.jpg?user={HIDDEN}&pwd={HIDDEN}",
        "exec:curl -u me:hush http://h/": f"exec:curl -u {HIDDEN} http://h/",
        "exec:say 'a b' --password=hush": f"exec:say 'a b' --password={HIDDEN}",
        "exec:say 'hush": f"exec:{HIDDEN}",
    }
    cameras = [{"name": f"c{number}", "source": source} for number, source in enumerate(sources)]
    text = show(load(None, {}, {"cameras": cameras}))
    assert "hush" not in text
    tables = tomllib.loads(text)["cameras"]
    assert [table["source"] for table in tables.values()] == list(sources.values())
