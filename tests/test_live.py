"""What Python writes into the live page; what the page makes of it is tested in a browser."""

import base64
import html
import json
import re
from urllib.parse import parse_qs

import numpy as np
import pytest
import torch
from torch import nn

from blindspots import mlp, pair_bounds
from blindspots.attack import lbfgs, projections
from blindspots.book.live import HERE, constants, describe, live_attack, live_link, rounded

IMAGES, LABELS = torch.zeros(2, 1, 8, 8), torch.tensor([0, 1])


def chain(*layers):
    return nn.Sequential(*layers).eval()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(1, 2, 3), (1, 8, 8)),
        (nn.Conv2d(1, 2, 3, padding=1, stride=2), (1, 8, 8)),
        (nn.Conv2d(2, 2, 3, padding=1, groups=2), (2, 8, 8)),
        (nn.Conv2d(1, 2, 2, padding="same"), (1, 8, 8)),
        (nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), (1, 8, 8)),
        (nn.MaxPool2d(3), (1, 9, 9)),
        (nn.MaxPool2d(2, stride=1), (1, 8, 8)),
        (nn.MaxPool2d(2, ceil_mode=True), (1, 8, 8)),
        (nn.GELU(), (1, 8, 8)),
        (nn.Flatten(2), (1, 8, 8)),
    ],
    ids=str,
)
def test_a_layer_that_the_page_cannot_compute_is_named(layer, shape):
    with pytest.raises(NotImplementedError, match=r"layer 0 of mine is .*, which the page cannot"):
        describe(chain(layer, nn.Flatten(), nn.LazyLinear(2)), shape, "mine")


def test_training_mode_and_pictures_in_colour_are_refused():
    with pytest.raises(ValueError, match="training mode"):
        live_attack({"mine": mlp((64, 10)).train()}, IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"square and grey.*got \(2, 3, 8, 8\)"):
        live_attack({"mine": mlp((192, 10)).eval()}, IMAGES.expand(-1, 3, -1, -1), LABELS)


def test_pixels_and_labels_are_checked():
    mine = {"mine": mlp((64, 10)).eval()}
    for images in (IMAGES + torch.nan, IMAGES + 2):
        with pytest.raises(ValueError, match=r"pixels must lie in \[0, 1\], got"):
            live_attack(mine, images, LABELS)
    with pytest.raises(ValueError, match="2 images need as many labels"):
        live_attack(mine, IMAGES, LABELS[:1])


def test_weights_are_those_of_the_rounded_network_and_so_are_the_bounds(network):
    described = describe(network, (1, 8, 8), "mine")
    exact = rounded(network)
    assert not torch.equal(exact[1].weight, network[1].weight.double())
    kinds = [layer["kind"] for layer in described["layers"]]
    assert kinds == ["flatten", "linear", "sigmoid", "linear", "sigmoid", "linear"]
    for layer, of in zip(described["layers"][1::2], exact[1::2], strict=True):
        for part in ("weight", "bias"):
            numbers = np.frombuffer(base64.b64decode(layer[part]), np.float16)
            assert np.array_equal(numbers, getattr(of, part).numpy().ravel())
    assert described["bounds"] == pair_bounds(exact, (1, 8, 8)).tolist()


def test_the_script_has_pythons_constants_and_uses_no_other():
    """All that it asks for are there; the two that have one name keep their own."""
    script = (HERE / "core.js").read_text(encoding="utf-8")
    asked = {*re.findall(r"\bc\.([A-Z_]+)\b", script)}
    assert len(asked) > 20 and asked <= {*constants()}
    assert constants()["LBFGS_AIM"] == lbfgs.AIM != constants()["NEAREST_AIM"] == projections.AIM
    assert constants()["PROJECTIONS"] == 30 and constants()["PENALTIES"] == 12


@pytest.mark.parametrize(("levels", "given"), [(16, 16), (255, 255), (1000, 255)])
def test_images_keep_their_grey_levels(levels, given, generator):
    images = torch.randint(levels + 1, (2, 1, 8, 8), generator=generator) / levels
    page = live_attack({"</script>": mlp((64, 10)).eval()}, images, LABELS).data
    data = re.search(r"<script type='application/json'[^>]*>(.*?)</script>", page, re.S).group(1)
    content = json.loads(data)
    assert content["levels"] == given and content["networks"][0]["name"] == "</script>"
    kept = np.frombuffer(base64.b64decode(content["images"]), np.uint8) / given
    assert np.abs(kept - images.numpy().ravel()).max() <= (0.5 / 255 if levels > 255 else 1e-6)


def test_equal_pages_are_equal_and_others_have_other_names():
    """Or a build would differ from the last; two pages in one must not share their buttons."""
    seeds = (torch.Generator().manual_seed(number) for number in (0, 0, 1))
    networks = [mlp((64, 10), generator=seed).eval() for seed in seeds]
    one, same, other = (live_attack({"mine": n}, IMAGES, LABELS).data for n in networks)
    assert one == same != other
    names = [re.search(r"class='live' id='(live-\w+)'", page).group(1) for page in (one, other)]
    assert names[0] != names[1]


def test_without_a_script_there_is_a_picture():
    page = live_attack({"mine": mlp((64, 10)).eval()}, IMAGES, LABELS, still=IMAGES[0, 0]).data
    still = re.search(r"<div class='live-still'>(.*?)</div>", page, re.S).group(1)
    assert "browser that runs scripts" in still and "data:image/png;base64," in still


def test_a_link_carries_the_image_and_what_is_to_be_done(test):
    link = live_link(test.images[3], "FC10(1e-4)", 7, data=test, attack="nearest").data
    state = parse_qs(html.unescape(re.search('href="([^"]+)"', link)[1]).partition("#live&")[2])
    pixels = np.frombuffer(base64.urlsafe_b64decode(state.pop("d")[0]), dtype=np.uint8)
    np.testing.assert_array_equal(pixels / 16, test.images[3].flatten())
    assert state == {"i": ["drawn"], "n": ["FC10(1e-4)"], "t": ["7"], "a": ["nearest"], "f": ["1"]}
    with pytest.raises(ValueError, match=r"images of \(1, 8, 8\), got \(1, 4, 4\)"):
        live_link(test.images[3, :, :4, :4], "convnet", 7, data=test)
    for pixels in (torch.nan, 2.0, -1.0):
        with pytest.raises(ValueError, match=r"pixels must lie in \[0, 1\]"):
            live_link(torch.full_like(test.images[0], pixels), "convnet", 7, data=test)
