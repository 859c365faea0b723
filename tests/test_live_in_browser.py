"""The live page in headless browsers, with every other host cut off: does it do what Python does?

Runs only where BLINDSPOTS_SITE names the built site: `make check-site`.
"""

import contextlib
import html
import math
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import TimeoutError
from torch import nn

from blindspots import (
    certified_radius,
    correctly_classified,
    lbfgs_attack,
    nearest_attack,
    pair_bounds,
    random_targets,
    trained,
)
from blindspots.book.live import live_attack, rounded
from blindspots.networks import mlp
from tests.firefox import firefox

if "BLINDSPOTS_SITE" not in os.environ:
    pytest.skip("BLINDSPOTS_SITE names no built site", allow_module_level=True)
SITE = Path(os.environ["BLINDSPOTS_SITE"]).resolve()
PAGE = SITE / "attack_it_yourself.html"
NAMES = "FC10(1e-4)", "FC10(1e-2)", "FC10(1)", "FC100-100-10", "FC200-200-10", "AE400-10", "convnet"
COUNT = 5  # attacks of each kind on each network

# All that the page finds for one network: logits, radii, and three attacks on each image.
ASK = """
([number, targets]) => {
  const { core, networks, images } = document.querySelector('.live').live;
  const net = networks[number];
  const kept = ({ distortion, success, evaluations }) => ({ distortion, success, evaluations });
  const run = (attack, target, ...more) =>
    kept(core.finish(
      attack(core.stateProblem(net, images[target[0]], target[1]), () => {}, ...more)));
  const each = targets.map((target, i) => [i, target]);
  return {
    logits: images.map((x) => [...net.logits(x)]),
    radius: images.map((x) => core.certifiedRadius(net, x)),
    lbfgs: each.map((t) => run(core.lbfgsAttack, t)),
    nearest: each.map((t) => run(core.nearestAttack, t)),
    few: each.map((t) => run(core.nearestAttack, t, 3)),
    any: each.map(([i]) => run(core.nearestAttack, [i, null], undefined, true)),
  };
}
"""


@pytest.fixture(scope="module")
def trial(train, test):
    """The digits' networks, images that all read correctly, targets, and the page."""
    networks = {name: trained(name, train) for name in NAMES}
    data = test
    for network in networks.values():
        data = correctly_classified(network, data)
    data = data[:COUNT]
    draw = torch.Generator().manual_seed(1)
    targets = random_targets(data.labels, classes=10, generator=draw)
    return networks, data, targets, live_attack(networks, data.images, data.labels).data


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a piece of HTML from the disk; what it complains of is collected."""
    context = browser.new_context(viewport={"width": 1000, "height": 900})

    def open_page(piece):
        page, complaints = context.new_page(), []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: m.type == "error" and complaints.append(m.text))
        file = tmp_path / "page.html"
        file.write_text(f"<!doctype html><meta charset='utf-8'>{piece}", encoding="utf-8")
        page.goto(file.as_uri())
        return page, complaints

    yield open_page
    context.close()


def python_finds(network, data, targets):
    exact, images = rounded(network), (16 * data.images.double()).round() / 16
    attacks = {
        "lbfgs": lbfgs_attack(exact, images, targets),
        "nearest": nearest_attack(exact, images, targets),
        "few": nearest_attack(exact, images, targets, projections=3),  # and a walk
        "any": nearest_attack(exact, images),
    }
    bound = pair_bounds(exact, tuple(images.shape[1:]))
    return exact(images), certified_radius(exact, images, bound=bound), attacks


def disagreements(page, number, network, data, targets):
    """What the page says otherwise than Python, in words."""
    found = page.evaluate(ASK, [number, targets.tolist()])
    logits, radius, attacks = python_finds(network, data, targets)
    wrong = []
    if (torch.tensor(found["logits"], dtype=torch.float64) - logits).abs().max() > 1e-9:
        wrong.append("logits")
    ours = torch.tensor(found["radius"], dtype=torch.float64)
    if not ((ours <= radius) & (ours >= radius * (1 - 1e-6) - 1e-9)).all():
        wrong.append("radius")
    for kind, attack in attacks.items():
        for here, size, ok, count in zip(
            found[kind], attack.distortion, attack.success, attack.evaluations, strict=True
        ):
            allowed = 1e-6 if kind == "lbfgs" else 5e-4
            if here["success"] != ok or not math.isclose(here["distortion"], size, rel_tol=allowed):
                wrong.append(f"{kind}: {here['distortion']} for {size.item()}")
            if here["evaluations"] != count:
                wrong.append(f"{here['evaluations']} gradients for {count}")
    return wrong


@pytest.mark.parametrize("name", NAMES)
def test_the_page_finds_what_python_finds(opened, trial, name):
    networks, data, targets, piece = trial
    page, complaints = opened(piece)
    assert disagreements(page, NAMES.index(name), networks[name], data, targets) == []
    assert complaints == []


@pytest.fixture
def fox(tmp_path):
    """A tab of Firefox, where that is installed: `.ci/run` installs it."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if not program:
        pytest.skip("Firefox is not installed: apt-get install firefox-esr")
    (tmp_path / "profile").mkdir()
    with firefox(program, tmp_path / "profile") as page:
        yield page


@pytest.mark.parametrize("name", ["FC10(1)", "FC100-100-10", "convnet"])
def test_firefox_finds_what_python_finds(fox, trial, name, tmp_path):
    networks, data, targets, piece = trial
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html><meta charset='utf-8'>{piece}", encoding="utf-8")
    fox.goto(file.as_uri())
    assert disagreements(fox, NAMES.index(name), networks[name], data, targets) == []
    assert fox.complaints == []


# Attack, and wait for what the status line says.
PRESS = """
async () => {
  const of = (part) => document.querySelector(`.live ${part}`);
  of('.live-attack').click();
  const done = () => of('.live-status').textContent.includes('gradients');
  while (!done()) await new Promise(requestAnimationFrame);
  return [...of('.live-victim').querySelectorAll('td')].map((cell) => cell.textContent);
}
"""


def test_a_reader_attacks_in_firefox(fox):
    fox.goto(PAGE.as_uri())
    before, after, noisy = fox.evaluate(PRESS)
    assert after == "8" != before and noisy == before
    assert fox.complaints == []


MINE = """
import torch
from torch import nn
from blindspots.book.live import live_attack

torch.manual_seed(1)
network = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Sigmoid(), nn.Linear(12, 3)).eval()
network[1].weight.data *= 8
network[3].weight.data *= 8
live_attack({"mine": network}, torch.rand(6, 1, 4, 4), torch.arange(6) % 3)
"""


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab in which lies a notebook with a network of the reader's own."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(MINE)], metadata=kernel)
    nbformat.write(notebook, tmp_path / "mine.ipynb")
    words = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    words += ["--port=0", "--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"]
    environment = os.environ | {"JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    addresses = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in process.stderr)
    yield next(found.group() for found in addresses if found)
    process.terminate()
    process.communicate()


def test_in_jupyterlab(browser, lab):
    page = browser.new_context(viewport={"width": 1200, "height": 1400}).new_page()
    # On a busy machine Lab may ask for a kernel, or complain of the connection, at any time.
    accept = page.locator(".jp-Dialog .jp-mod-accept").first
    page.add_locator_handler(page.locator(".jp-Dialog").first, lambda: accept.click())
    page.goto(f"{lab}/lab/tree/mine.ipynb", timeout=90_000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=90_000)
    cell = page.locator(".jp-Notebook .cm-content").first
    for attempt in range(8):  # a key that comes too early is lost
        cell.click(timeout=90_000)
        page.keyboard.press("Control+Enter")
        with contextlib.suppress(TimeoutError if attempt < 7 else ()):
            page.wait_for_selector(".live-ready", timeout=20_000)
            break
    attack(page)
    slider = page.locator(".live input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowLeft")  # which Lab would take to fold a heading
    assert slider.input_value() == "99" and slider.is_visible()
    page.context.close()


def test_in_a_frame_that_may_run_scripts_and_nothing_else(opened):
    """As outputs of notebooks are shown on Colab and by other services."""
    scope: dict = {}
    exec(MINE.replace("live_attack({", "piece = live_attack({"), scope)
    frame = html.escape(scope["piece"].data)
    page, complaints = opened(f"<iframe sandbox='allow-scripts' srcdoc='{frame}' height=800>")
    inside = page.frame_locator("iframe")
    inside.locator(".live-attack").click()
    inside.locator(".live-status", has_text="gradients").wait_for()
    assert not inside.get_by_role("button", name="Link to this").is_visible()  # to which address?
    assert complaints == []


FAULTS = {
    "shorter memory": ("history: c.HISTORY,", "history: 4,"),
    "other aim": ("c.LBFGS_AIM * first", "2 * c.LBFGS_AIM * first"),
    "flipped kernel": ("side + r) * side + s];", "side + side - 1 - r) * side + s];"),
    "slope of sigmoid": ("u * y[i] * (1 - y[i])", "1.001 * u * y[i] * (1 - y[i])"),
    "slope of ReLU": ("(x[i] > 0 ? up[i] : 0)", "(x[i] > 0.01 ? up[i] : 0)"),
    "last of equals in a pool": (
        "if (x[k += width - 1] > x[best])",
        "if (x[k += width - 1] >= x[best])",
    ),
    "gradients not averaged": ("a + weight * (b - a)", "b"),
    "no box": ("const x = inBox(unclamped, lower, upper);", "const x = unclamped;"),
    "other averages": ("const weight = c.LAST_WEIGHT +", "const weight = 3 * c.LAST_WEIGHT +"),
    "a longer walk": ("c.WALK * steps, onStep", "2 * c.WALK * steps, onStep"),
    "wide strides for all": ("c.FIRST_STRIDES[turning ? 0 : 1]", "c.FIRST_STRIDES[0]"),
    "shorter strides": ("m - (stride / slope) * g", "m - 0.9 * (stride / slope) * g"),
    "radius rounded up": ("* (1 - 1e-9) - 1e-12", "* (1 + 1e-9)"),
    "last class taken": ("if (!winner || ended.distortion < winner.distortion)", "if (true)"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_script_is_noticed(opened, trial, fault):
    networks, data, targets, piece = trial
    right, wrong = FAULTS[fault]
    assert piece.count(right) == 1
    page, _ = opened(piece.replace(right, wrong))
    asked = [n for n in ("FC100-100-10", "convnet", "FC10(1)")]
    assert any(
        disagreements(page, NAMES.index(name), networks[name], data, targets) for name in asked
    )


def cliff():
    """Past a steep fall the margin is so low that its tangent leads back to the image."""
    network = mlp((64, 2, 10)).eval()
    first, second = (layer for layer in network if isinstance(layer, nn.Linear))
    first.weight.data = torch.zeros(2, 64)
    first.weight.data[:, :2] = torch.tensor([[2000.0], [5.0]])  # t is 100 times the two pixels
    first.bias.data = torch.tensor([-12.0, 0.0])
    second.weight.data = torch.zeros(10, 2)
    second.weight.data[1] = torch.tensor([2.0, 64.0])  # tanh(10 (t - 0.6)) + 0.8 t
    second.bias.data = torch.tensor([0.0, -33.0, *[-20.0] * 8])
    return network


@pytest.mark.parametrize("fault", [False, True])
def test_a_step_that_leads_back_goes_half_way_on_the_page_as_well(opened, fault):
    network, image, target = cliff(), torch.zeros(1, 1, 8, 8), torch.tensor([1])
    piece, right = live_attack({"cliff": network}, image, torch.tensor([0])).data, "c.FALL * norm("
    assert piece.count(right) == 1
    page, _ = opened(piece.replace(right, "0 * norm(") if fault else piece)
    [here] = page.evaluate(ASK, [0, target.tolist()])["nearest"]
    there = nearest_attack(rounded(network), image.double(), target)
    assert there.evaluations < 20
    assert (here["evaluations"] == there.evaluations.item()) != fault


@pytest.fixture
def visit(browser):
    contexts = []

    def open_page(fragment="", **options):
        size = {"width": options.pop("width", 1300), "height": 900}
        contexts.append(browser.new_context(viewport=size, **options))
        page, complaints = contexts[-1].new_page(), []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: m.type == "error" and complaints.append(m.text))
        page.on(
            "request",
            lambda r: r.url.startswith(("file:", "data:", "blob:")) or complaints.append(r.url),
        )
        page.goto(PAGE.as_uri() + fragment, wait_until="load")
        page.wait_for_selector(".live-ready")
        return page, complaints

    yield open_page
    for context in contexts:
        context.close()


def attack(page):
    page.locator(".live-attack").click()
    page.wait_for_function(
        "() => document.querySelector('.live-status')?.textContent.includes('gradients')"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1300])
def test_a_reader_attacks(visit, scheme, width):
    page, complaints = visit(width=width, color_scheme=scheme)
    assert "Press Attack" in page.locator(".live-status").inner_text()
    attack(page)
    row = page.locator(".live-victim td")
    before, after, noisy = (row.nth(k).inner_text() for k in range(3))
    assert after == "8" != before and noisy == before
    page.locator(".live input[type=range]").fill("0")
    assert row.nth(1).inner_text() == before
    assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
    assert complaints == []  # before axe, which asks for the theme's styles
    found = Axe().run(page, context=".live")
    assert found.violations_count == 0, found.generate_report()


def test_the_whole_way_by_keyboard(visit):
    page, _ = visit()
    page.locator(".live input[type=radio]").first.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.locator("input[name$=network]:checked").focus()
    page.keyboard.press("ArrowLeft")
    page.locator("input[name$=target]:checked").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.locator(".live-attack").focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('.live-status')?.textContent.includes('gradients')"
    )
    assert "FC10(1) sees" in page.locator(".live-status").inner_text()


def test_a_link_leads_back_to_what_was_seen(visit):
    page, _ = visit()
    page.locator(".live").get_by_text("the nearest attack", exact=True).click()
    page.locator(".live").get_by_text("anything else", exact=True).click()
    attack(page)
    page.get_by_role("button", name="Other noise").click()
    page.locator(".live input[type=range]").fill("130")
    page.get_by_role("button", name="Link to this").click()
    facts = page.locator(".live dl").inner_text(), page.locator(".live table").inner_text()
    again, complaints = visit(page.url.removeprefix(PAGE.as_uri()))
    again.wait_for_function("() => document.querySelector('.live dl')?.children.length > 0")
    again.wait_for_function("() => document.querySelector('.live output')?.value === '130 %'")
    assert (
        again.locator(".live dl").inner_text(),
        again.locator(".live table").inner_text(),
    ) == facts
    strange, complaints = visit("#live&i=999&n=x&t=&a=no&d=@@@&s=abc&f=1")
    assert complaints == [] and strange.locator(".live-victim").count() == 1


def test_a_picture_of_a_chapter_opens_in_the_page(visit):
    page, complaints = visit()
    page.goto((SITE / "chapters" / "finding_blind_spots.html").as_uri())
    page.locator(".live-link").first.click()
    page.wait_for_function(
        "() => document.querySelector('.live-status')?.textContent.includes('gradients')"
    )
    assert page.locator("input[value=drawn]").is_checked() and complaints == []
    target = page.locator("input[name$=target]:checked").get_attribute("value")
    assert page.locator(".live-victim td").nth(1).inner_text() == target


def test_drawing_by_touch_does_not_scroll_and_by_keyboard_draws(visit):
    page, _ = visit(width=390, has_touch=True)
    page.locator(".live summary").click()
    pad = page.locator(".live-pad")
    pad.scroll_into_view_if_needed()
    box, before = pad.bounding_box(), page.evaluate("scrollY")
    touch = page.context.new_cdp_session(page)
    for kind, part in (
        ("touchStart", 0.2),
        ("touchMove", 0.5),
        ("touchMove", 0.8),
        ("touchEnd", None),
    ):
        at = (
            []
            if part is None
            else [{"x": box["x"] + box["width"] / 2, "y": box["y"] + part * box["height"]}]
        )
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
    assert page.evaluate("scrollY") == before
    drawn = page.locator("input[value=drawn]")
    assert drawn.is_checked() and " sees a" in page.locator(".live-status").inner_text()
    page.get_by_role("button", name="Clear").click()
    assert not drawn.is_checked()
    pad.focus()
    page.keyboard.down(" ")
    for _ in range(12):
        page.keyboard.press("ArrowDown")
    page.keyboard.up(" ")
    assert drawn.is_checked()
    attack(page)


def test_noise_is_as_long_and_the_picture_can_be_saved(visit):
    page, _ = visit()
    attack(page)
    with page.expect_download() as download:
        page.get_by_text("Save as PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_no_task_is_long_and_the_page_is_small(visit):
    page, _ = visit()
    page.evaluate(
        "() => { window.longest = 0; new PerformanceObserver((list) => { for (const e of "
        "list.getEntries()) longest = Math.max(longest, e.duration); })"
        ".observe({ type: 'longtask' }); }"
    )
    page.locator(".live fieldset").get_by_text("convnet", exact=True).click()
    attack(page)
    page.wait_for_timeout(500)
    assert page.evaluate("longest") < 400  # on a busy machine; 60 is what we want on a quiet one
    assert PAGE.stat().st_size < 2_000_000


def test_without_a_script_a_picture_is_left(browser):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(PAGE.as_uri())
    still = page.locator(".live-still")
    assert still.is_visible() and "runs scripts" in still.inner_text()
    assert still.locator("img").evaluate("e => e.complete && e.naturalWidth > 0")


# Digits as strokes in a square of one, in one to three styles each.
def arc(x, y, across, down, first, last):
    angles = [math.radians(first + (last - first) * k / 16) for k in range(17)]
    return [(x + across * math.cos(a), y + down * math.sin(a)) for a in angles]


STYLES = {
    0: [[arc(0.5, 0.5, 0.3, 0.45, -90, 270)]],
    1: [[[(0.5, 0.05), (0.5, 0.95)]], [[(0.35, 0.25), (0.52, 0.05), (0.52, 0.95)]]],
    2: [[[*arc(0.5, 0.3, 0.28, 0.25, 180, 390), (0.2, 0.95), (0.82, 0.95)]]],
    3: [[[*arc(0.45, 0.28, 0.3, 0.23, 200, 450), *arc(0.45, 0.72, 0.33, 0.23, -90, 160)]]],
    4: [
        [[(0.3, 0.05), (0.2, 0.55), (0.8, 0.55)], [(0.68, 0.1), (0.65, 0.95)]],
        [[(0.65, 0.95), (0.65, 0.05), (0.15, 0.62), (0.88, 0.62)]],
    ],
    5: [[[(0.78, 0.06), (0.3, 0.06), (0.27, 0.42), *arc(0.46, 0.68, 0.3, 0.27, -110, 150)]]],
    6: [[[(0.65, 0.05), (0.35, 0.4), *arc(0.48, 0.7, 0.25, 0.25, 200, 560)]]],
    7: [
        [[(0.15, 0.08), (0.82, 0.08), (0.42, 0.95)]],
        [[(0.15, 0.08), (0.82, 0.08), (0.42, 0.95)], [(0.35, 0.5), (0.75, 0.5)]],
    ],
    8: [[[*arc(0.5, 0.28, 0.22, 0.22, 90, 450), *arc(0.5, 0.72, 0.27, 0.23, -90, 270)]]],
    9: [[[*arc(0.48, 0.3, 0.25, 0.24, 0, 360), (0.7, 0.5), (0.6, 0.95)]]],
}


def drawings(number):
    """Every digit in turn, in every style: its size, slant, place and wobble drawn at random."""
    draw = random.Random(0)
    for k in range(number):
        digit = k % 10
        strokes = draw.choice(STYLES[digit])
        size, narrow = draw.uniform(100, 240), draw.uniform(0.75, 1)
        slant, x0, y0 = draw.uniform(-0.15, 0.25), draw.uniform(0, 40), draw.uniform(0, 40)
        yield (
            digit,
            [
                [
                    (
                        x0 + size * narrow * (x - slant * (y - 0.5)) + draw.gauss(0, 0.012 * size),
                        y0 + size * y + draw.gauss(0, 0.012 * size),
                    )
                    for x, y in stroke
                ]
                for stroke in strokes
            ],
        )


def test_drawn_digits_are_read(visit):
    """By the networks of the built page: nine in ten by the convnet, 85 % with hidden layers."""
    page, _ = visit()
    labels, strokes = zip(*drawings(120), strict=True)
    seen = page.evaluate(
        "(all) => { const { networks, images, ink } = document.querySelector('.live').live;"
        "const side = Math.sqrt(images[0].length);"
        "return all.map((s) => networks.map((net) => net.predict(ink(s, side)))); }",
        strokes,
    )
    right = torch.tensor(seen) == torch.tensor(labels)[:, None]
    shares = dict(zip(NAMES, right.double().mean(dim=0).tolist(), strict=True))
    print(shares)
    hidden = [shares[name] for name in NAMES[3:]]
    assert shares["convnet"] >= 0.9 and sum(hidden) / len(hidden) >= 0.85, shares
