"""Whether the package still computes the same bits, after its code was moved about.

python -m tools.same_bits record     before the change
python -m tools.same_bits compare    after it, on the same machine
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

import blindspots as b
from blindspots.bounds.lipsdp import lipsdp_pair_bounds

RECORD = Path(__file__).resolve().parent.parent / "_build" / "bits.json"


def results() -> Iterator[tuple[str, Any]]:
    """Results of every part of the package on fixed seeds, on the digits, in 64 bits."""
    train = b.load_images("digits", split="train")
    test = b.load_images("digits", split="test")
    generator = torch.Generator().manual_seed(0)
    images = test.images[:40].double()
    networks = {}
    for name, widths in {"small": [64, 10], "deep": [64, 30, 20, 10]}.items():
        networks[name] = b.mlp(widths, generator=torch.Generator().manual_seed(1))
        b.fit_to_convergence(networks[name], train, weight_decay=[1e-4] * (len(widths) - 1))
    networks["convnet"] = b.convnet(
        (1, 8, 8), channels=(4, 6), generator=torch.Generator().manual_seed(2)
    )
    b.fit(networks["convnet"], train, weight_decay=[1e-5] * 3, steps=300, generator=generator)
    for name, network in networks.items():
        yield f"training of {name}", torch.cat([p.flatten() for p in network.parameters()])
        network.double().eval()
    # A receiver reads what is made for another, so all are in 64 bits before the first attack.
    for name, network in networks.items():
        correct = b.predict(network, images) == test.labels[:40]
        data, labels = images[correct], test.labels[:40][correct]
        targets = b.random_targets(labels, classes=10, generator=generator)
        found = {
            "lbfgs": b.lbfgs_attack(network, data, targets),
            "nearest": b.nearest_attack(network, data, targets),
            "nearest of all": b.nearest_attack(network, data),
        }
        for attack, result in found.items():
            yield f"{attack} on {name}", torch.cat([result.images.flatten(), result.penalty])
        yield f"gradients on {name}", found["nearest"].evaluations
        yield f"bounds of {name}", repr(b.layer_bounds(network, (1, 8, 8)))
        transfer = b.transfer_matrix(networks, {name: (found["lbfgs"].images, labels)})
        yield f"transfer from {name}", repr(transfer)
    yield "exact", b.affine_minimum(networks["small"], data, None)
    yield "LipSDP", b.lipsdp_bound(networks["deep"])
    yield "pairs", lipsdp_pair_bounds(networks["deep"])
    every = test.images.double()
    features = b.evaluate(networks["deep"][:4], every)
    coherence = partial(b.pixel_compactness, every)
    yield "units", repr(b.basis_test(features, coherence, rotations=19, generator=generator))


def bits(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        value = value.detach().contiguous().numpy().tobytes()
    else:
        value = repr(value).encode()
    return hashlib.sha256(value).hexdigest()[:16]


def main() -> None:
    torch.set_num_threads(1)
    torch.set_printoptions(precision=17, threshold=sys.maxsize)
    found = {name: bits(value) for name, value in results()}
    if sys.argv[1:] == ["record"]:
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(json.dumps(found, indent=1))
        print(f"{len(found)} results recorded")
    elif sys.argv[1:] == ["compare"]:
        before = json.loads(RECORD.read_text())
        changed = [name for name in before if found.get(name) != before[name]]
        changed += [f"{name} (new)" for name in found.keys() - before.keys()]
        if changed:
            sys.exit("Other bits: " + ", ".join(changed))
        print(f"{len(found)} results are the same to the last bit")
    else:
        sys.exit("Say record or compare.")


if __name__ == "__main__":
    main()
