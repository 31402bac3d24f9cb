"""Freezes manyeyes into a cam's firmware: `include("/path/to/manyeyes/oncam/manifest.py")` in the board's manifest.

It freezes what package.json installs, so that there is one list. Only Python can be frozen: the page becomes a module,
which web/assets.py takes where there is no file. Line numbers are left out (opt=3).
"""

# ruff: noqa: F821  # package and module are there when MicroPython's build runs this file, in this folder

import json
import pathlib

OPT = 3
LIBRARY = "lib/"

with open("package.json") as file:
    installed = json.load(file)["urls"]

library = [there[len(LIBRARY) :] for there, _ in installed if there.startswith(LIBRARY) and there.endswith(".py")]
package("manyeyes", files=[name.partition("/")[2] for name in library], base_path="../src", opt=OPT)
for there, _ in installed:
    if "/" not in there:
        module(there, opt=OPT)

made = pathlib.Path("../build/frozen/manyeyes/web/frozen_page.py")
made.parent.mkdir(parents=True, exist_ok=True)
made.write_text(f"INDEX_HTML_GZ = {pathlib.Path('page/index.html.gz').read_bytes()!r}\n")
package("manyeyes", files=["web/frozen_page.py"], base_path="../build/frozen", opt=OPT)
