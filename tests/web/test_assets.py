import unittest

from manyeyes.web import assets


class TestAssets(unittest.TestCase):
    def test_every_file_has_bytes_and_a_content_type(self):
        names = assets.names()
        self.assertIn("index.html", names)
        for name in names:
            body, content_type, encoding = assets.load(name)
            self.assertIs(type(body), bytes)
            self.assertGreater(len(body), 100, name)
            self.assertIs(type(content_type), str)
            self.assertIn("/", content_type)
            self.assertEqual(encoding, "")

    def test_text_names_its_encoding_and_is_in_it(self):
        for name in assets.names():
            body, content_type, _ = assets.load(name)
            if content_type.startswith("text/"):
                self.assertIn("charset=utf-8", content_type)
                body.decode()

    def test_the_page_links_only_to_its_own_files(self):
        texts = {name: assets.load(name)[0].decode() for name in assets.names()}
        for name in texts:
            if name != "index.html":
                self.assertTrue([one for one in texts if one != name and name in texts[one]], name)
        for name in assets.names():
            text = assets.load(name)[0].decode().replace("http://www.w3.org/", "")  # XML namespaces are names
            self.assertNotIn("http://", text, name)
            self.assertNotIn("https://", text, name)

    def test_what_is_not_in_the_table_is_never_read(self):
        for name in ("", "../app.py", "page.py", "index.htm", "../page/index.html"):
            with self.assertRaises(KeyError):
                assets.load(name)

    def test_a_page_in_one_file(self):
        folder, assets._FOLDER = assets._FOLDER, __file__.rsplit("/", 1)[0] + "/data/"
        try:
            body, content_type, encoding = assets.load("index.html")
        finally:
            assets._FOLDER = folder
        self.assertEqual(body[:2], b"\x1f\x8b")
        self.assertEqual((content_type, encoding), ("text/html; charset=utf-8", "gzip"))

    def test_the_list_of_names_is_a_copy(self):
        assets.names().append("secret")
        self.assertNotIn("secret", assets.names())
