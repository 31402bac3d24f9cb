"""settings_file.py: what is right is taken, what is wrong is one clear line and the default."""

import os
import unittest

import settings_file

FOLDER = os.getenv("SCRATCH")


def load(text, name="settings.json"):
    for one in ("settings.json", "settings.py"):
        try:
            os.remove(FOLDER + "/" + one)
        except OSError:
            pass
    with open(FOLDER + "/" + name, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return settings_file.load(FOLDER)


class SettingsTest(unittest.TestCase):
    def test_the_defaults_are_right_themselves(self):
        for key, entry in settings_file.TABLE.items():
            self.assertTrue(settings_file._is_right(key, entry[0]), key)
        settings, problems = load("{}")
        self.assertEqual(problems, [])
        self.assertEqual((settings["port"], settings["size"], settings["quality"]), (80, "QVGA", 85))
        self.assertEqual((settings["host"], settings["max_viewers"], settings["token"]), ("0.0.0.0", 3, ""))

    def test_all_that_can_be_given(self):
        text = (
            '{"ssid": "home", "password": "correct horse", "ethernet": true, "hostname": "front-door", '
            '"static_ip": ["10.0.0.9", "255.255.255.0", "10.0.0.1", "10.0.0.1"], "host": "10.0.0.9", "port": 8080, '
            '"token": "abc", "name": "front", "size": "640x480", "quality": 60, "fps": 12.5, "hmirror": true, '
            '"vflip": true, "always_on": true, "linger_s": 1, "max_viewers": 2, "max_in_flight_bytes": 50000, "stall_s": 5}'
        )
        settings, problems = load(text)
        self.assertEqual(problems, [])
        self.assertEqual(sorted(settings), sorted(settings_file.TABLE))
        for key, entry in settings_file.TABLE.items():
            self.assertNotEqual(settings[key], entry[0], key)
            self.assertIs(type(settings[key]), type(entry[0]), key)

    def test_settings_py(self):
        settings, problems = load("import time\nssid = 'home'\nport = 8000 + 80\n", "settings.py")
        self.assertEqual((problems, settings["ssid"], settings["port"]), ([], "home", 8080))
        settings, problems = load("ssid = 'home'\nport = = 3\n", "settings.py")
        self.assertEqual(len(problems), 1)
        self.assertIn("settings.py: SyntaxError", problems[0])

    def test_other_encodings(self):
        for name, text in (("settings.json", b'{"ssid": "h\xe4user"}'), ("settings.py", b"ssid = 'h\xe4user'")):
            settings, problems = load(text, name)
            self.assertEqual(
                problems, [name + ": expected text in UTF-8: save it so; all settings stay at their defaults"]
            )
            self.assertEqual(settings["ssid"], "")
        settings, problems = load(b'\xef\xbb\xbf{"ssid": "h\xc3\xa4user"}')
        self.assertEqual((settings["ssid"], problems), ("h\xe4user", []))

    def test_a_token_in_a_file_that_cannot_be_read_lets_nobody_in(self):
        for name, text in (
            ("settings.json", '{"token": "abc",}}'),
            ("settings.json", '["token", "abc"]'),
            ("settings.json", b'{"token": "\xe4"}'),
            ("settings.py", "port = = 3\ntoken = 'abc'\n"),
            ("settings.py", b"token = '\xe4'\n"),
        ):
            settings, problems = load(text, name)
            self.assertIsNone(settings["token"])
            self.assertEqual(len(problems), 2)
            self.assertIn("nobody gets in until it is right", problems[1])
            self.assertNotIn("abc", str(problems))
        settings, problems = load("token = 'abc'\nimport nothing\n", "settings.py")
        self.assertEqual((settings["token"], len(problems)), ("abc", 1))

    def test_none_at_all(self):
        load("{}")
        os.remove(FOLDER + "/settings.json")
        settings, problems = settings_file.load(FOLDER)
        self.assertEqual(problems, ["no settings.json: all settings stay at their defaults"])
        self.assertEqual(settings["port"], 80)

    def test_no_json(self):
        for text in ("{\n  'port': 80\n}", '{"port": 80', "", '{"port": 80, # the usual one\n "ssid": "x"}', "hello"):
            settings, problems = load(text)
            self.assertEqual((text, len(problems)), (text, 1))
            self.assertIn("settings.json: no JSON", problems[0])
            self.assertEqual(settings["port"], 80)
        self.assertIn("expected an object", load("[1]")[1][0])

    def test_unknown_keys(self):
        for key, near in (
            ("pasword", "password"),
            ("SSID", "ssid"),
            ("qualty", "quality"),
            ("max_viewer", "max_viewers"),
        ):
            _, problems = load('{"%s": 1}' % key)
            self.assertEqual(problems, ["settings.json: unknown setting %s: did you mean %s?" % (key, near)])
        problem = load('{"frobnicate": 1}')[1][0]
        self.assertIn("unknown setting frobnicate: there are always_on, ", problem)

    def test_wrong_types_and_values(self):
        for key, value in (
            ("port", '"80"'), ("port", "0"), ("port", "65536"), ("port", "80.5"), ("port", "true"), ("port", "null"),
            ("ethernet", "1"), ("ethernet", '"yes"'), ("quality", "0"), ("quality", "101"), ("fps", "-1"), ("fps", "0.05"),
            ("size", '"HUGE"'), ("size", '"0x240"'), ("size", "320"), ("name", '"front door"'), ("name", '""'),
            ("host", '"localhost"'), ("host", '"1.2.3.456"'), ("static_ip", '["10.0.0.9"]'), ("static_ip", '"10.0.0.9"'),
            ("token", '"two words"'), ("password", '"short"'), ("stall_s", "0"), ("max_viewers", "0"), ("ssid", "{}"),
        ):  # fmt: skip
            settings, problems = load('{"%s": %s, "linger_s": 3}' % (key, value))
            self.assertEqual(len(problems), 1, key)
            self.assertIn("settings.json: %s: got " % key, problems[0])
            self.assertIn("expected " + settings_file.TABLE[key][2], problems[0])
            now = None if key == "token" else settings_file.TABLE[key][0]
            self.assertEqual((settings[key], settings["linger_s"]), (now, 3.0))

    def test_secrets_are_not_shown(self):
        for key in settings_file.SECRET:
            problem = load('{"%s": ["hush"]}' % key)[1][0]
            self.assertNotIn("hush", problem)
