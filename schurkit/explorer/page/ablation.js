// Remove couplings of a trained network: W̃ = W − Q ΔT Qᵀ / leak, run here, beside random block-upper changes of equal norm.
const SECTORS = ["RR", "CR", "CC"], COLOUR = { RR: "rr", CR: "cr", CC: "cc" };
const readNetwork = (given) => {
  const one = { ...given };
  for (const name of ["W_in", "W_rec", "W_out", "b_rec", "b_out", "h0", "Q", "T"]) one[name] = unpack(given[name]);
  one.n = one.h0.length;
  one.blocks = given.starts.length;
  one.ends = [...given.starts.slice(1), one.n];
  one.blockOf = given.starts.flatMap((start, b) => Array(one.ends[b] - start).fill(b));
  one.normT = norm(one.T);
  one.radius = Math.max(...given.moduli);
  return one;
};
const readTrials = (given) => ({ ...given, inputs: unpack(given.inputs), targets: unpack(given.targets), mask: unpack(given.mask) });
const norm = (array) => {
  const largest = array.reduce((top, v) => Math.max(top, Math.abs(v)), 0) || 1;
  return largest * Math.sqrt(array.reduce((sum, v) => sum + (v / largest) ** 2, 0));
};
const turned = ({ Q, n, leak }, change) => { // Q ΔT Qᵀ / leak, as a change of W
  const half = new Float64Array(n * n), out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) {
    const c = change[i * n + k];
    if (c) for (let j = 0; j < n; j++) half[i * n + j] += c * Q[j * n + k];
  }
  for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) {
    const q = Q[i * n + k] / leak;
    for (let j = 0; j < n; j++) out[i * n + j] += q * half[k * n + j];
  }
  return out;
};
const rollout = (one, W, { inputs, count, steps, heard, channels, outputs }) => {
  const { n, W_in, W_out, b_rec, b_out, leak, form } = one, voltage = form === "voltage";
  const act = one.activation === "relu" ? (v) => (v > 0 ? v : v === v ? 0 : v) : Math.tanh;
  const found = new Float64Array(count * steps * outputs);
  let state = new Float64Array(n), next = new Float64Array(n);
  const rate = new Float64Array(n);
  for (let trial = 0; trial < count; trial++) {
    state.set(one.h0);
    for (let k = 0; k < n; k++) rate[k] = voltage ? act(state[k]) : state[k];
    for (let t = 0; t < steps; t++) {
      for (let i = 0; i < n; i++) {
        let drive = b_rec[i];
        for (let j = 0, at = i * n; j < n; j++) drive += W[at + j] * rate[j];
        if (t < heard) for (let c = 0, at = (trial * heard + t) * channels; c < channels; c++) drive += W_in[i * channels + c] * inputs[at + c];
        next[i] = (1 - leak) * state[i] + leak * (voltage ? drive : act(drive));
      }
      [state, next] = [next, state];
      for (let k = 0; k < n; k++) rate[k] = voltage ? act(state[k]) : state[k];
      for (let o = 0, at = (trial * steps + t) * outputs; o < outputs; o++) {
        let y = b_out[o];
        for (let j = 0; j < n; j++) y += W_out[o * n + j] * rate[j];
        found[at + o] = y;
      }
    }
  }
  return found;
};
const MEASURES = {
  fvu: (y, { targets, mask, outputs, count, steps }) => {
    const mean = new Float64Array(outputs), kept = mask.reduce((sum, m) => sum + m, 0);
    for (let s = 0; s < count * steps; s++) if (mask[s]) for (let o = 0; o < outputs; o++) mean[o] += targets[s * outputs + o] / kept;
    let error = 0, total = 0;
    for (let s = 0; s < count * steps; s++) if (mask[s]) for (let o = 0; o < outputs; o++) {
      error += (y[s * outputs + o] - targets[s * outputs + o]) ** 2;
      total += (targets[s * outputs + o] - mean[o]) ** 2;
    }
    return Number.isFinite(error) ? error / total : Infinity;
  },
  replay_accuracy: (y, { targets, mask, outputs, count, steps }) => {
    let right = 0, all = 0;
    for (let s = 0; s < count * steps; s++) if (mask[s]) for (let o = 0; o < outputs; o++) {
      all++;
      right += targets[s * outputs + o] !== 0 && Math.sign(y[s * outputs + o]) === Math.sign(targets[s * outputs + o]);
    }
    return right / all;
  },
};

begin("ablation", (stage, data) => {
  const cases = data.cases.map(readNetwork), tasks = data.tasks.map(readTrials), kept = new Map();
  const setting = { network: 0, threshold: data.threshold, sectors: [], couplings: [], trial: 0 };
  let view, cursor = [0, 1], run = 0;
  const current = () => cases[setting.network];
  const once = (key, compute) => {
    if (!kept.has(key)) {
      if (kept.size > 12) kept.delete(kept.keys().next().value);
      kept.set(key, compute());
    }
    return kept.get(key);
  };
  const sectorOf = (i, j) => (j < view.leading ? "RR" : i < view.leading ? "CR" : "CC");
  const pair = (i, j) => `${i},${j}`;

  // ---- numbers
  const look = () => {
    const one = current(), task = tasks[one.task], least = setting.threshold ** one.leak * one.radius - one.tie;
    const first = one.moduli.findIndex((modulus) => modulus < least);
    view = { leading: first < 0 ? one.blocks : first, metric: task.metric, better: task.better, controls: [] };
    view.n_leading = first < 0 ? one.n : one.starts[first];
    const chosen = new Set(setting.couplings.map(([i, j]) => pair(i, j))), { n } = one, change = new Float64Array(n * n);
    view.gone = (i, j) => i < j && (chosen.has(pair(i, j)) || setting.sectors.includes(sectorOf(i, j)));
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (view.gone(one.blockOf[i], one.blockOf[j])) change[i * n + j] = one.T[i * n + j];
    view.size = norm(change) * change.some((v) => v !== 0);
    const holds = new Set(); // equal removals have the same draws: a sector without couplings is not named
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (one.blockOf[i] < one.blockOf[j] && one.T[i * n + j]) holds.add(sectorOf(one.blockOf[i], one.blockOf[j]));
    view.held = SECTORS.filter((name) => setting.sectors.includes(name) && holds.has(name));
    view.removed_mass = one.normT ? view.size / one.normT : 0;
    const whole = once(`full ${setting.network}`, () => {
      const outputs = rollout(one, one.W_rec, task);
      return { outputs, value: MEASURES[task.metric](outputs, task) };
    });
    view.full = whole.value;
    view.full_output = whole.outputs;
    const minus = view.size ? turned(one, change) : change;
    view.output = view.size ? rollout(one, one.W_rec.map((w, k) => w - minus[k]), task) : whole.outputs;
    view.value = view.size ? MEASURES[task.metric](view.output, task) : whole.value;
  };
  const draws = async () => { // a few milliseconds at a time, so that a slider keeps moving
    const mine = ++run, one = current(), task = tasks[one.task], { n } = one, target = view;
    if (!target.size) return mine === run;
    const stream = `control block-upper ${target.held.join("+") || "none"}`, found = [];
    for (let draw = 0, since = performance.now(); draw < data.draws; draw++) {
      if (performance.now() - since > 30) { await pause(); since = performance.now(); }
      if (mine !== run) return false;
      const change = normals(data.seed, stream, draw, n * n);
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (!(one.blockOf[i] < one.blockOf[j])) change[i * n + j] = 0;
      const scale = target.size / norm(change), minus = turned(one, change);
      found.push(MEASURES[task.metric](rollout(one, one.W_rec.map((w, k) => w - scale * minus[k]), task), task));
    }
    target.controls = found;
    return mine === run;
  };

  // ---- words
  const name = () => {
    const single = setting.couplings.length, parts = setting.sectors.length ? [SECTORS.filter((s) => setting.sectors.includes(s)).join("+")] : [];
    if (single) parts.push(`${single} single coupling${single > 1 ? "s" : ""}`);
    return parts.join(" and ") || "nothing";
  };
  const sentences = () => {
    const task = tasks[current().task], said = [`R holds ${view.n_leading} of ${current().n} units. Removed: ${name()}, ${percent(view.removed_mass)} of ‖T‖.`];
    said.push(`${task.title[0].toUpperCase()}${task.title.slice(1)}, ${task.count} trials: ${short(view.full)} → ${short(view.value)}.`);
    if (view.controls.length) {
      const [middle, low, high] = spread(view.controls), worse = view.controls.filter((c) => (task.better === "lower" ? c > view.value : c < view.value)).length;
      said.push(`Random block-upper changes of the same norm: ${short(middle, 3)} [${short(low, 3)}, ${short(high, 3)}]; ${worse} of ${view.controls.length} are worse than the removal.`);
    } else if (view.size) said.push("Random block-upper changes of the same norm are being run …");
    else if (setting.sectors.length || setting.couplings.length) said.push("There is no coupling in what was chosen: nothing was removed.");
    return said.join(" ");
  };

  // ---- controls
  const update = (change) => api.set(change);
  const network = choice("Task and network", data.cases.map((one) => [tasks[one.task].name, `${tasks[one.task].name}, network ${one.label}`]), (k) => update({ network: k, couplings: [], trial: 0 }));
  const cut = slider("Threshold of R, × spectral radius:", { min: 0, max: 1, step: 0.01, value: setting.threshold, show: (v) => v.toFixed(2), change: (v) => update({ threshold: v }) });
  const boxes = SECTORS.map((sector) => tick({ RR: "RR, inside R", CR: "CR, C drives R", CC: "CC, inside C" }[sector], (on) => update({ sectors: SECTORS.filter((s) => (s === sector ? on : setting.sectors.includes(s))) }), sector));
  const trial = slider("Trial shown:", { min: 1, max: 2, step: 1, value: 1, change: (v) => update({ trial: v - 1 }) });
  const back = press("Put everything back", () => update({ sectors: [], couplings: [] }));

  // ---- pictures
  const holder = { spectrum: make("div"), rollout: make("div"), strip: make("div") };
  const canvas = make("canvas"), note = make("p", { class: "ske-note", "aria-live": "polite" }), said = status();
  const grid = make("button", { type: "button", role: "checkbox", "aria-checked": "false" });
  const square = make("div", { class: "ske-square" }, canvas, grid);
  const numbers = facts("Measures", ["whole network", "without the couplings", `block-upper, same norm (median of ${data.draws})`, "removed mass ‖ΔT‖/‖T‖"]);
  const lines = legend(["target", "target"], ["full", "whole network"], ["without", "without the couplings"]);
  const describe = () => {
    const [i, j] = cursor, one = current(), entries = [];
    if (one.blocks < 2) return "One block: there is no coupling.";
    for (let a = one.starts[i]; a < one.ends[i]; a++) for (let b = one.starts[j]; b < one.ends[j]; b++) entries.push(one.T[a * one.n + b]);
    const state = view.gone(i, j) ? "removed" : "kept";
    return `Block ${i} driven by block ${j} (${sectorOf(i, j)}): norm ${short(norm(entries), 3)}, ${state}`;
  };
  const drawSpectrum = () => {
    const one = current(), values = one.eigenvalues, most = 1.1 * Math.max(1, ...values.map(([re, im]) => Math.hypot(re, im)));
    const c = chart({ x: [-most, most], y: [-most, most], equal: true, names: ["Re λ", "Im λ"], label: `Eigenvalues in the complex plane: ${view.n_leading} in R, ${one.n - view.n_leading} in C.` });
    const circle = (r, kind) => c.add("circle", { cx: c.px(0), cy: c.py(0), r: c.px(r) - c.px(0), class: kind });
    circle(1, "soft");
    circle(setting.threshold ** one.leak * one.radius, "bound");
    values.forEach(([re, im], k) => c.add("circle", { cx: c.px(re), cy: c.py(im), r: 3.6, class: k < view.n_leading ? "in-R" : "in-C" }));
    holder.spectrum.replaceChildren(c.svg);
  };
  const drawMatrix = () => paint(canvas, 352, (context, size, snap) => {
    const one = current(), { n } = one, { ink, of } = colours(stage), cell = size / n, largest = one.T.reduce((top, v) => Math.max(top, Math.abs(v)), 0) || 1;
    context.fillStyle = ink;
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
      const depth = 1 + Math.log10(Math.max(Math.abs(one.T[i * n + j]) / largest, 1e-4)) / 4;
      if (depth > 0) { context.globalAlpha = view.gone(one.blockOf[i], one.blockOf[j]) ? depth / 4 : depth; context.fillRect(snap(j * cell), snap(i * cell), snap((j + 1) * cell) - snap(j * cell), snap((i + 1) * cell) - snap(i * cell)); }
    }
    for (const sector of SECTORS) {
      context.save();
      context.beginPath();
      for (let i = 0; i < one.blocks; i++) for (let j = i + 1; j < one.blocks; j++) if (sectorOf(i, j) === sector && view.gone(i, j))
        context.rect(one.starts[j] * cell, one.starts[i] * cell, (one.ends[j] - one.starts[j]) * cell, (one.ends[i] - one.starts[i]) * cell);
      context.fillStyle = context.strokeStyle = of(COLOUR[sector]);
      context.globalAlpha = 0.15;
      context.fill();
      context.clip();
      context.globalAlpha = 1;
      context.lineWidth = 1.5;
      context.beginPath();
      for (let k = -size; k < size; k += 7) { context.moveTo(k, size); context.lineTo(k + size, 0); }
      context.stroke();
      context.restore();
    }
    context.globalAlpha = 1;
    context.strokeStyle = ink;
    context.lineWidth = 1;
    context.setLineDash([4, 3]);
    const edge = view.n_leading * cell;
    context.beginPath();
    context.moveTo(edge, 0); context.lineTo(edge, size); context.moveTo(0, edge); context.lineTo(size, edge);
    context.stroke();
    context.setLineDash([]);
    const [i, j] = cursor;
    context.strokeStyle = of("focus");
    context.lineWidth = 2.5;
    context.strokeRect(one.starts[j] * cell - 2, one.starts[i] * cell - 2, (one.ends[j] - one.starts[j]) * cell + 4, (one.ends[i] - one.starts[i]) * cell + 4);
  });
  const drawRollout = () => {
    const { targets, mask, steps, outputs, count } = tasks[current().task], shown = Math.min(outputs, 8), from = setting.trial * steps;
    const time = Array.from({ length: steps }, (_, t) => t + 1), apart = 2.4 * (targets.reduce((top, v) => Math.max(top, Math.abs(v)), 0) || 1);
    const c = chart({ x: [1, steps], y: [-apart * (shown - 0.45), 0.55 * apart], width: Math.min(640, Math.max(320, stage.clientWidth - 24)), height: 70 + Math.max(110, 34 * shown), names: ["time (steps)", "output"], yTicks: [],
      label: `Trial ${setting.trial + 1} of ${count}: target, whole network and network without ${name()}, ${shown} of ${outputs} outputs.` });
    const [, top, , tall] = c.box;
    for (let t = 0, begun = null; t <= steps; t++) {
      const counted = t === steps || mask[from + t];
      if (!counted && begun === null) begun = t;
      if (counted && begun !== null) { c.add("rect", { x: c.px(begun + 0.5), y: top, width: c.px(t + 0.5) - c.px(begun + 0.5), height: tall, class: "shade" }); begun = null; }
    }
    for (let o = 0; o < shown; o++) {
      const lane = (values) => time.map((_, t) => Math.min(0.5, Math.max(-0.5, values[(from + t) * outputs + o] / apart)) * apart - apart * o);
      c.line(time, lane(targets), "target");
      c.line(time, lane(view.full_output), "full");
      c.line(time, lane(view.output), "without");
    }
    holder.rollout.replaceChildren(c.svg);
  };
  const drawStrip = () => {
    const task = tasks[current().task], finite = [view.full, view.value, ...view.controls].filter(Number.isFinite), top = Math.max(task.better === "higher" ? 1 : 0, ...finite) || 1;
    const c = chart({ x: [0, 1.05 * top], y: [-0.5, 2.5], height: 128, names: [task.title, ""], yTicks: [], label: sentences() });
    const dot = (value, row, kind, r) => Number.isFinite(value) && c.add("circle", { cx: c.px(value), cy: c.py(row), r, class: kind });
    view.controls.forEach((value, k) => dot(value, 0.15 * (((k * 0.618034) % 1) * 4 - 2), "draw", 3.5));
    dot(view.value, 1, "dot-without", 6);
    dot(view.full, 2, "dot-full", 6);
    holder.strip.replaceChildren(c.svg);
    const control = view.controls.length ? (([middle, low, high]) => `${short(middle, 3)} [${short(low, 3)}, ${short(high, 3)}]`)(spread(view.controls)) : "–";
    numbers.set([short(view.full), short(view.value), control, percent(view.removed_mass)]);
  };
  const pointAt = () => {
    grid.setAttribute("aria-checked", String(view.gone(...cursor)));
    grid.setAttribute("aria-label", `Couplings in the matrix T; arrow keys move, space removes. ${describe()}`);
    note.textContent = describe();
  };
  const draw = () => {
    drawSpectrum(); drawMatrix(); drawRollout(); drawStrip(); pointAt();
    boxes.forEach((box, k) => (box.input.checked = setting.sectors.includes(SECTORS[k])));
    network.input.value = setting.network;
    cut.set(setting.threshold);
    trial.input.max = tasks[current().task].count;
    trial.set(setting.trial + 1);
  };

  // ---- the matrix by mouse and by keyboard
  const toggle = () => {
    const [i, j] = cursor, without = setting.couplings.filter(([a, b]) => a !== i || b !== j);
    if (current().blocks > 1) update({ couplings: without.length < setting.couplings.length ? without : [...without, [i, j]] });
  };
  grid.addEventListener("click", (event) => {
    if (event.detail) { // a pointer: which block is there?
      const box = canvas.getBoundingClientRect(), one = current();
      const [row, column] = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width].map((part) => one.blockOf[Math.min(one.n - 1, Math.max(0, Math.floor(part * one.n)))]);
      if (row >= column) { note.textContent = "On and below the diagonal blocks there are no couplings."; return; }
      cursor = [row, column];
    }
    toggle();
  });
  grid.addEventListener("keydown", (event) => {
    const last = current().blocks - 1, step = event.shiftKey ? 5 : 1, move = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step], Home: [-last, 0], End: [0, last] }[event.key];
    if (!move || last < 1) return;
    event.preventDefault();
    const j = Math.min(last, Math.max(1, cursor[1] + move[1])), i = Math.max(0, cursor[0] + move[0]);
    cursor = move[1] ? [Math.min(cursor[0], Math.max(0, j - 1)), Math.max(j, 1)] : [Math.min(i, j - 1), j];
    drawMatrix();
    pointAt();
  });

  const api = {
    set: async (change = {}) => {
      Object.assign(setting, change);
      cursor = [Math.min(cursor[0], Math.max(0, current().blocks - 2)), Math.min(cursor[1], current().blocks - 1)];
      said.textContent = "Working…";
      look();
      draw();
      if (!(await draws())) return null;
      drawStrip();
      said.textContent = sentences();
      return api.view();
    },
    view: () => ({ ...view, setting: { ...setting }, output: [...view.output], full_output: [...view.full_output], gone: undefined, sentences: sentences() }),
    normals,
    permutation,
  };
  stage.append(
    group("Network", network.node, cut.node, trial.node),
    group("Remove couplings", ...boxes.map((box) => box.node), back),
    said,
    make("div", { class: "ske-panels" },
      panel("Couplings in T: click to remove", square, note),
      panel("Eigenvalues", holder.spectrum, legend(["dot", "R"], ["dot ring", "C"], ["bound", "threshold"])),
      make("div", { class: "ske-panel ske-wide" }, make("p", { class: "ske-title" }, "One trial"), holder.rollout, lines),
      panel("The measure over all trials", holder.strip, legend(["dot", "whole"], ["dot gone", "without"], ["dot grey", "block-upper, same norm"])),
      panel("In numbers", numbers.node)),
  );
  cursor = [0, Math.min(1, current().blocks - 1)];
  api.ready = api.set();
  onTheme(drawMatrix);
  addEventListener("resize", drawRollout);
  return api;
});
