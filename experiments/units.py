"""Units against random directions with several seeds: networks x seeds, trained and untrained.

It runs on all cores, and stores the results for the book. Interrupted, it goes on where it stopped.
"""

from collections.abc import Sequence
from functools import partial

import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from blindspots import (
    LabelledImages,
    basis_test,
    evaluate,
    haar_basis,
    label_agreement,
    load_images,
    pixel_compactness,
    top_images,
    trained,
    untrained,
    whitening,
)
from blindspots.data import Source
from blindspots.directions import partial_rotations
from blindspots.units import Coherence, basis_tests, count_detectors, participation_ratio
from experiments.command import Results, store_results, sweep, sweep_parser

# Per network, its layers by their depth: the first and the last hidden one, and what they are just
# before their nonlinearity, unless that has fewer dimensions than units (above silent ReLU units);
# of the convnet, whose other layers have thousands of units, only the last.
LAYERS = {
    "FC100-100-10": {"first, linear": 2, "first": 3, "last, linear": 4, "last": 5},
    "FC100-100-10, ReLU": {"first, linear": 2, "first": 3, "last": 5},
    "convnet": {"last": 7},
}
TOPS = (8, 50)
STRENGTHS = (0, 0.25, 0.5, 0.75, 1)
PARTS = (0, 0.125, 0.25, 0.5, 0.75, 1)
KINDS = 200  # of images, by k-means: a dictionary finer than the classes
WHITENED_ON = 20_000  # training images


def rotations(units: int) -> int:
    """Say how many random bases a layer of so many units is compared with."""
    return 199 if units < 1000 else 49


def examine(data: Source, name: str, learnt: bool, seed: int) -> Results:
    """Examine the layers of one network."""
    train, test = load_images(data, split="train"), load_images(data, split="test")
    generator = torch.Generator().manual_seed(1_000_000 + seed)  # not that of the weights
    # In random order, so that units which are silent on nearly all images get a random choice.
    test = test[torch.randperm(len(test), generator=generator)]
    network = (trained if learnt else untrained)(name, train, seed=seed)
    some = train.images[:WHITENED_ON]
    kmeans = MiniBatchKMeans(KINDS, random_state=seed, n_init=3).fit(some.flatten(1).numpy())
    kinds = torch.from_numpy(kmeans.predict(test.images.flatten(1).numpy())).long()
    results = {}
    for layer, depth in LAYERS[name].items():
        features, others = (evaluate(network[:depth], x) for x in (test.images, some))
        # A unit at rest on all but a few images has no top images to speak of. (One that is at
        # rest after its nonlinearity may have no weights left before it.)
        output = evaluate(network[: depth + layer.endswith("linear")], test.images)
        live = (output > output.amin(dim=0)).sum(dim=0) >= max(TOPS)
        results[layer] = examine_layer(features[:, live], others[:, live], test, kinds, generator)
        results[layer]["dropped"] = int((~live).sum())
    return {"layers": results}


def examine_layer(
    features: Tensor,
    others: Tensor,
    test: LabelledImages,
    kinds: Tensor,
    generator: torch.Generator,
) -> Results:
    """Run the tests, and measure what explains them; whitened by what other images say."""
    units = features.shape[1]
    order = torch.randperm(len(test), generator=generator)
    agreement = partial(label_agreement, test.labels)
    compactness = partial(pixel_compactness, test.images)
    scores = {
        "label agreement": agreement,
        "pixel compactness": compactness,
        "shuffled labels": partial(label_agreement, test.labels[order]),
    }
    coherences = {(k, s): partial(of_first, k, scores[s]) for k in TOPS for s in scores}
    white, back = whitening(others), whitening(others, strength=-1)
    # The units among directions of the raw space; the same units among directions that are random
    # after whitening; and the whitened units among these.
    spaces = {"raw": (features, None), "white": (features @ white, back)}
    tests = []
    for space, (spanned, frame) in (spaces | {"ZCA": (features @ white, None)}).items():
        results = basis_tests(
            spanned,
            coherences,
            directions=frame,
            k=max(TOPS),
            rotations=rotations(units),
            generator=generator,
        )
        for (k, score), result in results.items():
            tests.append(
                {
                    "space": space,
                    "k": k,
                    "score": score,
                    "units": result.natural.mean().item(),
                    "directions": result.rotated.mean().item(),
                    "pvalue": result.pvalue,
                    "superiority": result.superiority,
                }
            )
    strengths = {
        str(strength): basis_test(
            features @ whitening(others, strength=strength),
            agreement,
            directions=whitening(others, strength=-strength),
            rotations=rotations(units) // 5,
            generator=generator,
        ).superiority
        for strength in STRENGTHS
    }
    rotation = haar_basis(units, generator=generator)
    rotation[:, 0] *= torch.linalg.slogdet(rotation).sign  # the determinant itself underflows
    steps = dict(zip(PARTS, partial_rotations(rotation, PARTS), strict=True))
    rotated = {}
    for space, (spanned, frame) in spaces.items():
        tops = {
            part: top_images(spanned, basis if frame is None else basis @ frame, k=8)
            for part, basis in steps.items()
        }
        rotated[space] = {
            str(part): {
                "agreement": agreement(top).mean().item(),
                "compactness": compactness(top).mean().item(),
                "detectors": count_detectors(kinds, top).item(),
                "by chance": count_detectors(kinds[order], top).item(),
            }
            for part, top in tops.items()
        }
    correlation = torch.corrcoef(torch.cat([features, features @ white], dim=1).T)
    return {
        "units": units,
        "participation": participation_ratio(features),
        "whitened alike": correlation[:units, units:].diagonal().median().item(),
        "tests": tests,
        "strengths": strengths,
        "rotated": rotated,
    }


def of_first(k: int, score: Coherence, top: Tensor) -> Tensor:
    """Score the first k of the top images only."""
    return score(top[..., :k])


def main(words: Sequence[str] | None = None) -> None:
    arguments = sweep_parser(__file__, __doc__).parse_args(words)
    data = load_images(split="train").name
    settings = [
        {"data": data.lower(), "name": name, "learnt": learnt, "seed": seed}
        for name in LAYERS
        for learnt in (True, False)
        for seed in range(arguments.seeds)
    ]
    networks = sweep(examine, settings, arguments)
    store_results(arguments, data, seeds=arguments.seeds, networks=networks)


if __name__ == "__main__":
    main()
