/* The attacks of blindspots.attack for one image at a time, in 64 bits, in a page.

   The functions have the names of those in Python and do the same steps in the same order, so that
   both give the same distortion and count the same gradients; they must change together.
   `constants` are Python's own. The searches are generators that yield after every gradient, so
   that a page can paint in between. */
function blindspotsCore(constants) {
  "use strict";
  const c = constants;

  // ---- vectors ----------------------------------------------------------------------------------

  const dot = (a, b) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  };
  const norm = (a) => Math.sqrt(dot(a, a));
  const map2 = (a, b, f) => a.map((x, i) => f(x, b[i]));
  const minus = (a, b) => map2(a, b, (x, y) => x - y);
  const clamped = (x, low, high) => Math.min(Math.max(x, low), high);
  const inBox = (a, low, high) => a.map((x, i) => clamped(x, low[i], high[i]));
  const argmax = (a) => a.reduce((best, x, i) => (x > a[best] ? i : best), 0);
  const distortion = (a, b) => norm(minus(a, b)) / Math.sqrt(a.length);

  // ---- networks ---------------------------------------------------------------------------------

  /* A map from a picture to what each kernel gives at each of its places. The pixels under the
     kernel are laid side by side, and four places are summed at a time: that is fast. */
  function correlation(kernels, bias, inputs, { side, height, width }) {
    const places = height * width, taps = inputs * side * side, reach = (side - 1) / 2;
    const under = []; // of each place: its pixels, or that behind the last, which is 0
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++)
        for (let i = 0; i < inputs; i++)
          for (let r = row - reach; r <= row + reach; r++)
            for (let k = column - reach; k <= column + reach; k++)
              under.push(r >= 0 && r < height && k >= 0 && k < width ? (i * height + r) * width + k : inputs * places);
    const at = Int32Array.from(under), windows = new Float64Array(at.length + 3 * taps);
    const padded = new Float64Array(inputs * places + 1);
    return (x) => {
      padded.set(x);
      for (let t = 0; t < at.length; t++) windows[t] = padded[at[t]];
      const y = new Float64Array(bias.length * places);
      for (let o = 0; o < bias.length; o++)
        for (let place = 0; place < places; place += 4) {
          let w0 = bias[o], w1 = w0, w2 = w0, w3 = w0;
          for (let t = 0, k = o * taps, a = place * taps; t < taps; t++, k++, a++) {
            const w = kernels[k];
            w0 += w * windows[a];
            w1 += w * windows[a + taps];
            w2 += w * windows[a + 2 * taps];
            w3 += w * windows[a + 3 * taps];
          }
          const to = o * places + place; // what lies behind the last place, the next kernel sets
          y[to] = w0;
          y[to + 1] = w1;
          y[to + 2] = w2;
          y[to + 3] = w3;
        }
      return y;
    };
  }

  /* Each layer maps an input to an output, and the gradient at the output to that at the input. */
  const LAYERS = {
    flatten: () => ({ forward: (x) => x, backward: (x, y, up) => up }),

    linear({ weight, bias, outputs, inputs }) {
      return {
        forward(x) {
          const y = new Float64Array(outputs);
          for (let o = 0; o < outputs; o++) {
            let sum = bias[o];
            for (let i = 0, k = o * inputs; i < inputs; i++, k++) sum += weight[k] * x[i];
            y[o] = sum;
          }
          return y;
        },
        backward(x, y, up) {
          const down = new Float64Array(inputs);
          for (let o = 0; o < outputs; o++) {
            const u = up[o];
            if (u !== 0) for (let i = 0, k = o * inputs; i < inputs; i++, k++) down[i] += u * weight[k];
          }
          return down;
        },
      };
    },

    /* Square kernels of odd side, stride 1, zeros around the picture so that it keeps its size. */
    conv({ weight, bias, outputs, inputs, side, height, width }) {
      const kernels = Float64Array.from(weight), turned = new Float64Array(weight.length);
      for (let o = 0; o < outputs; o++)
        for (let i = 0; i < inputs; i++)
          for (let r = 0; r < side; r++)
            for (let s = 0; s < side; s++)
              turned[((i * outputs + o) * side + side - 1 - r) * side + side - 1 - s] =
                weight[((o * inputs + i) * side + r) * side + s];
      const shape = { side, height, width };
      const back = correlation(turned, new Float64Array(inputs), outputs, shape);
      return {
        forward: correlation(kernels, bias, inputs, shape),
        backward: (x, y, up) => back(up),
      };
    },

    sigmoid: () => ({
      forward: (x) => x.map((v) => 1 / (1 + Math.exp(-v))),
      backward: (x, y, up) => up.map((u, i) => u * y[i] * (1 - y[i])),
    }),

    // With loops, as the convnet has thousands of units: `map` is ten times as slow.
    relu: () => ({
      forward(x) {
        const y = new Float64Array(x.length);
        for (let i = 0; i < x.length; i++) if (x[i] > 0) y[i] = x[i];
        return y;
      },
      backward(x, y, up) {
        const down = new Float64Array(x.length);
        for (let i = 0; i < x.length; i++) down[i] = (x[i] > 0 ? up[i] : 0);
        return down;
      },
    }),

    /* Two by two; of equal numbers the first in the order of rows wins, as in PyTorch. */
    pool({ channels, height, width }) {
      const rows = height >> 1, columns = width >> 1;
      const largest = (x) => {
        const at = new Int32Array(channels * rows * columns);
        for (let channel = 0, to = 0; channel < channels; channel++)
          for (let row = 0; row < rows; row++)
            for (let column = 0; column < columns; column++, to++) {
              let k = (channel * height + 2 * row) * width + 2 * column, best = k;
              if (x[k += 1] > x[best]) best = k;
              if (x[k += width - 1] > x[best]) best = k;
              if (x[k += 1] > x[best]) best = k;
              at[to] = best;
            }
        return at;
      };
      return {
        forward(x) {
          const at = largest(x), y = new Float64Array(at.length);
          for (let to = 0; to < at.length; to++) y[to] = x[at[to]];
          return y;
        },
        backward(x, y, up) {
          const down = new Float64Array(x.length);
          const at = largest(x);
          for (let to = 0; to < at.length; to++) down[at[to]] += up[to];
          return down;
        },
      };
    },
  };

  /* A network from the descriptions of its layers. */
  function network(descriptions, bounds) {
    const layers = descriptions.map((layer) => LAYERS[layer.kind](layer));
    const logits = (x) => layers.reduce((y, layer) => layer.forward(y), x);
    /* Logits, and the way from a gradient at the logits to one at the pixels. */
    const trace = (x) => {
      const values = [x];
      for (const layer of layers) values.push(layer.forward(values[values.length - 1]));
      const down = (up) => {
        let gradient = up;
        for (let k = layers.length - 1; k >= 0; k--)
          gradient = layers[k].backward(values[k], values[k + 1], gradient);
        return gradient;
      };
      return { logits: values[layers.length], down };
    };
    return { logits, trace, bounds, predict: (x) => argmax(logits(x)) };
  }

  /* The least margin divided by its bound; a hair less, for the rounding of the logits. */
  function certifiedRadius(net, x) {
    const z = net.logits(x), top = argmax(z);
    const ratios = Array.from(z, (v, k) => (k === top ? Infinity : (z[top] - v) / net.bounds[top][k]));
    return Math.max(0, Math.min(...ratios) * (1 - 1e-9) - 1e-12);
  }

  // ---- the problem (_problem.py) ----------------------------------------------------------------

  /* The rivals' largest logit minus the target's, and which rival that is. */
  function margin(z, target, isRival) {
    let ahead = -1;
    z.forEach((v, k) => { if (isRival[k] && (ahead < 0 || v > z[ahead])) ahead = k; });
    return { value: z[ahead] - z[target], ahead };
  }

  const between = (classes, plus, less) => {
    const up = new Float64Array(classes);
    up[plus] += 1;
    up[less] -= 1;
    return up;
  };

  /* Target null: any class may win, and the one predicted now is the only rival. */
  function stateProblem(net, image, target) {
    const { logits, down } = net.trace(image), classes = logits.length, first = argmax(logits);
    const isRival = Array.from(logits, (_, k) => (target === null ? k === first : k !== target));
    if (target === null) target = argmax(logits.map((v, k) => (k === first ? -Infinity : v)));
    const { value, ahead } = margin(logits, target, isRival);
    if (!(value > 0)) throw new Error(`class ${target} is predicted already: choose another one`);
    const slope = norm(down(between(classes, ahead, target)));
    const compete = Math.max(Math.abs(logits[first]), Math.abs(logits[target]));
    const sizes = Array.from(logits, Math.abs).filter((size) => size <= c.MASK * compete);
    const unit = Math.min(1, (c.WIDE * value) / slope / Math.sqrt(image.length));
    return {
      net, image, target, isRival, classes, slope, unit,
      firstMargin: value,
      guard: c.ROUNDING * Math.max(...sizes),
      lower: new Float64Array(image.length),
      upper: new Float64Array(image.length).fill(1),
    };
  }

  const marginAt = (problem, x) => margin(problem.net.logits(x), problem.target, problem.isRival).value;

  const towards = (problem, target) => {
    const other = { ...problem, target };
    return { ...other, firstMargin: marginAt(other, other.image) };
  };

  // ---- box.py -----------------------------------------------------------------------------------

  function* minimizeBox(fun, x0, { lower, upper, history, maxIterations = 200, gtol, ftol }) {
    ftol = Math.max(ftol, 2 * Number.EPSILON);
    let x = inBox(x0, lower, upper), evaluations = 1, iterations = 0, settled = false, stuck = false;
    let { value, gradient } = fun(x);
    yield;
    const memory = Array.from({ length: history }, () => ({
      step: new Float64Array(x.length), change: new Float64Array(x.length),
    }));
    for (let iteration = 0; ; iteration++) {
      const residual = x.reduce(
        (most, v, i) => Math.max(most, Math.abs(v - clamped(v - gradient[i], lower[i], upper[i]))), 0,
      );
      const converged = residual <= gtol || settled;
      if (converged || stuck || iteration === maxIterations)
        return { x, value, converged, iterations, evaluations };
      const slot = iteration % history;
      const free = x.map((v, i) =>
        (v <= lower[i] && gradient[i] > 0) || (v >= upper[i] && gradient[i] < 0) ? 0 : 1);
      const direction = lbfgsDirection(memory, gradient, free, slot - 1);
      // The step is shortened along the projected path until it decreases enough.
      let after = null, length = 1;
      for (let attempt = 0; attempt < c.MAX_BACKTRACKS && !after; attempt++) {
        const trial = x.map((v, i) => clamped(v + length * direction[i], lower[i], upper[i]));
        const there = fun(trial);
        evaluations += 1;
        yield;
        const slope = x.reduce((sum, v, i) => sum + gradient[i] * (trial[i] - v), 0);
        if (slope < 0 && there.value <= value + c.SUFFICIENT_DECREASE * slope) after = { x: trial, ...there };
        const ratio = -slope / (2 * (there.value - value - slope));
        length *= clamped(Number.isNaN(ratio) ? 0.5 : ratio, 0.1, 0.5);
      }
      if (!after) {
        stuck = !memory.some((pair) => pair.step.some((v) => v !== 0));
        for (const pair of memory) { pair.step.fill(0); pair.change.fill(0); }
        after = { x, value, gradient };
        settled = false;
      } else {
        settled = value - after.value <= ftol * Math.max(Math.abs(value), 1);
        iterations += 1;
      }
      memory[slot] = { step: minus(after.x, x), change: minus(after.gradient, gradient) };
      ({ x, value, gradient } = after);
    }
  }

  function lbfgsDirection(memory, gradient, free, newest) {
    const history = memory.length;
    const order = memory.map((_, age) => (((newest - age) % history) + history) % history);
    const masked = (a) => map2(a, free, (v, f) => v * f);
    const g = masked(gradient), steps = memory.map((m) => masked(m.step));
    const changes = memory.map((m) => masked(m.change));
    const stepChange = steps.map((s) => changes.map((y) => dot(s, y)));
    const changeChange = changes.map((y) => changes.map((z) => dot(y, z)));
    const usable = memory.map((_, i) =>
      stepChange[i][i] > Number.EPSILON * norm(steps[i]) * Math.sqrt(changeChange[i][i]));
    const inverse = memory.map((_, i) => (usable[i] ? 1 / stepChange[i][i] : 0));
    const oldestFirst = [...order].reverse();
    let scale = 1 / Math.max(norm(g), 1);
    for (const i of oldestFirst) if (usable[i]) scale = stepChange[i][i] / changeChange[i][i];
    const downs = new Float64Array(history), ups = new Float64Array(history);
    for (const i of order) downs[i] = inverse[i] * (dot(steps[i], g) - dot(stepChange[i], downs));
    for (const i of oldestFirst) {
      let along = scale * (dot(changes[i], g) - dot(changeChange[i], downs));
      for (let j = 0; j < history; j++) along += stepChange[j][i] * ups[j];
      ups[i] = downs[i] - inverse[i] * along;
    }
    const direction = g.map((v) => -scale * v);
    for (let j = 0; j < history; j++)
      for (let i = 0; i < direction.length; i++)
        direction[i] -= ups[j] * steps[j][i] - scale * downs[j] * changes[j][i];
    return direction;
  }

  // ---- lbfgs.py ---------------------------------------------------------------------------------

  const logSumExp = (z) => {
    const most = Math.max(...z);
    return most + Math.log(z.reduce((sum, v) => sum + Math.exp(v - most), 0));
  };

  /* Penalty times squared norm plus cross-entropy, to be minimised for one penalty or another. */
  function penalised(problem) {
    const { net, image, target, firstMargin: first, unit } = problem;
    const scaled = (a) => a.map((v) => v / unit);
    const origin = scaled(image), lower = scaled(problem.lower), upper = scaled(problem.upper);
    const sharpness = clamped(first, ...c.MARGINS) / first;
    const share = Math.min((sharpness * Math.min(first, problem.slope * unit)) / c.CHANGE, 1);
    const loss = (z) => {
      const sharp = z.map((v) => sharpness * v), total = logSumExp(sharp);
      const slope = sharp.map((v, k) => sharpness * (Math.exp(v - total) - (k === target ? 1 : 0)));
      return { value: total - sharp[target], slope };
    };
    const start = share < 1 ? loss(net.logits(image)).value : 0;

    function* minimise(penalty, from) {
      const objective = (points) => {
        const away = minus(points, origin);
        const { logits, down } = net.trace(points.map((v) => v * unit)), { value, slope } = loss(logits);
        const through = down(slope);
        return {
          value: (penalty * dot(away, away) + value - start) / share,
          gradient: away.map((v, i) => (2 * penalty * v + unit * through[i]) / share),
        };
      };
      const minimum = yield* minimizeBox(objective, from, {
        lower, upper, history: c.HISTORY, gtol: c.TOLERANCE, ftol: c.TOLERANCE,
      });
      const x = inBox(minimum.x.map((v) => v * unit), problem.lower, problem.upper);
      const behind = marginAt(problem, x), success = behind <= -problem.guard;
      const size = distortion(image, x), evaluations = minimum.evaluations;
      return { penalty, latest: minimum.x, image: x, behind, size, success, evaluations };
    }
    const inUnits = (penalty) => penalty / (sharpness * unit ** 2); // of pixels and of logits
    return { origin, minimise, inUnits, firstPenalty: (sharpness * first) / (0.1 ** 2 * image.length) };
  }

  /* The largest penalty whose minimiser is taken for the target; `onStep` is told of each. */
  function* lbfgsAttack(problem, onStep = () => {}, steps = c.PENALTIES) {
    const { origin, minimise, inUnits, firstPenalty } = penalised(problem), first = problem.firstMargin;
    let succeeds = { penalty: 0, behind: -first, size: Infinity };
    let fails = { penalty: Infinity, behind: first, size: 0 };
    let penalty = firstPenalty, latest = origin, evaluations = 1;
    let best = { image: problem.image, size: Infinity, penalty: 0 };
    for (let step = 0; step < steps; step++) {
      const found = yield* minimise(penalty, latest);
      latest = found.latest;
      evaluations += found.evaluations;
      onStep({ penalty: inUnits(penalty), distortion: found.size, success: found.success, image: found.image });
      if (found.success) succeeds = found; else fails = found;
      if (found.success && found.size < best.size) best = found;
      const next = interpolate(succeeds, fails, c.LBFGS_AIM * first);
      penalty = next.penalty;
      if (!(succeeds.size > (1 + c.CLOSE) * next.nearest)) break;
    }
    return {
      image: best.image, distortion: best.size, success: best.size < Infinity, evaluations,
      penalty: inUnits(best.penalty), target: problem.target,
    };
  }

  /* The curve on which the search looks: the same minimisers for penalties around the one found. */
  function* penaltyCurve(problem, around, onStep, factors) {
    const { origin, minimise, inUnits } = penalised(problem);
    let latest = origin;
    for (const factor of factors) {
      const found = yield* minimise((factor * around) / inUnits(1), latest);
      latest = found.latest;
      onStep({ penalty: inUnits(found.penalty), distortion: found.size, success: found.success });
    }
  }

  function interpolate(succeeds, fails, aim) {
    if (succeeds.penalty === 0) return { penalty: fails.penalty / c.PENALTY_STEP, nearest: 0 };
    if (fails.penalty === Infinity) return { penalty: succeeds.penalty * c.PENALTY_STEP, nearest: 0 };
    const gap = fails.behind - succeeds.behind;
    const share = clamped((fails.behind + aim) / gap, 0.05, 0.95);
    return {
      penalty: fails.penalty * (succeeds.penalty / fails.penalty) ** share,
      nearest: fails.size + (fails.behind / gap) * (succeeds.size - fails.size),
    };
  }

  // ---- polytope.py ------------------------------------------------------------------------------

  /* The point of the box nearest to zero in which every normal times x is at most its offset. */
  function projectToPolytope(normals, offsets, lower, upper, start, tolerance, maxIterations) {
    const n = lower.length;
    const evaluate = (multipliers) => {
      const unclamped = new Float64Array(n);
      normals.forEach((normal, j) => {
        if (multipliers[j] !== 0) for (let i = 0; i < n; i++) unclamped[i] -= multipliers[j] * normal[i];
      });
      const x = inBox(unclamped, lower, upper);
      const gradient = normals.map((normal, j) => dot(normal, x) - offsets[j]);
      return {
        multipliers, x, gradient, free: x.map((v, i) => (v === unclamped[i] ? 1 : 0)),
        value: dot(x, x) / 2 + dot(multipliers, gradient),
      };
    };
    const lengths = normals.map((normal) => norm(normal) || 1);
    let dual = evaluate(start);
    const inside = inBox(new Float64Array(n), lower, upper);
    if (dual.value < dot(inside, inside) / 2) dual = evaluate(start.map(() => 0));
    for (let iteration = 0; iteration < maxIterations; iteration++) {
      const excess = dual.gradient.map((g, j) => (dual.multipliers[j] > 0 ? Math.abs(g) : Math.max(g, 0)));
      if (!(Math.max(...excess.map((e, j) => e / lengths[j])) > tolerance)) break;
      dual = newton(normals, dual, evaluate);
    }
    return dual;
  }

  function newton(normals, dual, evaluate) {
    const moving = dual.multipliers.map((m, j) => (m > 0 || dual.gradient[j] > 0 ? 1 : 0));
    const hessian = normals.map((a, j) => {
      const kept = map2(a, dual.free, (v, f) => v * f);
      return normals.map((b, k) => dot(kept, b) * moving[j] * moving[k]);
    });
    const largest = Math.max(...hessian.map((row, j) => row[j]));
    const negligible = 2 ** -1022 / Number.EPSILON;
    hessian.forEach((row, j) => {
      row[j] += moving[j] * largest > negligible ? 100 * Number.EPSILON * largest : 1;
    });
    const step = solve(hessian, dual.gradient.map((g, j) => g * moving[j]));
    let length = 1;
    for (let attempt = 0; attempt < c.BACKTRACKS; attempt++) {
      const trial = dual.multipliers.map((m, j) => Math.max(m + length * step[j], 0) * moving[j]);
      const result = evaluate(trial);
      const promised = dual.gradient.reduce((sum, g, j) => sum + g * (trial[j] - dual.multipliers[j]), 0);
      const rounding = 10 * Number.EPSILON * Math.abs(dual.value);
      if (result.value >= dual.value + c.SUFFICIENT_INCREASE * promised - rounding) return result;
      length *= 0.4;
    }
    return dual;
  }

  /* A few linear equations, by elimination with the largest pivot. */
  function solve(matrix, right) {
    const m = right.length, rows = matrix.map((row, j) => [...row, right[j]]);
    for (let k = 0; k < m; k++) {
      let pivot = k;
      for (let j = k + 1; j < m; j++) if (Math.abs(rows[j][k]) > Math.abs(rows[pivot][k])) pivot = j;
      [rows[k], rows[pivot]] = [rows[pivot], rows[k]];
      for (let j = k + 1; j < m; j++) {
        const factor = rows[j][k] / rows[k][k];
        for (let i = k; i <= m; i++) rows[j][i] -= factor * rows[k][i];
      }
    }
    const x = new Array(m).fill(0);
    for (let k = m - 1; k >= 0; k--)
      x[k] = (rows[k][m] - dot(rows[k].slice(k + 1, m), x.slice(k + 1))) / rows[k][k];
    return x;
  }

  // ---- nearest.py, classes.py, projections.py, walk.py, boundary.py ------------------------------

  function* nearestAttack(problem, onStep = () => {}, steps = c.PROJECTIONS, any = false) {
    let spent = 0;
    if (any) {
      const chosen = yield* nearestClass(problem, steps);
      problem = towards(problem, chosen.target);
      spent = chosen.spent;
    }
    const found = yield* projectRepeatedly(problem, steps, c.WALK * steps, onStep);
    const ended = endOnBoundary(problem, found);
    return { ...ended, target: problem.target, evaluations: found.evaluations + spent + 1 };
  }

  function* projectRepeatedly(problem, steps, more, onStep = () => {}) {
    const { image } = problem;
    let x = image, held = []; // one per rival: {rival, normal, multiplier}
    const early = Math.max(2, Math.round(c.EARLY * steps));
    let best = image, smallest = Infinity, pressure = 0, evaluations = 0;
    let settled = true, turning = true;
    for (let step = 0; step < steps; step++) {
      const weight = c.LAST_WEIGHT + ((1 - c.LAST_WEIGHT) * (1 + Math.cos(Math.PI * (step / steps)))) / 2;
      const there = linearise(problem, x, held, weight);
      held = there.held;
      evaluations += there.spent;
      yield;
      const size = distortion(image, x), reached = there.most <= -problem.guard;
      onStep({ distortion: size, success: reached, image: x });
      if (reached && size < smallest) {
        best = x;
        smallest = size;
        pressure = held.reduce((sum, h) => sum + h.multiplier, 0) || pressure;
      }
      const next = projectOnce(problem, x, held, there.differences);
      ({ x, held } = next);
      turning &&= Math.min(next.moved, c.LONGEST_STEP * problem.unit) > size;
      if (reached && next.moved <= c.STANDSTILL * size) break;
      if (more && step === early && turning) break;
      settled = step < steps - 1 || (next.moved <= c.UNSETTLED * size && smallest < Infinity);
      held = held.filter((h) => h.multiplier > 0);
    }
    if (smallest === Infinity) {
      best = x;
      pressure = held.reduce((sum, h) => sum + h.multiplier, 0);
    }
    const found = { image: best, distortion: smallest, penalty: 1 / (2 * pressure), evaluations };
    if (!more || (settled && !turning)) return found;
    const walked = yield* walk(problem, c.FIRST_STRIDES[turning ? 0 : 1], more, onStep);
    evaluations += more;
    return walked.distortion < smallest ? { ...walked, evaluations } : { ...found, evaluations };
  }

  /* Steps that trust a gradient only for its direction, to a distance that shrinks and grows. */
  function* walk(problem, first, steps, onStep) {
    const { image, net, target, isRival } = problem, tiny = 2 ** -1022;
    const unit = problem.firstMargin / c.SHARPNESS; // of the smooth maximum
    let x = image, distance = null;
    let found = { image, distortion: Infinity, penalty: 0 }, nearest = Infinity;
    for (let step = 0; step < steps; step++) {
      const { logits, down } = net.trace(x), { value } = margin(logits, target, isRival);
      const away = logits.map((v, k) => (isRival[k] ? Math.exp((v - logits[target] - value) / unit) : 0));
      const total = away.reduce((sum, v) => sum + v, 0), up = away.map((v) => v / total);
      up[target] -= 1;
      const gradient = down(up), slope = Math.max(norm(gradient), tiny);
      yield;
      const moved = minus(x, image), size = norm(moved), reached = value <= -problem.guard;
      distance ??= value / slope;
      onStep({ distortion: distortion(image, x), success: reached, image: x });
      if (reached && size < nearest) {
        nearest = size;
        found = { image: x, distortion: distortion(image, x), penalty: slope / (2 * size) };
      }
      const turn = (1 + Math.cos(Math.PI * (step / steps))) / 2;
      const stride = (c.LAST_STRIDE + (first - c.LAST_STRIDE) * turn) * distance;
      const to = map2(moved, gradient, (m, g) => m - (stride / slope) * g);
      distance *= reached ? 1 - c.SWAY : 1 + c.SWAY;
      const length = Math.max(norm(to), tiny);
      x = inBox(image.map((v, i) => v + (distance / length) * to[i]), problem.lower, problem.upper);
    }
    return found;
  }

  /* Renew the normals of the rival ahead and of those that hold the point; add it if it is new. */
  function linearise(problem, x, held, weight) {
    const { logits, down } = problem.net.trace(x), { classes, target } = problem;
    const differences = logits.map((v, k) => (problem.isRival[k] ? v - logits[target] : -Infinity));
    const ahead = argmax(differences);
    const renew = ({ rival, normal, multiplier }) => {
      const gradient = down(between(classes, rival, target));
      return { rival, multiplier, normal: map2(normal, gradient, (a, b) => a + weight * (b - a)) };
    };
    const renewed = held.map(renew);
    if (!held.some((h) => h.rival === ahead))
      renewed.push({ rival: ahead, multiplier: 0, normal: down(between(classes, ahead, target)) });
    return { held: renewed, differences, most: differences[ahead], spent: renewed.length };
  }

  function projectOnce(problem, x, held, differences) {
    const start = problem.image, moved = minus(x, start);
    const aim = Math.max(c.NEAREST_AIM * problem.firstMargin, 2 * problem.guard);
    const normals = held.map((h) => h.normal);
    const offsets = held.map((h) => dot(h.normal, moved) - (differences[h.rival] + aim));
    const nearest = projectToPolytope(
      normals, offsets, minus(problem.lower, start), minus(problem.upper, start),
      held.map((h) => h.multiplier), (0.1 * aim) / Math.max(...normals.map(norm)), c.NEWTON_STEPS,
    );
    const back = Math.max(...differences) <= 0 && norm(nearest.x) < c.FALL * norm(moved);
    const goal = back ? moved.map((v) => v / 2) : nearest.x;
    const length = distortion(moved, goal), longest = c.LONGEST_STEP * problem.unit;
    const share = longest / Math.max(length, longest);
    return {
      x: start.map((v, i) =>
        clamped(v + (moved[i] + share * (goal[i] - moved[i])), problem.lower[i], problem.upper[i])),
      held: held.map((h, j) => ({ ...h, multiplier: nearest.multipliers[j] })),
      moved: length,
    };
  }

  function* nearestClass(problem, steps) {
    const heatSteps = Math.max(c.LEAST_HEAT, Math.round(c.HEAT_SHARE * steps));
    const { logits, down } = problem.net.trace(problem.image);
    const byLogit = Array.from(logits.keys()).filter((k) => !problem.isRival[k])
      .sort((a, b) => logits[b] - logits[a]).slice(0, c.CONTENDERS);
    const first = problem.isRival.indexOf(true);
    const far = new Map(byLogit.map((k) =>
      [k, (logits[first] - logits[k]) / norm(down(between(problem.classes, first, k)))]));
    yield;
    const ranked = [...byLogit].sort((a, b) => far.get(a) - far.get(b));
    const finalists = ranked.slice(0, c.FINALISTS)
      .filter((k) => !(far.get(k) > c.NEARBY * far.get(ranked[0])));
    let spent = byLogit.length, winner = null;
    for (const finalist of finalists) {
      const rival = towards(problem, finalist), heat = yield* projectRepeatedly(rival, heatSteps, 0);
      const ended = endOnBoundary(rival, heat, c.HEAT_REFINEMENTS);
      spent += heat.evaluations;
      if (!winner || ended.distortion < winner.distortion) winner = ended;
    }
    const there = problem.net.logits(winner.image).map((v, k) => (problem.isRival[k] ? -Infinity : v));
    return { target: argmax(there), spent };
  }

  /* Along the perturbation until just past the boundary, by the rule of false position. */
  function endOnBoundary(problem, found, refinements = c.REFINEMENTS) {
    const { image } = problem, away = minus(found.image, image);
    const point = (length) =>
      image.map((v, i) => clamped(v + length * away[i], problem.lower[i], problem.upper[i]));
    const excess = (length) => marginAt(problem, point(length)) + problem.guard;
    let outer = 1, beyond = excess(1), farther = 0.01;
    while (beyond > 0 && farther < c.FARTHEST) {
      outer = 1 + farther;
      beyond = excess(outer);
      farther *= 2;
    }
    const success = beyond <= 0;
    let inner = 0, before = problem.firstMargin + problem.guard, side = 0;
    for (let step = 0; step < refinements; step++) {
      const middle = (inner * beyond - outer * before) / (beyond - before), value = excess(middle);
      const same = Math.sign(value) === side;
      if (value <= 0) {
        if (same) before /= 2;
        beyond = value;
        outer = middle;
      } else {
        if (same) beyond /= 2;
        before = value;
        inner = middle;
      }
      side = Math.sign(value);
    }
    const ended = success ? point(outer) : image;
    return {
      image: ended, success, penalty: success ? found.penalty : 0,
      distortion: success ? distortion(image, ended) : Infinity,
    };
  }

  /* Run a search to its end, without a page to paint. */
  function finish(search) {
    for (;;) {
      const { done, value } = search.next();
      if (done) return value;
    }
  }

  return {
    network, certifiedRadius, stateProblem, minimizeBox, lbfgsAttack, penaltyCurve, nearestAttack, finish,
    distortion, norm, minus, argmax,
  };
}
