"""The slides in headless Chromium, from the disk, with every host cut off.

Needs the decks and Chromium, so it runs only where BLINDSPOTS_SLIDES names their folder:
`make check-site`.
"""

import os
from pathlib import Path

import pytest

if "BLINDSPOTS_SLIDES" not in os.environ:
    pytest.skip("BLINDSPOTS_SLIDES names no slides", allow_module_level=True)
SLIDES = Path(os.environ["BLINDSPOTS_SLIDES"]).resolve()
DECKS = sorted(page.stem for page in SLIDES.glob("*.html") if page.stem != "index")
assert DECKS, f"there is no deck in {SLIDES}: run make slides first"

# What sticks out of the current slide, and figures too small to be read.
CUT_OFF = """
() => {
  const slide = Reveal.getCurrentSlide(), edge = slide.getBoundingClientRect(), found = [];
  for (const e of slide.querySelectorAll('*:not(mjx-container *)')) {
    const r = e.getBoundingClientRect();
    if (r.width && (r.bottom > edge.bottom - 20 || r.right > edge.right + 1)) {
      found.push(`${e.tagName} ${e.textContent.trim().slice(0, 40)} is cut off`);
    }
  }
  for (const e of slide.querySelectorAll('img')) {
    if (e.getBoundingClientRect().height < 250) found.push(`small: ${e.alt}`);
  }
  return found;
}
"""


@pytest.mark.parametrize("deck", DECKS)
def test_deck(browser, deck):
    page, complaints = browser.new_page(viewport={"width": 1280, "height": 720}), []

    def notice(request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            complaints.append(f"asks for {request.url}")

    page.on("request", notice)
    page.on("requestfailed", lambda request: complaints.append(f"cannot load {request.url}"))
    page.on("pageerror", lambda error: complaints.append(f"script error {error}"))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto((SLIDES / f"{deck}.html").as_uri(), wait_until="commit")
    page.wait_for_selector("body[data-ready]", timeout=120_000)
    for number in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate(f"Reveal.slide({number}, 0, 99)")
        complaints += [f"slide {number + 1}: {x}" for x in page.evaluate(CUT_OFF)]
    assert page.locator("mjx-merror").count() == 0
    page.close()
    assert complaints == []
