"""Break each core function in one place and see that a test fails.

A mutant that survives means that a test cannot fail, which is a defect of the tests.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

PATIENCE = 600  # seconds: a function that never returns is noticed too
COPIED = ("blindspots", "coursework", "tests", "book/chapters", "book/exercises")
# What is not tested by its own name.
TESTED_IN = {
    "blindspots/enclosure.py": "operator_norms",
    "blindspots/practice/__init__.py": "practice",
}


class Mutant(NamedTuple):
    """One change of one place in a file, and the tests that must notice it."""

    file: str
    original: str
    broken: str
    tests: str


def mutants() -> list[Mutant]:
    box = [
        ("trial = trial.clamp(rows.lower[left], rows.upper[left])", "trial = trial"),
        ("held |= (rows.x >= rows.upper) & (rows.gradient < 0)", "pass"),
        ("held = (rows.x <= rows.lower) & (rows.gradient > 0)", "held = rows.x <= rows.lower"),
        ("changes[:, slot] = gradient - rows.gradient", "changes[:, slot] = gradient"),
        ("down[:, i] = inverse[:, i] * along", "pass"),
        ("up[:, i] = down[:, i] - inverse[:, i] * along", "up[:, i] = down[:, i]"),
        ("return -(scale[:, None] * gradient + combined)", "return -rows.gradient / 100"),
        ("SUFFICIENT_DECREASE = 1e-4", "SUFFICIENT_DECREASE = -1e4"),
        ("rows.problem[left])", "left)"),
        ("rows.value - value <= ftol", "value - rows.value <= -ftol - 1"),
        ("spent[left] += 1", "spent += 1"),
        ("converged = (residual <= gtol)", "converged = (residual <= 1)"),
        ("x = x0.clamp(lower, upper)", "x = x0"),
    ]
    attack = [
        ("1, classes, labels.shape", "0, classes, labels.shape"),
        ("except torch.OutOfMemoryError:", "except MemoryError:"),
        ("if not (progress and parts):", "if not progress:"),
        ("parts += [_failed(problem)", "[_failed(problem)"),
    ]
    problem = [
        ("(already := first_margin <= 0)", "(already := first_margin < -1e9)"),
        (
            "nn.functional.one_hot(first, classes).bool()",
            "~nn.functional.one_hot(first, classes).bool()",
        ),
        ("guard = ROUNDING * logits", "guard = -ROUNDING * logits"),
        ("other = problem._replace(targets=targets)", "other = problem"),
        ("first_margin=problem.first_margin[rows]", "first_margin=problem.first_margin"),
    ]
    penalty_search = [
        ("weight[at] * squared_norm + losses", "squared_norm + losses"),
        (
            "torch.where(success, end, succeeds[:, rows])",
            "torch.where(success, succeeds[:, rows], end)",
        ),
        ("better = success & (size < smallest[rows])", "better = size < smallest[rows]"),
        ("squared_norm = (points - left", "squared_norm = (points - 0.9 * left"),
        ("evaluations[rows] += minimum", "evaluations[rows] = minimum"),
        ("fails[0] * (succeeds[0] / fails[0]) ** share.clamp(0.05, 0.95)", "fails[0] * 0.99"),
        ("rows = rows[(succeeds", "rows[(succeeds"),
    ]
    nearest = [
        ("max(LEAST_HEAT, round(HEAT_SHARE * steps))", "LEAST_HEAT"),
        ("normals[row, column] = normals[row, column].lerp(others, weight)", "pass"),
        (".lerp(gradient, share[:, None])", ".lerp(-gradient, share[:, None])"),
        ("1 - LAST_WEIGHT) * (1 + math.cos", "1 - LAST_WEIGHT) * (3 - math.cos"),
        ("offsets.masked_fill(rows.rival < 0, 0)", "offsets"),
        ("outer = torch.where(beyond > 0, 1 + farther, outer)", "pass"),
        (
            "torch.where(success[:, None], point(outer)",
            "torch.where(success[:, None], found.images",
        ),
        ("tolerance=0.1 * aim[:, 0] / lengths", "tolerance=3e-5 * lengths / lengths"),
        ("argmin(dim=1, keepdim=True)", "argmax(dim=1, keepdim=True)"),
        ("1 / (2 * pressure)", "1 / pressure"),
        ("evaluations[rows.at] += spent", "evaluations[rows.at] += 1"),
        ("ahead = differences.gather(1, rows.rival.clamp(min=0)) + aim", "ahead = aim"),
    ]
    polytope = [
        (
            "points - _combine(multipliers, normals)\n    x",
            "points + _combine(multipliers, normals)\n    x",
        ),
        (
            "x = (points - _combine(solution, normals)).clamp(lower, upper)",
            "x = points - _combine(solution, normals)",
        ),
        ("moving = ((dual.multipliers > 0) | (dual.gradient > 0))", "moving = (dual.gradient > 0)"),
        ("step[left]).clamp(min=0)", "step[left])"),
        ("if worse.any():", "if False:"),
        ("violation <= tolerances)", "violation <= 1)"),
        ("left = going.nonzero()[:, 0]", "left = going.nonzero()[:1, 0]"),
        ("normals * dual.free[:, None]", "normals"),
    ]
    affine = [
        ("normals = weight[rivals] - weight[targets, None]", "normals = weight[rivals]"),
        (
            "offsets = bias[targets, None] - bias[rivals]",
            "offsets = bias[rivals] - bias[targets, None]",
        ),
        ("if error > 1e-4", "if error > 1e9"),
        ("if strict and not", "if False and not"),
        ("least = least.minimum(size)", "least = size"),
    ]
    perturbations = [
        (".square().mean(dim=1).sqrt()", ".square().sum(dim=1).sqrt()"),
        ("_clip(original + factor", "_clip(original - 1.01 * factor"),
        ("images.clamp(*bounds)", "images"),
        ("values >= 0", "values >= -9"),
    ]
    training = [
        ("factor / 2 * torch", "factor * torch"),
        ("/ len(layer.weight)", "/ layer.weight.shape[1]"),
        ("loss = loss + sparsity_weight * divergence.sum()", "pass"),
        (
            "order[:batch_size].to(data.labels.device), order[batch_size:]",
            "order[:batch_size], order",
        ),
        ("depth = depths[step // every % len(depths)]", "depth = depths[step % len(depths)]"),
        ("depth = depths[step % len(depths)]", "depth = depths[0]"),
        ("if step % every == 0:", "if step == 0:"),
        ("model.eval()[depth:].eval()", "model.eval()[depth:].train()"),
        ("head = model.eval()[depth:].eval()", "head = model.eval()"),
        ("found.detach(), fresh.labels", "pools[depth][0][slots], fresh.labels"),
        ("found.detach(), fresh.labels", "found.detach(), pools[depth][1][slots]"),
        (
            "attack(head, _features(model, depth, fresh.images), fresh.labels)",
            "_features(model, depth, fresh.images)",
        ),
        ("torch.cat([labels, truth])", "torch.cat([labels, truth.roll(1)])"),
    ]
    adversaries = [
        ("images[read], targets", "images[read], targets.flip(0)"),
        ("read = predict(model, images) == labels", "read = labels >= 0"),
        ("predict(model, images) == labels", "predict(model, images) != labels"),
        ("search_steps=search_steps", "search_steps=1"),
        ("result = images.clone()", "result = images"),
        ("if read.any():", "if True:"),
        ("moved.detach() + step", "moved.detach() - step"),
        (".clamp(images - size, images + size)", ""),
        (".clamp(*bounds)", ""),
        ("2.5 * size / steps", "size / steps / steps"),
        ("moved = images.detach()", "moved = images.detach() + step"),
        ("for _ in range(steps):", "for _ in range(1):"),
        ("if size <= 0 or steps < 1:", "if size <= 0:"),
    ]
    data = [
        ("test = np.arange(len(labels)) % 4 == 0", "test = np.arange(len(labels)) < 450"),
        ("pixels[chosen] / 16", "pixels[chosen] / 15"),
        ("_verify(file, file.read_bytes())", "pass"),
        ("_verify(file, header + read", "len(header + read"),
        ("data[order[middle:]]", "data[order[middle - 1 :]]"),
        ("shutil.rmtree(scratch, ignore_errors=True)", "pass"),
    ]
    networks = [
        ("!= labels).double()", "== labels).double()"),
        (".argmax(dim=1)", ".argmin(dim=1)"),
        ("best = logits.masked_fill(~rivals, -torch.inf)", "best = logits.masked_fill(~rivals, 0)"),
        (
            "height, width = outputs, height // 2, width // 2",
            "height, width = outputs, height, width",
        ),
        ("generator=generator)  # type", "generator=None)  # type"),
    ]
    zoo = [
        ("with whole_file(file) as scratch:", "for scratch in [file]:"),
        ('if metadata.get("sha256") != _checksum(weights):', "if False:"),
        ("{device} {seed} ", "{device} "),
        ("{CODE} {RECIPES[name]} ", "{CODE} "),
        ("for tensor in (data.images, data.labels):", "for tensor in (data.labels,):"),
        ("activation=recipe.activation", "activation=nn.Sigmoid"),
        ("torch.Generator().manual_seed(seed))", "torch.Generator())"),
    ]
    atomic = [
        ("os.replace(scratch, file)", "pass"),
        ("scratch = file.with_suffix", "scratch = file or file.with_suffix"),
        ("scratch.unlink(missing_ok=True)", "pass"),
    ]
    units = [
        ("* triangles.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]", ""),
        ("values**part", "values"),
        (".abs().min() < 1e-5", ".abs().min() < 0"),
        ("variances ** (-strength / 2)", "variances ** (-strength)"),
        ("if not variances[0] > 1e-10 * variances[-1]:", "if False:"),
        ("bases @ frame", "bases"),
        ("(detected > 0).sum(dim=-1)", "detected.sum(dim=-1).long()"),
        (">= share * top.shape[-1]", "> share * top.shape[-1]"),
        ("variances.sum().square()", "variances.sum()"),
        (
            "(directions.mT @ features.mT).topk(k)",
            "(directions.mT @ features.mT).topk(k, largest=False)",
        ),
        ("counts * (counts - 1)", "counts * counts"),
        ("- images.flatten(1).mean(dim=0)", ""),
        ("- k * centers", "- centers"),
        ("1 - within / scatter", "within / scatter"),
        ("(means >= mean)", "(means > mean)"),
        (
            "min(int((means >= mean).sum()), int((means <= mean).sum()))",
            "int((means >= mean).sum())",
        ),
        ("2 * (1 + beyond)", "2 * beyond"),
        ("if dead:", "if False:"),
        ("confidence=0.9)", "confidence=0.5)"),
        ('side=side) for side in ("left", "right")', 'side=side) for side in ("left", "left")'),
    ]
    transfer = [
        (
            "[error_rate(receiver, images, labels) for",
            "[1 - error_rate(receiver, images, labels) for",
        ),
        ("tuple(sets), tuple(receivers)", "tuple(receivers), tuple(sets)"),
    ]
    intervals = [
        ("(1 + confidence) / 2)) ** 2 / count", "confidence)) ** 2 / count"),
        ("middle = (share + z2 / 2) / (1 + z2)", "middle = share"),
        ("runs.std(dim=0) * (1 / number + new_run)", "runs.std(dim=0) * (1 / number)"),
        ("number - 1))", "number))"),
        ("-math.log1p(-confidence) / len(shares)", "-math.log(confidence) / len(shares)"),
        ("math.log((1 - mean) / (1 - p))", "math.log(1 / (1 - p))"),
        ("hits = mean * math.log(mean / p)", "hits = math.log(mean / p)"),
    ]
    subspace = [
        ("> 0, -1.0, 1.0)", "> 0, 1.0, -1.0)"),
        ("directions = away[:, None] * reflected", "directions = reflected"),
        ("flat = flat / flat.abs().amax(dim=1, keepdim=True)", "flat = flat * 1"),
        ("frame = torch.linalg.qr(drawn.to(gradients.device)).Q.mT", "frame = drawn.mT"),
        ("middle = frame.sum(dim=1) / k**0.5", "middle = frame.mean(dim=1)"),
    ]
    sweep = [
        ("torch.set_num_threads(1)", "pass"),
        ("torch.set_num_threads(threads)", "pass"),
        ("for i in missing)", "for i in range(len(settings)))"),
        ('if content["sha256"] != _checksum(content["result"]):', "if False:"),
        ("identity = [code_version(), ", "identity = ["),
        ("kept[i] for i in range(len(settings))", "kept[i] for i in kept"),
        ("initial=len(kept), ", ""),
    ]
    matrix_browser = [
        ("SIDE * (k % 8), SIDE * (k // 8)", "SIDE * (k // 8), SIDE * (k % 8)"),
        (".transpose(1, 2)", ""),
        ("predicted != labels)", "predicted == labels)"),
        ("{html.escape(source)}</th>", "{source}</th>"),
    ]
    enclosure = [
        ("definite = _is_positive_definite(band, square)", "definite = True"),
        ("rest[half:].addmm_(block[half:], block.T, alpha=-1)", "pass"),
        ("block.addmm_(factor[row, before], factor[column, before].T, alpha=-1)", "pass"),
        ("- layer.padding[0] + u", "+ u"),
        ("u * layer.dilation[0]", "u"),
        ("dilation=(1, layer.dilation[1])", "dilation=1"),
        ("first = max(0, row - band.reach)", "first = max(0, row - 1)"),
        ("if failed:", "if False:"),
    ]
    operator_norms = [
        ("matrix = matrix.T", "matrix = matrix[: matrix.shape[1]]"),
        ("for part in kernel.chunk(groups)", "for part in kernel.chunk(groups)[:1]"),
        ("** 2 / (sy * sx)", "** 2 / (sy * sx) ** 2"),
        ("side = -(-(n + 2 * p) // s) * s", "side = -(-n // s) * s"),
        ("cheap >= best", "cheap > 2 * best"),
        ("largest * (1 + EIGENVALUES * gram.shape[1] * UNIT) + rounding", "largest * (1 - 1e-12)"),
    ]
    lipschitz = [
        ("model[:-1].eval()", "model[:-2].eval()"),
        ("(math.sqrt(2) * bounds)", "bounds"),
        ("(gaps / bounds[logits.argmax(dim=1)])", "(gaps / bounds[0])"),
        (".masked_fill(own, torch.inf)", ""),
        ("most *= max(places", "most = max(places"),
        ("norm *= dense_norm", "norm = dense_norm"),
        ("module.weight.double().abs()", "module.weight.double()"),
        ("(2 if len(sources) == 1 else 1)", "1"),
        ("math.sqrt(sum(bound**2 for bound in sources))", "max(sources)"),
        ("nn.Sigmoid: _constant(0.25)", "nn.Sigmoid: _constant(0.2)"),
        ("nn.Softmax: _constant(0.5)", "nn.Softmax: _constant(0.2)"),
        ("(-height).backward()", "height.backward()"),
        ("nn.Softplus(beta=2)", "nn.Identity()"),
    ]
    lipsdp = [
        ("scaled[0] = torch.linalg.qr(scaled[0].T).R.T", "scaled[0] = scaled[0][:, :-1]"),
        ("+ mixed * mixed.mT", ""),
        ("gradient[:, -1] += 1 / mu[left]", "gradient[:, -1] += 1"),
        ("enough = size * mu[left] < GAP * x[left, -1]", "enough = mu[left] < 1"),
        ("while not _is_proven(chain, weights, end, square):", "while False:"),
        ("matrix[: len(rows), : len(rows)] -= rows", "pass"),
        ("w * SLOPES[type(a)]", "w"),
        ("return bounds + bounds.T", "return bounds"),
    ]
    alexnet = [
        ("check_hash=True", "check_hash=False"),
        ("torch.manual_seed(0)", "pass"),
        ("model.load_state_dict(weights)", "pass"),
        ("with torch.random.fork_rng(devices=[]):", "if True:"),
    ]
    ledger = [
        ("if evidence.verdict != verdict:", "if False:"),
        ("if name in found:", "if False:"),
        ("for name in CLAIMS if name not in found", "for name in ()"),
        ("glue(**{", "dict(**{"),
        ("max(nearest, random) < 0.01", "nearest < 0.01"),
        ("excess >= 0.1 and autoencoder_last", "excess >= 0.1"),
        ("rank >= 0.75 and excess > 0", "rank >= 0.75"),
        ("size <= 0.25 and error <= 0.02", "size <= 0.25"),
        ("observed and certified == 0", "observed"),
        ("always and max(way) <= 0.5, always", "always, max(way) <= 0.5"),
    ]
    practice = [
        ("if answer is ...:", "if False:"),
        ("judge(answer)\n", "pass\n"),
        ("if not condition:", "if False:"),
    ]
    assess = [("set_up(assignment.setup, student)", 'set_up(assignment.setup, "ada")')]
    checks = [("if canary.score:", "if False:")]
    editions = [('cell["id"] = f"cell-{number:03}"', "pass")]
    grade = [
        ("hashlib.sha256(file.read_bytes()).hexdigest()", '""'),
        ("if (other := owners.setdefault(student_of(file), file)) != file:", "if False:"),
    ]
    leaks = [
        ('if "hidden=True" in test:', "if False:"),
        ('re.sub(r"<[^>]*>", "", text)', "text"),
    ]
    runner = [("if self.left < 0:", "if False:")]
    sandbox = [('"--net", ', "")]
    wire = [('case ["object", str(content)] if whole:', 'case ["object", str(content)]:')]
    places = {
        "practice/__init__": practice,
        "ledger": ledger,
        "enclosure": enclosure,
        "operator_norms": operator_norms,
        "lipschitz": lipschitz,
        "lipsdp": lipsdp,
        "alexnet": alexnet,
        "transfer": transfer,
        "intervals": intervals,
        "sweep": sweep,
        "matrix_browser": matrix_browser,
        "box": box,
        "attack": attack,
        "problem": problem,
        "penalty_search": penalty_search,
        "nearest": nearest,
        "polytope": polytope,
        "adversaries": adversaries,
        "affine": affine,
        "perturbations": perturbations,
        "training": training,
        "data": data,
        "networks": networks,
        "zoo": zoo,
        "atomic": atomic,
        "units": units,
        "subspace": subspace,
    }
    files = {f"blindspots/{name}.py": changes for name, changes in places.items()} | {
        "coursework/assess.py": assess,
        "coursework/checks.py": checks,
        "coursework/editions.py": editions,
        "coursework/grade.py": grade,
        "coursework/leaks.py": leaks,
        "coursework/inside/runner.py": runner,
        "coursework/inside/wire.py": wire,
        "coursework/sandbox.py": sandbox,
    }
    return [
        Mutant(file, original, broken, tests_of(file))
        for file, changes in files.items()
        for original, broken in changes
    ]


def tests_of(file: str) -> str:
    own = "coursework" if file.startswith("coursework/") else Path(file).stem
    return f"tests/test_{TESTED_IN.get(file, own)}.py"


def passes(folder: Path, tests: str) -> bool:
    """Whether these tests pass, in time, on the copy of the package in the folder."""
    words = [sys.executable, "-m", "pytest", "-q", "-x", "--no-cov", tests]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1):
        sys.exit(f"the tests in {tests} did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def survives(folder: Path, mutant: Mutant) -> bool:
    """Whether the tests pass although the function is broken."""
    path = folder / mutant.file
    source = path.read_text(encoding="utf-8")
    if mutant.original not in source:
        sys.exit(f"{mutant.file} has no {mutant.original!r} any more: renew tools/mutants.py")
    path.write_text(source.replace(mutant.original, mutant.broken), encoding="utf-8")
    alive = passes(folder, mutant.tests)
    path.write_text(source, encoding="utf-8")
    return alive


def main() -> None:
    everything = mutants()
    survivors = 0
    with tempfile.TemporaryDirectory() as name:  # a copy, so that nothing here is ever broken
        folder = Path(name)
        for part in COPIED:
            shutil.copytree(ROOT / part, folder / part)
        for part in ("conftest.py", "pyproject.toml"):
            shutil.copy(ROOT / part, folder)
        for tests in sorted({mutant.tests for mutant in everything}):
            if not passes(folder, tests):
                sys.exit(f"{tests} fails before anything is broken: mend that first")
        for number, mutant in enumerate(everything, start=1):
            alive = survives(folder, mutant)
            survivors += alive
            verdict = "SURVIVED" if alive else "noticed"
            print(
                f"{number}/{len(everything)} {verdict}: {mutant.file}: {mutant.broken}", flush=True
            )
    if survivors:
        sys.exit(f"{survivors} of {len(everything)} broken functions went unnoticed.")
    print(f"All {len(everything)} broken functions were noticed by a test.")


if __name__ == "__main__":
    main()
