// A network that copies, cut while it runs: on the left what is on the wheel and in its vestibule, on the right what it plays.
const SECTORS = ["RR", "CR", "CC"];
const off = { RR: "within R", CR: "the door, C → R", CC: "within C" };
const rowsBy = (matrix, rows, vector, into, add = false) => {
  const n = vector.length;
  for (let i = 0; i < rows; i++) {
    let sum = add ? into[i] : 0;
    for (let j = 0, at = i * n; j < n; j++) sum += matrix[at + j] * vector[j];
    into[i] = sum;
  }
  return into;
};
const readWheel = (given) => {
  const one = { ...given };
  for (const name of ["W_in", "W_rec", "W_out", "Q", "T", "seats", "vestibule", "inputs"]) one[name] = unpack(given[name]);
  one.n = Math.round(Math.sqrt(one.W_rec.length));
  const kept = new Map();
  const coupling = (i, j) => (one.blockOf[i] < one.blockOf[j] ? (i >= one.leading ? "CC" : j < one.leading ? "RR" : "CR") : null);
  one.part = (name) => { // Q T_S Qᵀ of a sector
    if (!kept.has(name)) {
      const { n, Q, T } = one, half = new Float64Array(n * n), whole = new Float64Array(n * n);
      for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) if (coupling(i, k) === name) for (let j = 0; j < n; j++) half[i * n + j] += T[i * n + k] * Q[j * n + k];
      for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) for (let j = 0; j < n; j++) whole[i * n + j] += Q[i * n + k] * half[k * n + j];
      kept.set(name, whole);
    }
    return kept.get(name);
  };
  one.weights = (gone) => { // what is left without some sectors, or after a random change of the same size
    const key = gone.join("+");
    if (!kept.has(`W ${key}`)) {
      const W = Float64Array.from(one.W_rec);
      for (const name of gone) {
        const part = name.startsWith("random ") ? one.random(name.slice(7)) : one.part(name);
        for (let k = 0; k < W.length; k++) W[k] -= part[k];
      }
      kept.set(`W ${key}`, W);
    }
    return kept.get(`W ${key}`);
  };
  one.random = (name) => { // the entries of a sector somewhere above the diagonal blocks, in any order and with any sign
    const { n, Q, T } = one, places = [], values = [], moved = new Float64Array(n * n), half = new Float64Array(n * n), whole = new Float64Array(n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (coupling(i, j)) {
      places.push(i * n + j);
      if (coupling(i, j) === name) values.push(T[i * n + j]);
    }
    let seed = 1 + SECTORS.indexOf(name);
    const draw = () => { // a small generator with its own seed: the page's own control, not one of the book's
      seed = (seed + 0x6d2b79f5) | 0;
      let x = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
      return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
    };
    for (const value of values) {
      const [place] = places.splice(Math.floor(draw() * places.length), 1);
      moved[place] = draw() < 0.5 ? value : -value;
    }
    for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) if (moved[i * n + k]) for (let j = 0; j < n; j++) half[i * n + j] += moved[i * n + k] * Q[j * n + k];
    for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) for (let j = 0; j < n; j++) whole[i * n + j] += Q[i * n + k] * half[k * n + j];
    return whole;
  };
  return one;
};
// One sequence of signs (time, channels): states and outputs of steps 1, 2, …; gone(step) says what is missing in that step.
const play = (one, signs, steps, gone, from = null) => {
  const { n, symbols, channels, W_in, W_out } = one, states = from ? from.slice() : [new Float64Array(n)], outputs = [];
  for (let t = states.length; t <= steps; t++) {
    const next = rowsBy(one.weights(gone(t)), n, states[t - 1], new Float64Array(n));
    if (t <= symbols) for (let i = 0; i < n; i++) for (let c = 0; c < channels; c++) next[i] += W_in[i * channels + c] * signs[(t - 1) * channels + c];
    states.push(next.map(Math.tanh));
  }
  for (let t = 1; t <= steps; t++) outputs.push(rowsBy(W_out, channels, states[t], new Float64Array(channels)));
  return { states, outputs };
};
const rightShare = (one, signs, outputs, first = 0) => {
  let right = 0, all = 0;
  for (let t = one.symbols; t < outputs.length; t++) for (let c = 0; c < one.channels; c++, all++) right += Math.sign(outputs[t][c]) === signs[first + ((t - one.symbols) % one.symbols) * one.channels + c];
  return right / all;
};

begin("wheel", (stage, data) => {
  const one = readWheel(data), { symbols, channels, count, replay } = one, size = symbols * channels;
  const SHOWN = 4 * symbols, PLAYED = 3 * symbols; // steps in the picture, and those of them that the dial reaches
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const setting = { gone: new Set(), random: false, plan: [], signs: one.inputs.slice(0, size), step: SHOWN, shut: null };
  const listed = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0]);
  const named = () => [...SECTORS.filter((name) => setting.gone.has(name))].map((name) => (setting.random ? `random ${name}` : name));
  const gone = (t) => setting.plan[t] ?? [];
  const scores = new Map();
  let run, timer = null, ticket = 0, story = [];

  // ---- numbers: accuracy over the sequences in the page, a few sequences at a time
  const accuracy = async (plan, key) => {
    if (scores.has(key)) return scores.get(key);
    let right = 0;
    for (let trial = 0; trial < count; trial++) {
      const signs = one.inputs.slice(trial * size, (trial + 1) * size);
      right += rightShare(one, signs, play(one, signs, symbols + replay, plan).outputs);
      if (trial % 4 === 3) await pause();
    }
    scores.set(key, right / count);
    return right / count;
  };
  const shutFrom = (t) => accuracy((step) => (step >= t ? ["CR"] : []), `CR from ${t}`);

  // ---- the picture
  const mark = (value) => ({ r: (1.6 + 3.6 * Math.min(1, Math.abs(value))).toFixed(2), class: value >= 0 ? "plus" : "minus" });
  const svg = make("svg:svg", { viewBox: "0 0 360 360", role: "img", class: "ske-chart ske-wheel", "aria-label": "The wheel" });
  const centre = [170, 165], dots = [], guests = [];
  svg.append(make("svg:circle", { cx: centre[0], cy: centre[1], r: 142, class: "soft" }));
  for (let k = 0; k < symbols; k++) {
    const angle = -Math.PI / 2 + (2 * Math.PI * k) / symbols;
    for (let c = 0; c < channels; c++) {
      const r = 56 + (c * 80) / Math.max(channels - 1, 1);
      const dot = make("svg:circle", { cx: centre[0] + r * Math.cos(angle), cy: centre[1] + r * Math.sin(angle) });
      dots.push(dot);
      svg.append(dot);
    }
  }
  svg.append(text(centre[0], 12, "read out now ↑", { "text-anchor": "middle" }), text(centre[0], centre[1] + 4, "R: the wheel", { "text-anchor": "middle" }));
  const entry = [centre[0] + 142 * Math.cos(-Math.PI / 2 - (2 * Math.PI) / symbols), centre[1] + 142 * Math.sin(-Math.PI / 2 - (2 * Math.PI) / symbols)];
  const door = make("svg:path", { d: `M${entry[0] - 26} ${entry[1] - 26}L${entry[0] - 5} ${entry[1] - 5}`, class: "ske-door" });
  const doorName = text(2, 66, "", {});
  svg.append(door, doorName);
  for (let c = 0; c < channels; c++) {
    const dot = make("svg:circle", { cx: 10 + 12 * c, cy: 26 });
    guests.push(dot);
    svg.append(dot);
  }
  svg.append(text(4, 12, "C: waiting", {}));
  const stepName = text(352, 342, "", { "text-anchor": "end" });
  svg.append(stepName);
  const drawWheel = () => {
    const t = setting.step, state = run.states[t];
    const on = rowsBy(one.seats, symbols * channels, state, new Float64Array(symbols * channels));
    const waiting = rowsBy(one.vestibule, channels, state, new Float64Array(channels));
    dots.forEach((dot, k) => Object.entries(mark(on[k])).forEach(([name, value]) => dot.setAttribute(name, value)));
    guests.forEach((dot, c) => Object.entries(mark(waiting[c])).forEach(([name, value]) => dot.setAttribute(name, value)));
    const shut = gone(Math.min(t + 1, SHOWN)).some((name) => name === "CR" || name === "random CR");
    door.setAttribute("class", shut ? "ske-door shut" : "ske-door");
    doorName.textContent = shut ? "CR: shut" : "CR: open";
    stepName.textContent = t <= symbols ? `step ${t}: listening` : `step ${t}: playing`;
    svg.setAttribute("aria-label", `Step ${t}: the wheel with ${symbols} seats of ${channels} signs; the door is ${shut ? "shut" : "open"}.`);
  };
  const cell = 9.5, left = 62, tall = cell * channels;
  const raster = make("svg:svg", { viewBox: `0 0 ${left + cell * SHOWN + 6} ${2 * tall + 66}`, role: "img", class: "ske-chart ske-raster", "aria-label": "What is asked for and what is played" });
  const asked = [], heard = [];
  raster.append(text(0, 16 + tall / 2, "asked", {}), text(0, 30 + 1.5 * tall, "network", {}));
  for (const [cells, top] of [[asked, 12], [heard, 26 + tall]]) for (let t = 1; t <= SHOWN; t++) for (let c = 0; c < channels; c++) {
    const box = make("svg:rect", { x: left + (t - 1) * cell, y: top + c * cell, width: cell - 1, height: cell - 1 });
    cells.push(box);
    raster.append(box);
  }
  const cursor = make("svg:path", { class: "bound" }), cross = make("svg:path", { class: "ske-wrong" });
  raster.append(cross, cursor, make("svg:path", { d: `M${left + symbols * cell - 0.5} 8V${30 + 2 * tall}`, class: "soft" }));
  raster.append(text(left, 44 + 2 * tall, "listens", {}), text(left + symbols * cell + 4, 44 + 2 * tall, "plays from memory → (✕ wrong sign)", {}));
  const wanted = (t, c) => setting.signs[((t - 1) % symbols) * channels + c];
  const drawRaster = () => {
    let crosses = "";
    for (let t = 1; t <= SHOWN; t++) for (let c = 0; c < channels; c++) {
      const k = (t - 1) * channels + c, y = run.outputs[t - 1][c], shown = t <= setting.step && t > symbols;
      asked[k].setAttribute("class", wanted(t, c) > 0 ? "plus" : "minus");
      const wrong = shown && Math.sign(y) !== wanted(t, c);
      heard[k].setAttribute("class", shown ? `${y > 0 ? "plus" : "minus"}${wrong ? " wrong" : ""}` : "blank");
      if (wrong) crosses += `M${left + (t - 1) * cell + 1.5} ${26 + tall + c * cell + 1.5}l5.5 5.5m0 -5.5l-5.5 5.5`;
    }
    cross.setAttribute("d", crosses);
    cursor.setAttribute("d", `M${left + setting.step * cell} 6V${30 + 2 * tall}`);
  };
  raster.addEventListener("click", (event) => {
    const box = raster.getBoundingClientRect(), scale = (left + cell * SHOWN + 6) / box.width;
    const t = Math.floor(((event.clientX - box.left) * scale - left) / cell), c = Math.floor(((event.clientY - box.top) * scale - 12) / cell);
    if (t >= 0 && t < symbols && c >= 0 && c < channels) flip(t, c);
  });
  const flip = (t, c) => {
    setting.signs[t * channels + c] *= -1;
    replayed(true);
  };

  // ---- the sentence
  const said = status();
  const tell = async () => {
    const mine = ++ticket, own = rightShare(one, setting.signs, run.outputs), plan = setting.plan.slice();
    const key = JSON.stringify(plan), changes = [];
    for (let t = 1; t <= SHOWN; t++) {
      const before = (plan[t - 1] ?? []).join(), now = (plan[t] ?? []).join();
      if (before !== now && !(t === 1 && !now)) changes.push([t, plan[t] ?? []]);
    }
    const word = (names) => (names.length ? listed(names.map((name) => (name.startsWith("random ") ? `a random change of the size of ${name.slice(7)}` : `no ${name}`))) : "everything on");
    const told = changes.length ? changes.map(([t, names], k) => `${k ? "from" : "From"} ${t === 1 ? "the start" : `step ${t}`}: ${word(names)}`).join("; ") : "Everything is on";
    said.textContent = `${told}. This sequence: ${percent(own)} of the signs right. Working on the other ${count}…`;
    const all = await accuracy((step) => plan[Math.min(step, SHOWN)] ?? [], key);
    if (mine !== ticket) return;
    const means = all > 0.99 ? "The task is done." : all > 0.6 ? "A wrong tune, in the right rhythm." : "Near chance.";
    said.textContent = `${told}. Over ${count} sequences and ${replay} steps of replay ${all.toFixed(4)} of the signs are right (this sequence, as far as shown: ${own.toFixed(2)}). ${means}`;
  };

  // ---- running
  const replayed = (whole = false, from = null) => {
    run = play(one, setting.signs, SHOWN, gone, from);
    drawWheel();
    drawRaster();
    if (whole || timer === null) tell();
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = setting.step < SHOWN ? "Go on" : "Play again";
  };
  const forward = () => {
    if (setting.step >= SHOWN) {
      stop();
      tell();
      return story.shift()?.();
    }
    setting.step += 1;
    drawWheel();
    drawRaster();
  };
  const start = () => {
    if (setting.step >= SHOWN) {
      setting.step = 0;
      setting.plan = Array.from({ length: SHOWN + 1 }, named);
      setting.shut = null;
      replayed();
    }
    button.textContent = "Pause";
    timer = setInterval(forward, 110);
  };
  const button = press("Play again", () => {
    story = [];
    timer === null ? start() : stop();
  });
  // While it runs a switch counts from the next step on; at rest the sequence starts anew with it.
  const switched = () => {
    story = [];
    scores.size > 60 && scores.clear();
    const first = timer !== null || setting.step < SHOWN ? setting.step + 1 : 1, names = named();
    for (let t = first; t <= SHOWN; t++) setting.plan[t] = names;
    setting.shut = null;
    replayed(false, first > 1 ? run.states.slice(0, first) : null);
    if (timer === null && first > 1) tell();
  };
  const ticks = SECTORS.map((name) => {
    const box = tick(`${name} (${off[name]})`, (on) => {
      on ? setting.gone.delete(name) : setting.gone.add(name);
      switched();
    }, name);
    box.input.checked = true;
    return box;
  });
  const random = tick("instead: a random change of the same size", (on) => {
    setting.random = on;
    switched();
  });
  const dial = slider("shut the door CR from step", { min: 1, max: PLAYED, step: 1, value: PLAYED, change: (t) => {
    story = [];
    if (timer !== null) stop();
    setting.gone.clear();
    ticks.forEach((box) => (box.input.checked = true));
    setting.plan = Array.from({ length: SHOWN + 1 }, (_, step) => (step >= t ? ["CR"] : []));
    setting.step = SHOWN;
    setting.shut = t;
    replayed(true);
    drawCurve();
  } });
  const curveHost = make("div", {});
  const found = [];
  const drawCurve = () => {
    const plot = chart({ x: [1, PLAYED], y: [0.4, 1], height: 190, width: 310, names: ["door shut from step", "right"], label: `Share of right signs against the step from which the door is shut: ${found.map((v, k) => `${k + 1}: ${v.toFixed(2)}`).join(", ")}`, xTicks: [...new Set([1, symbols >> 1, symbols, symbols + 2, 2 * symbols, PLAYED])].filter((t) => t >= 1 && t <= PLAYED) });
    plot.line(found.map((_, k) => k + 1), found, "without");
    if (setting.shut && found[setting.shut - 1] !== undefined) plot.add("circle", { cx: plot.px(setting.shut), cy: plot.py(found[setting.shut - 1]), r: 5, class: "dot-without" });
    curveHost.replaceChildren(plot.svg);
  };
  const sweep = async () => {
    for (let t = 1; t <= PLAYED; t++) {
      found.push(await shutFrom(t));
      drawCurve();
    }
  };
  const another = press("Another sequence", () => {
    setting.which = ((setting.which ?? 0) + 1) % count;
    setting.signs = one.inputs.slice(setting.which * size, (setting.which + 1) * size);
    replayed(true);
  });

  stage.append(
    group("Switches", ...ticks.map((box) => box.node), random.node),
    group("", button, another, dial.node),
    said,
    make("div", { class: "ske-panels" },
      panel(`Inside: ${symbols} seats of ${channels} signs (filled +, open −), one seat a step`, svg),
      panel(`Outside: a sequence of signs, and what is played from memory (click a sign it hears to change it)`, raster),
      panel("Shut the door while it plays: how many signs are right", curveHost)),
  );
  setting.plan = Array.from({ length: SHOWN + 1 }, () => []);
  replayed(true);
  drawCurve();
  const set = (names) => {
    setting.gone = new Set(names);
    ticks.forEach((box, k) => (box.input.checked = !names.includes(SECTORS[k])));
    setting.step = SHOWN;
    start();
  };
  let seen = still; // it plays once by itself: all on, CC off, CR off
  new IntersectionObserver(([entry], observer) => {
    if (!entry.isIntersecting || seen) return;
    seen = true;
    observer.disconnect();
    story = [() => set(["CC"]), () => set(["CR"]), () => {}];
    set([]);
  }).observe(stage);
  const ready = sweep();
  return { ready, accuracy: (plan) => accuracy((t) => plan[Math.min(t, plan.length - 1)], JSON.stringify(plan)), shutFrom, setting, play: (signs, plan, steps) => play(one, signs, steps, (t) => plan[Math.min(t, plan.length - 1)]), flip };
});
