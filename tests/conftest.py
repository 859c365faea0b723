import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from blindspots import (
    LabelledImages,
    correctly_classified,
    load_images,
    random_targets,
    trained,
)

ROOT = Path(__file__).resolve().parent.parent

# For Chromium: every host but this machine is cut off.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]

collect_ignore = ["coursework_answers"]  # wrong on purpose


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def train() -> LabelledImages:
    return load_images("digits", split="train")


@pytest.fixture(scope="session")
def test() -> LabelledImages:
    return load_images("digits", split="test")


@pytest.fixture(scope="session")
def network(train: LabelledImages) -> nn.Sequential:
    return trained("FC100-100-10", train)


@pytest.fixture
def digits(
    test: LabelledImages, network: nn.Sequential, generator: torch.Generator
) -> tuple[LabelledImages, torch.Tensor]:
    """Forty images that the network reads correctly, and a wrong class for each."""
    correct = correctly_classified(network, test)[:40]
    return correct, random_targets(correct.labels, classes=10, generator=generator)


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return str(request.param)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, for the tests of `make check-site`."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "Chromium is not installed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()
