/* The page around core.js and draw.js: what a reader chooses, and what is shown. */
function blindspotsPage(id) {
  "use strict";
  const root = document.getElementById(id);
  const content = JSON.parse(document.getElementById(`${id}-data`).textContent);
  const { side, levels, constants } = content, pixels = side * side;
  const core = blindspotsCore(constants);

  // ---- what Python wrote ------------------------------------------------------------------------

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  /* Numbers of 16 bits: moved into the bits of one of 32, but for the smallest. */
  function halves(text) {
    const raw = bytes(text), count = raw.length / 2;
    const bits = new Uint32Array(count), numbers = new Float32Array(bits.buffer);
    for (let i = 0; i < count; i++) {
      const half = raw[2 * i] | (raw[2 * i + 1] << 8), rest = half & 0x7fff, sign = (half & 0x8000) << 16;
      if (rest >= 0x0400) bits[i] = sign | ((rest << 13) + 0x38000000);
      else numbers[i] = (sign ? -1 : 1) * rest * 2 ** -24;
    }
    return numbers;
  }

  const networks = content.networks.map(({ name, layers, bounds }) => ({
    name,
    ...core.network(
      layers.map((layer) => (layer.weight
        ? { ...layer, weight: halves(layer.weight), bias: halves(layer.bias) } : layer)),
      bounds,
    ),
  }));
  const raw = bytes(content.images);
  const images = content.labels.map((_, i) =>
    Float64Array.from(raw.subarray(i * pixels, (i + 1) * pixels), (level) => level / levels));
  const classes = networks[0].logits(images[0]).length;

  // ---- elements ---------------------------------------------------------------------------------

  function make(tag, options = {}, ...children) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(options))
      if (key in element && key !== "role") element[key] = value; else element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  const canvas = (label) =>
    make("canvas", { width: side, height: side, role: "img", "aria-label": label });
  const a = (digit) => `${digit === 8 || digit === 11 ? "an" : "a"} ${digit}`;

  /* Grey levels from 0, white, to 1, black; a difference around a middle grey. */
  function paint(target, values, shade = (v) => 255 * (1 - v)) {
    const context = target.getContext("2d"), data = context.createImageData(side, side);
    values.forEach((v, i) => {
      const grey = Math.min(Math.max(shade(v), 0), 255);
      data.data.set([grey, grey, grey, 255], 4 * i);
    });
    context.putImageData(data, 0, 0);
  }

  function radios(name, choices, act) {
    return choices.map(({ value, label, picture, checked }) => {
      const input = make("input", { type: "radio", name: `${id}-${name}`, value, checked: !!checked });
      input.addEventListener("change", act);
      return make("label", picture ? { className: "live-image" } : {}, input, picture || make("span", {}, label));
    });
  }
  const chosen = (name) => root.querySelector(`input[name="${id}-${name}"]:checked`)?.value;
  const choose = (name, value) => {
    const input = [...root.querySelectorAll(`input[name="${id}-${name}"]`)].find((e) => e.value === value);
    if (input && !input.disabled) input.checked = true;
  };
  const group = (legend, ...children) =>
    make("fieldset", {}, make("legend", {}, legend), make("div", { className: "live-choices" }, ...children));

  // ---- state ------------------------------------------------------------------------------------

  const DRAWN = "drawn";
  let drawing = null, found = null, noise = null, points = [], run = 0, seed = 1;
  const original = () => (chosen("image") === DRAWN ? drawing : images[Number(chosen("image"))]);
  const victim = () => networks.find(({ name }) => name === chosen("network"));
  const target = () => (chosen("target") === "any" ? null : Number(chosen("target")));

  const cache = new WeakMap(); // of an image: what each network sees
  function readings(image) {
    if (!cache.has(image)) cache.set(image, networks.map((net) => net.predict(image)));
    return cache.get(image);
  }

  /* Normal numbers from a seed, so that noise is the same again. */
  function gaussian(count, start) {
    let state = start >>> 0;
    const uniform = () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    return Float64Array.from({ length: count }, () =>
      Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
  }

  // ---- what is on the page ----------------------------------------------------------------------

  const figure = (label, picture, ...more) =>
    make("figure", {}, picture, make("figcaption", {}, label, ...more));
  const shown = {
    original: canvas("The original"), change: canvas("The difference, amplified"),
    moved: canvas("The image at the slider"), noise: canvas("The original with noise as long"),
  };
  const captions = Object.fromEntries(Object.keys(shown).map((key) => [key, make("span", {})]));
  const status = make("p", { role: "status", className: "live-status" });
  const attackButton = make("button", { type: "button", className: "live-attack" }, "Attack");
  const noiseButton = make("button", { type: "button" }, "Other noise");
  // Within a frame there is no address that leads here: so on Colab.
  const linkButton = make("button", { type: "button", hidden: window.parent !== window }, "Link to this");
  const save = make("a", { download: "blind-spot.png", className: "live-save" }, "Save as PNG");
  const slider = make("input", { type: "range", min: 0, max: 200, step: 1, value: 100, id: `${id}-slider`,
    "aria-describedby": `${id}-certified` });
  const sliderValue = make("output", { htmlFor: `${id}-slider` }, "100 %");
  const tick = make("span", { className: "live-tick", "aria-hidden": "true" });
  const certified = make("p", { id: `${id}-certified` });
  const table = make("tbody");
  const numbers = make("dl");
  const plot = make("canvas", { width: 560, height: 240, role: "img", "aria-label": "The search" });
  const plotCaption = make("p", { className: "live-note" });

  const pad = make("canvas", { width: 280, height: 280, tabIndex: 0, className: "live-pad", role: "application",
    "aria-label": "A pad to draw a digit on: with the pointer, or with the arrow keys while the space bar is down" });
  const clear = make("button", { type: "button" }, "Clear");
  const drawnPicture = canvas("An image of your own");

  root.replaceChildren(
    ...[...root.querySelectorAll(".live-still")],
    group("1. An image", ...radios("image", images.map((image, i) => {
      const picture = canvas(`Image ${i + 1}, ${a(content.labels[i])}`);
      paint(picture, image);
      return { value: i, picture, checked: i === 0 };
    }), restart), ...radios("image", [{ value: DRAWN, picture: drawnPicture }], restart)),
    make("details", {}, make("summary", {}, "Or draw one"), pad,
      make("p", { className: "live-note" },
        "Draw with a pointer or a finger. By keyboard: the arrows move the pen, and draw while the space bar is held. ",
        clear)),
    group("2. The network to be misled", ...radios("network", networks.map(({ name }, i) => ({
      value: name, label: name, checked: i === Math.min(3, networks.length - 1),
    })), restart)),
    group("3. What it should see", ...radios("target", [...Array(classes).keys(), "any"].map((value) => ({
      value, label: value === "any" ? "anything else" : String(value), checked: value === 8,
    })), restart)),
    group("4. The attack", ...radios("attack", [
      { value: "lbfgs", label: "the paper's search", checked: true },
      { value: "nearest", label: "the nearest attack" },
    ], restart), attackButton),
    status,
    make("div", { className: "live-pictures" },
      figure("original: ", shown.original, captions.original),
      figure("difference ", shown.change, captions.change),
      figure("", shown.moved, captions.moved),
      figure("noise: ", shown.noise, captions.noise, " ", noiseButton)),
    make("div", { className: "live-slider" },
      make("label", { htmlFor: `${id}-slider` }, "From the original (0 %) through the adversarial image (100 %) to twice as far:"),
      " ", sliderValue, make("div", { className: "live-track" }, slider, tick), certified),
    make("table", {}, make("thead", {}, make("tr", {},
      ...["network", "original", "at the slider", "noise"].map((t) => make("th", { scope: "col" }, t)))), table),
    numbers,
    plot, plotCaption,
    make("p", {}, linkButton, " ", save),
  );

  // ---- showing ----------------------------------------------------------------------------------

  const at = (share) => {
    const x = original(), end = found ? found.image : x;
    return x.map((v, i) => Math.min(Math.max(v + share * (end[i] - v), 0), 1));
  };

  function show() {
    const x = original(), share = Number(slider.value) / 100, moved = at(share);
    const change = core.minus(found ? found.image : x, x), length = core.norm(change);
    const largest = change.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const factor = largest > 0 ? Math.max(1, Math.round(0.5 / largest)) : 1;
    sliderValue.textContent = `${slider.value} %`;
    paint(shown.original, x);
    paint(shown.change, change, (v) => 127.5 - 255 * factor * v);
    paint(shown.moved, moved);
    paint(shown.noise, noise || x);
    const seen = (image) => readings(image)[networks.indexOf(victim())];
    captions.original.textContent = a(seen(x));
    captions.change.textContent = found ? `× ${factor}` : "(press Attack)";
    captions.moved.textContent = found ? `${slider.value} % of the way: ${a(seen(moved))}` : "the same";
    captions.noise.textContent = found ? a(seen(noise)) : "none yet";
    const columns = [readings(x), readings(moved), noise ? readings(noise) : null];
    table.replaceChildren(...networks.map(({ name }, k) => make("tr", {
      className: networks[k] === victim() ? "live-victim" : "",
    }, make("th", { scope: "row" }, name), ...columns.map((column) => make("td",
      { className: column && column[k] !== columns[0][k] ? "live-other" : "" }, column ? String(column[k]) : "–")))));
    const radius = core.certifiedRadius(victim(), x);
    const floor = (v) => (Math.floor(v * 1e4) / 1e4).toFixed(4);
    certified.textContent = `Certified for ${victim().name}: no change shorter than ${floor(radius)} misleads it`
      + (found ? ` (${Math.floor((100 * radius) / length)} % of the way).` : ".");
    tick.hidden = !found;
    tick.style.left = found ? `${Math.min(100, (50 * radius) / length)}%` : "0";
    const facts = found ? {
      "distortion": core.distortion(x, found.image).toFixed(4), "L2 norm": length.toFixed(3),
      "largest change of a pixel": `${largest.toFixed(3)}, ${Math.round(255 * largest)} of 255 grey levels`,
      "gradients": String(found.evaluations),
    } : {};
    numbers.replaceChildren(...Object.entries(facts).flatMap(([term, value]) =>
      [make("dt", {}, term), make("dd", {}, value)]));
    const file = make("canvas", { width: side, height: side });
    paint(file, moved);
    save.href = file.toDataURL("image/png");
    paintSearch();
  }

  function paintSearch() {
    const context = plot.getContext("2d"), { width, height } = plot;
    const ink = getComputedStyle(root).color;
    context.clearRect(0, 0, width, height);
    plot.hidden = points.length === 0;
    if (points.length === 0) { plotCaption.textContent = ""; return; }
    const byPenalty = points[0].penalty !== undefined;
    const xs = points.map((p, i) => (byPenalty ? Math.log10(p.penalty) : i));
    const ys = points.map((p) => p.distortion);
    const [left, right] = [Math.min(...xs), Math.max(...xs)], high = Math.max(...ys, 1e-9);
    const place = (i) => [
      30 + ((width - 50) * (xs[i] - left)) / Math.max(right - left, 1e-9), height - 30 - ((height - 50) * ys[i]) / high,
    ];
    context.strokeStyle = context.fillStyle = ink;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(30, 10);
    context.lineTo(30, height - 30);
    context.lineTo(width - 10, height - 30);
    context.stroke();
    context.font = "14px sans-serif";
    context.fillText(byPenalty ? "penalty →" : "projection →", width - 110, height - 10);
    context.fillText("↑ distortion", 36, 20);
    points.forEach((p, i) => {
      const [x, y] = place(i);
      context.beginPath();
      context.arc(x, y, p.curve ? 3 : 6, 0, 2 * Math.PI);
      if (p.success) context.fill(); else context.stroke();
    });
    plotCaption.textContent = byPenalty
      ? "Each point is one penalty; filled where the network sees the target. The search looks for the last filled one on the right; small points are the rest of its curve."
      : "Each point is one projection; filled where the network sees the target.";
  }

  // ---- acting -----------------------------------------------------------------------------------

  /* A new choice: what was found belongs to the old one. */
  function restart() {
    run += 1;
    found = noise = null;
    points = [];
    slider.value = 100;
    const x = original();
    const seen = victim().predict(x);
    for (const input of root.querySelectorAll(`input[name="${id}-target"]`))
      input.disabled = input.value === String(seen) || (input.value === "any" && chosen("attack") === "lbfgs");
    if (root.querySelector(`input[name="${id}-target"]:checked`)?.disabled ?? true)
      choose("target", String([...Array(classes).keys()].find((k) => k !== seen)));
    const all = readings(x), agreed = all.every((k) => k === all[0]);
    say(`${victim().name} sees ${a(seen)}.${agreed ? "" : " The networks do not agree on this image."} Press Attack.`);
    show();
  }

  const say = (text) => { status.textContent = text; };

  function redrawNoise() {
    const x = original(), length = core.norm(core.minus(found.image, x)), random = gaussian(pixels, seed);
    const scale = length / core.norm(random);
    noise = x.map((v, i) => v + scale * random[i]);
  }

  /* Steps for ten milliseconds, then a picture. */
  async function inSlices(search, mine) {
    for (;;) {
      const until = performance.now() + 10;
      do {
        const { done, value } = search.next();
        if (done) return value;
      } while (performance.now() < until);
      await new Promise((go) => requestAnimationFrame(go));
      if (mine !== run) return null;
    }
  }

  async function attack() {
    run += 1;
    const mine = run, net = victim(), calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    found = noise = null;
    points = [];
    say("Searching …");
    let last = 0;
    const onStep = (step) => {
      points.push({ ...step, image: undefined });
      if (!calm && performance.now() - last > 60) {
        last = performance.now();
        paint(shown.moved, step.image);
        paintSearch();
      }
    };
    let problem = null, result = null;
    try {
      problem = core.stateProblem(net, original(), target());
      const search = chosen("attack") === "lbfgs"
        ? core.lbfgsAttack(problem, onStep)
        : core.nearestAttack(problem, onStep, constants.PROJECTIONS, target() === null);
      result = await inSlices(search, mine);
    } catch (error) {
      say(`That does not work: ${error.message}.`);
      return;
    }
    if (mine !== run || !result) return;
    if (!result.success) { say("The attack found nothing. Try another target."); show(); return; }
    found = result;
    slider.value = 100;
    redrawNoise();
    const fooled = networks.filter((_, k) => readings(found.image)[k] !== readings(original())[k]);
    say(`${net.name} sees ${a(net.predict(found.image))} now, after ${found.evaluations} gradients. `
      + `The image changes what ${fooled.length} of ${networks.length} networks see.`);
    show();
    if (chosen("attack") !== "lbfgs") return;
    const factors = Array.from({ length: 15 }, (_, k) => 10 ** ((k - 10) / 5));
    await inSlices(core.penaltyCurve(problem, found.penalty,
      (p) => points.push({ ...p, curve: true }), factors), mine);
    if (mine === run) paintSearch();
  }

  // ---- drawing ----------------------------------------------------------------------------------

  let strokes = [], pen = [140, 140], down = false;
  function showPad() {
    const context = pad.getContext("2d");
    context.clearRect(0, 0, 280, 280);
    context.lineWidth = 18;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      stroke.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
      if (stroke.length === 1) context.lineTo(stroke[0][0], stroke[0][1] + 0.1);
      context.stroke();
    }
    if (document.activeElement === pad) {
      context.lineWidth = 2;
      context.strokeRect(pen[0] - 9, pen[1] - 9, 18, 18);
    }
  }
  function drawn() {
    drawing = Float64Array.from(blindspotsInk(strokes, side), (v) => Math.round(v * levels) / levels);
    paint(drawnPicture, drawing);
    const input = root.querySelector(`input[name="${id}-image"][value="${DRAWN}"]`);
    input.disabled = strokes.length === 0;
    if (strokes.length) input.checked = true; else choose("image", "0");
    restart();
  }
  const place = (event) => {
    const box = pad.getBoundingClientRect();
    return [(280 * (event.clientX - box.left)) / box.width, (280 * (event.clientY - box.top)) / box.height];
  };
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    down = true;
    strokes.push([place(event)]);
    showPad();
  });
  pad.addEventListener("pointermove", (event) => {
    if (!down) return;
    const several = event.getCoalescedEvents?.() ?? [];
    for (const one of several.length ? several : [event]) strokes.at(-1).push(place(one));
    showPad();
  });
  for (const end of ["pointerup", "pointercancel"])
    pad.addEventListener(end, () => { if (down) { down = false; drawn(); } });
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  let writing = false;
  pad.addEventListener("keydown", (event) => {
    if (event.key === " " && !writing) {
      writing = true;
      strokes.push([[...pen]]);
    } else if (ARROWS[event.key]) {
      pen = pen.map((v, k) => Math.min(Math.max(v + 7 * ARROWS[event.key][k], 0), 280));
      if (writing) strokes.at(-1).push([...pen]);
    } else if (event.key !== " ") return;
    event.preventDefault();
    showPad();
  });
  pad.addEventListener("keyup", (event) => {
    if (event.key === " " && writing) { writing = false; drawn(); }
  });
  for (const moment of ["focus", "blur"]) pad.addEventListener(moment, showPad);
  clear.addEventListener("click", () => { strokes = []; showPad(); drawn(); });

  // ---- links ------------------------------------------------------------------------------------

  const NAMES = ["image", "network", "target", "attack"];
  function state() {
    const kept = NAMES.map((name) => `${name[0]}=${encodeURIComponent(chosen(name))}`).join("&");
    const ink = chosen("image") === DRAWN
      ? `&d=${btoa(String.fromCharCode(...drawing.map((v) => Math.round(v * levels)))).replace(/\+/g, "-").replace(/\//g, "_")}` : "";
    return `#live&${kept}&s=${slider.value}&x=${seed}&f=${found ? 1 : 0}${ink}`;
  }
  function link() {
    const address = location.href.replace(/#.*/, "") + state();
    history.replaceState(null, "", address);
    (navigator.clipboard?.writeText(address) ?? Promise.reject()).then(
      () => say("The address is copied."), () => say("The address of this page leads here again."));
  }
  async function restore() {
    if (!location.hash.startsWith("#live&")) return;
    const wanted = new URLSearchParams(location.hash.slice(6));
    try {
      if (wanted.get("d")) {
        const text = wanted.get("d").replace(/-/g, "+").replace(/_/g, "/");
        const read = bytes(text);
        if (read.length !== pixels) return;
        drawing = Float64Array.from(read, (level) => Math.min(level / levels, 1));
        paint(drawnPicture, drawing);
        root.querySelector(`input[name="${id}-image"][value="${DRAWN}"]`).disabled = false;
      }
    } catch { return; } // the address is not one of ours
    for (const name of ["attack", "image", "network"]) choose(name, wanted.get(name[0]));
    restart();
    choose("target", wanted.get("t"));
    seed = Number(wanted.get("x")) || 1;
    if (wanted.get("f") === "1") await attack();
    slider.value = Number(wanted.get("s") ?? 100);
    show();
  }

  // ---- beginning --------------------------------------------------------------------------------

  attackButton.addEventListener("click", attack);
  noiseButton.addEventListener("click", () => { if (found) { seed += 1; redrawNoise(); show(); } });
  slider.addEventListener("input", show);
  linkButton.addEventListener("click", link);
  // JupyterLab would take the arrow keys for itself.
  root.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey || event.altKey)) event.stopPropagation();
  });
  root.querySelector(`input[name="${id}-image"][value="${DRAWN}"]`).disabled = true;
  new MutationObserver(paintSearch).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  root.classList.add("live-ready");
  showPad();
  restart();
  root.live = { core, networks, images, ink: blindspotsInk }; // for those who look inside
  restore();
}
