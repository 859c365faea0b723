import base64
import io
import re

import matplotlib.pyplot as plt
import pytest
import torch

from blindspots import load_images
from blindspots.book.matrix_browser import matrix_browser
from blindspots.networks import TransferMatrix

DATA = load_images("digits", split="test")[:10]


@pytest.fixture
def page():
    wrong = (DATA.labels + 1) % 10
    some = torch.where(torch.arange(10) < 3, wrong, DATA.labels)
    return matrix_browser(
        TransferMatrix(torch.tensor([[1.0, 0.3], [0.3, 1.0]]), ("a<b>", "b"), ("a<b>", "b")),
        {"a<b>": DATA.images, "b": DATA.images.flip(0)},
        {"a<b>": DATA.labels, "b": DATA.labels.flip(0)},
        {
            ("a<b>", "a<b>"): wrong,
            ("a<b>", "b"): some,
            ("b", "a<b>"): some.flip(0),
            ("b", "b"): wrong,
        },
        notes={("b", "a<b>"): "The paper: 5 %."},
        caption="What fools whom",
    ).data


def test_every_cell_is_a_button_that_says_what_it_is(page):
    assert page.count("type='radio'") == 4 and page.count(" checked") == 1
    assert "aria-label='Made for a&lt;b&gt;, shown to b: 30.0 percent misread'" in page
    assert "a<b>" not in page and "The paper: 5 %." in page
    names = re.findall(r"for='(.*?)'", page)
    assert sorted(names) == sorted(re.findall(r" id='(.*?)'", page)) and len(set(names)) == 4


def test_examples_are_the_right_images_with_what_the_receiver_sees(page):
    panel = page.split("Made for a&lt;b&gt;, shown to b:</b>")[1].split("</td>")[0]
    misread, read = panel.split("Read rightly, 7 of the first 10:")
    assert "Misread, 3 of the first 10:" in misread
    for k in range(3):
        label = int(DATA.labels[k])
        assert f"a {label}, read as {(label + 1) % 10}" in misread
        assert f"background-position: -{56 * k}px -0px" in misread
    assert read.count("<li>") == 4 and "background-position: -168px -0px" in read


def test_the_picture_holds_the_images_in_that_order(page):
    sprite = re.search(r"-0 { background-image: url\(data:image/png;base64,(.*?)\)", page)[1]
    pixels = torch.from_numpy(plt.imread(io.BytesIO(base64.b64decode(sprite))))[:, :, 0]
    assert pixels.shape == (2 * 8, 8 * 8)
    for k in range(10):
        row, column = 8 * (k // 8), 8 * (k % 8)
        tile = pixels[row : row + 8, column : column + 8]
        assert torch.allclose(1 - tile, DATA.images[k, 0], atol=1 / 250)


def test_two_builds_give_the_same_page():
    arguments = (
        TransferMatrix(torch.ones(1, 1), ("a",), ("b",)),
        {"a": DATA.images},
        {"a": DATA.labels},
        {("a", "b"): DATA.labels},
    )
    pages = [matrix_browser(*arguments, notes={}, caption="c").data for _ in range(2)]
    assert pages[0] == pages[1]
