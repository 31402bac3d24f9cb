"""How long a frame takes from its capture to the pixels of a browser, for both ways to cut the stream.

A real Chromium shows `<img src="/stream.jpg">` of the test pattern, whose lower edge carries the time of capture as
black and white cells; a script draws the picture into a canvas at every animation frame, and when the number of the
frame is a new one, takes the time. So every value includes drawing and encoding the pattern, and up to one animation
frame (17 ms, 8 on average) for the look itself.

`browser` is what browsers get: each write ends with the whole header of the next part. `length` is what all others
get: each write ends with the JPEG. A browser shows a frame when it has read the next header, so the contrast between the two
is one interval between frames, and the lower the rate the larger it is.
"""

import argparse
import os
import shutil
import sys
from statistics import median

from _report import show, skip
from _servers import HERE, running

RATES = (2, 10, 30)
FRAMINGS = ("browser", "length")
SIZE = "320x240"  # small, so that reading the canvas back costs little
WARM_UP_FRAMES = 2

# Resolves to the ages in ms of `count` frames, or of those that came until `limit_ms`.
WATCH = """
async ([framing, count, limitMs]) => {
  document.body.innerHTML = "";
  const image = document.createElement("img");
  image.src = "/stream.jpg?framing=" + framing;
  document.body.append(image);
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const now = () => performance.timeOrigin + performance.now();
  const begin = now(), ages = [];
  let last = -1;
  while (ages.length < count && now() - begin < limitMs) {
    await new Promise(requestAnimationFrame);
    if (!image.naturalWidth) continue;
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    context.drawImage(image, 0, 0);
    const seen = decodePattern(context.getImageData(0, 0, canvas.width, canvas.height));
    if (!seen || seen.counter === last) continue;
    last = seen.counter;
    ages.push(now() - seen.wallMs);
  }
  image.src = "";
  return ages;
}
"""


def chromium() -> str | None:
    """Return the browser: $CHROMIUM, or the first that is there."""
    names = (
        [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else ["chromium", "chromium-browser", "google-chrome"]
    )
    return next(filter(None, map(shutil.which, names)), None)


def measure(browser: object, fps: int, framing: str, frames: int) -> list[float]:
    """Watch one stream in a page of its own; returns the ages in milliseconds."""
    command = [sys.executable, "-m", "manyeyes", "serve", f"test:?size={SIZE}&fps={fps}", "--port", "0"]
    decoder = (HERE.parent / "tests" / "decode_pattern.js").read_text(encoding="utf-8")
    with running(command) as server:
        context = browser.new_context(bypass_csp=True)  # type: ignore[attr-defined]  # playwright is optional
        try:
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{server.port}/status")
            page.evaluate(f"() => {{ {decoder}\nglobalThis.decodePattern = decodePattern; }}")
            wanted = frames + WARM_UP_FRAMES
            ages: list[float] = page.evaluate(WATCH, [framing, wanted, 1000 * wanted / fps + 10000])
        finally:
            context.close()
    if len(ages) < wanted:
        raise RuntimeError(f"{fps} fps, {framing}: {len(ages)} frames seen, {wanted} expected")
    return ages[WARM_UP_FRAMES:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="watched per rate and framing (default: %(default)g)"
    )
    parser.add_argument("--quick", action="store_true", help="only 10 fps, one second: shows that it works")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    path = chromium()
    if path is None:
        skip("no Chromium found (Debian: apt-get install chromium), and CHROMIUM is not set", options.json)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip("playwright is not installed (pip install playwright)", options.json)
    rates, seconds = ((10,), 1.0) if options.quick else (RATES, options.seconds)
    rows: list[dict[str, object]] = []
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            for fps in rates:
                for framing in FRAMINGS:
                    ages = sorted(measure(browser, fps, framing, max(3, int(seconds * fps))))
                    rows.append(
                        {
                            "fps": fps,
                            "framing": framing,
                            "capture to pixels ms, median": round(median(ages), 1),
                            "lowest": round(ages[0], 1),
                            "95 %": round(ages[int(len(ages) * 0.95)], 1),
                            "frames": len(ages),
                        }
                    )
        finally:
            browser.close()
    show(rows, options.json)


if __name__ == "__main__":
    main()
