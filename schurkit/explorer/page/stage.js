// What the stages share: a network that runs step by step and is cut while it runs, its switches, a dial and one sentence.
const SECTORS = ["RR", "CR", "CC"];
const off = { RR: "within R", CR: "the door, C → R", CC: "within C" };
const rowsBy = (matrix, rows, vector, into) => {
  const n = vector.length;
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0, at = i * n; j < n; j++) sum += matrix[at + j] * vector[j];
    into[i] = sum;
  }
  return into;
};
const readNetwork = (given) => {
  const one = { ...given };
  for (const name of ["W_in", "W_rec", "W_out", "Q", "T", "seats", "vestibule", "inputs"]) one[name] = unpack(given[name]);
  one.n = Math.round(Math.sqrt(one.W_rec.length));
  const { n, Q, T } = one, kept = new Map();
  const places = { RR: [], CR: [], CC: [] }; // of the entries of T above its diagonal blocks
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (one.blockOf[i] < one.blockOf[j]) places[i >= one.leading ? "CC" : j < one.leading ? "RR" : "CR"].push(i * n + j);
  const rotated = (entries) => { // Q M Qᵀ of a matrix given by its entries
    const half = new Float64Array(n * n), whole = new Float64Array(n * n);
    for (const [place, value] of entries) for (let i = Math.floor(place / n), k = place % n, j = 0; j < n; j++) half[i * n + j] += value * Q[j * n + k];
    for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) for (let j = 0; j < n; j++) whole[i * n + j] += Q[i * n + k] * half[k * n + j];
    return whole;
  };
  const random = (name) => { // the entries of a sector somewhere above the diagonal blocks, in any order and with any sign
    const free = Object.values(places).flat().sort((a, b) => a - b), entries = [];
    let seed = 1 + SECTORS.indexOf(name);
    const draw = () => { // a small generator with its own seed: the page's own control, not one of the book's
      seed = (seed + 0x6d2b79f5) | 0;
      let x = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
      return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
    };
    for (const place of places[name]) {
      const [to] = free.splice(Math.floor(draw() * free.length), 1);
      entries.push([to, draw() < 0.5 ? T[place] : -T[place]]);
    }
    return entries;
  };
  const once = (key, make) => kept.get(key) ?? kept.set(key, make()).get(key);
  const part = (name) => once(name, () => rotated(name.startsWith("random ") ? random(name.slice(7)) : places[name].map((place) => [place, T[place]])));
  one.holds = (name) => places[name].some((place) => T[place] !== 0);
  // what is left without some sectors, or after a random change of the same size
  one.weights = (gone) => once(`W ${gone.join("+")}`, () => gone.map(part).reduce((W, taken) => W.map((w, k) => w - taken[k]), one.W_rec));
  return one;
};
// One trial (time, channels): states and outputs of steps 1, 2, …; gone(step) says what is missing in that step.
const play = (one, inputs, steps, gone, from = null) => {
  const { n, heard, channels, W_in, W_out } = one, count = W_out.length / n, states = from ? from.slice() : [new Float64Array(n)], outputs = [];
  for (let t = states.length; t <= steps; t++) {
    const next = rowsBy(one.weights(gone(t)), n, states[t - 1], new Float64Array(n));
    if (t <= heard) for (let i = 0; i < n; i++) for (let c = 0; c < channels; c++) next[i] += W_in[i * channels + c] * inputs[(t - 1) * channels + c];
    states.push(next.map(Math.tanh));
  }
  for (let t = 1; t <= steps; t++) outputs.push(rowsBy(W_out, count, states[t], new Float64Array(count)));
  return { states, outputs };
};
const mark = (node, value) => { // the size and the sign of a number as a dot
  node.setAttribute("r", (1.6 + 3.6 * Math.min(1, Math.abs(value))).toFixed(2));
  node.setAttribute("class", value >= 0 ? "plus" : "minus");
};
const listed = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0]);
const word = (names) => (names.length ? listed(names.map((name) => (name.startsWith("random ") ? `a random change of the size of ${name.slice(7)}` : `no ${name}`))) : "everything on");

// What differs: `build(setting, changed)` gives the panels and how to draw a step, [part, whole] of the measure on a trial and
// its words, the windows of time in which something can be missing, the rows of a table, and what plays by itself at first.
const perform = (stage, one, build) => {
  const { count } = one, size = one.inputs.length / count, trial = (k) => one.inputs.slice(k * size, (k + 1) * size);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const setting = { gone: new Set(), random: false, plan: [], when: 0, which: 0, inputs: trial(0), step: 0, shut: null };
  const task = build(setting, () => replayed()), { shown, reach, windows = [] } = task;
  const chosen = () => SECTORS.filter((name) => setting.gone.has(name)).map((name) => (setting.random ? `random ${name}` : name));
  // a plan says what is missing in step 1, 2, …; its last entry holds to the end
  const missing = (plan, when, inputs) => (t) => (!when || windows[when - 1][1](inputs, t) ? plan[Math.min(t, plan.length - 1)] ?? [] : []);
  const gone = (t) => missing(setting.plan, setting.when, setting.inputs)(t);
  const scores = new Map();
  let run, timer = null, ticket = 0, story = [];
  setting.step = shown;
  setting.inputs = trial(setting.which = task.first ?? 0);

  // ---- numbers: the measure over the trials in the page, a few at a time
  const measured = async (plan, when) => {
    let part = 0, whole = 0;
    for (let k = 0; k < count; k++) {
      const inputs = trial(k), [a, b] = task.score(inputs, play(one, inputs, one.steps, missing(plan, when, inputs)).outputs);
      part += a;
      whole += b;
      if (k % 4 === 3) await pause();
    }
    return part / whole;
  };
  const measure = (plan, when = 0) => {
    const last = plan.findLastIndex((names) => names.join() !== plan.at(-1).join()), brief = plan.slice(0, last + 2), key = JSON.stringify([brief, when]);
    return scores.get(key) ?? scores.set(key, measured(brief, when)).get(key);
  };
  const from = (t, names = ["CR"]) => Array.from({ length: t + 1 }, (_, step) => (step >= t ? names : []));
  const shutFrom = (t) => measure(from(t));

  // ---- the sentence, and below it what other choices give
  const said = status(), note = make("p", { class: "ske-note" }), table = task.rows && facts("What is left out, and the error", task.rows.map(([label]) => label));
  const tell = async () => {
    const mine = ++ticket, [part, whole] = task.score(setting.inputs, run.outputs), plan = setting.plan.slice(), when = setting.when, changes = [], alone = when ? `, ${windows[when - 1][0]} alone` : "";
    const at = (t) => (t ? plan[Math.min(t, plan.length - 1)] : []);
    for (let t = 1; t <= shown; t++) if (at(t - 1).join() !== at(t).join()) changes.push([t, at(t)]);
    const told = changes.map(([t, names], k) => `${k ? "from" : "From"} ${t === 1 ? "the start" : `step ${t}`}${names.length ? alone : ""}: ${word(names)}`).join("; ") || "Everything is on";
    said.textContent = `${told}. ${task.says(part / whole)} Working on the other ${count}…`;
    const all = await measure(plan, when);
    if (mine !== ticket) return;
    said.textContent = `${told}. ${task.says(part / whole, all)}`;
    const names = chosen().length ? chosen() : ["CR"], texts = (task.rows ?? []).map(() => "…");
    note.textContent = task.above?.(word(names)) ?? "";
    for (const [k, [, row]] of (task.rows ?? []).entries()) {
      table.set(texts);
      texts[k] = await row(names, (plan, when) => measure([plan], when));
      if (mine !== ticket) return;
      table.set(texts);
    }
  };

  // ---- running
  const draw = () => task.draw(run, setting.step, gone(Math.min(setting.step + 1, shown)).some((name) => name.endsWith("CR")));
  const replayed = (states = null) => {
    run = play(one, setting.inputs, shown, gone, states);
    draw();
    tell();
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = setting.step < shown ? "Go on" : "Play again";
  };
  const forward = () => {
    if (setting.step >= shown) {
      stop();
      tell();
      return story.shift()?.();
    }
    setting.step += 1;
    draw();
  };
  const start = () => {
    if (setting.step >= shown) {
      setting.step = 0;
      setting.plan = from(0, chosen());
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
  // While it runs a switch counts from the next step on; at rest the trial starts anew with it.
  const switched = () => {
    story = [];
    const first = timer !== null || setting.step < shown ? setting.step + 1 : 1;
    setting.plan = Array.from({ length: shown + 1 }, (_, t) => (t < first && first > 1 ? setting.plan[Math.min(t, setting.plan.length - 1)] : chosen()));
    setting.shut = null;
    replayed(first > 1 ? run.states.slice(0, first) : null);
  };
  const ticks = SECTORS.map((name) => {
    const box = tick(`${name} (${off[name]}${one.holds(name) ? "" : ": nothing there"})`, (on) => {
      setting.gone[on ? "delete" : "add"](name);
      switched();
    }, name);
    box.input.checked = true;
    box.input.disabled = !one.holds(name);
    return box;
  });
  const random = tick("instead: a random change of the same size", (on) => {
    setting.random = on;
    switched();
  });
  const moment = windows.length ? choice("switched off", [[null, "all along"], ...windows.map(([name]) => [null, `${name} alone`])], (k) => {
    story = [];
    set([...setting.gone], k);
    rest();
  }) : null;
  const show = (names, when) => {
    setting.gone = new Set(names);
    setting.when = when;
    ticks.forEach((box, k) => (box.input.checked = !names.includes(SECTORS[k])));
    if (moment) moment.input.value = when;
  };
  const rest = (plan = from(0, chosen())) => { // the whole trial at once
    if (timer !== null) stop();
    setting.plan = plan;
    setting.step = shown;
    button.textContent = "Play again";
    replayed();
  };
  const set = (names, when = 0) => {
    show(names.filter(one.holds), when);
    setting.step = shown;
    setting.shut = null;
  };
  const dial = slider("shut the door CR from step", { min: 1, max: reach, step: 1, value: reach, change: (t) => {
    story = [];
    show([], 0);
    setting.shut = t;
    rest(from(t));
    drawCurve();
  } });
  const curveHost = make("div", {}), found = [];
  const drawCurve = () => {
    const told = found.map((v, k) => `${k + 1}: ${v.toFixed(2)}`).join(", ");
    const plot = chart({ x: [1, reach], y: task.range(found), height: 190, width: 310, names: ["door shut from step", task.measure[0]], label: `${task.measure[1]} against the step from which the door is shut: ${told}`, xTicks: task.xTicks });
    plot.line(found.map((_, k) => k + 1), found, "without");
    if (setting.shut && found[setting.shut - 1] !== undefined) plot.add("circle", { cx: plot.px(setting.shut), cy: plot.py(found[setting.shut - 1]), r: 5, class: "dot-without" });
    curveHost.replaceChildren(plot.svg);
  };
  const sweep = async () => {
    for (let t = 1; t <= reach; t++) {
      found.push(await shutFrom(t));
      drawCurve();
    }
  };
  const another = press(`Another ${task.trial}`, () => {
    setting.which = (setting.which + 1) % count;
    setting.inputs = trial(setting.which);
    replayed();
  });

  stage.append(
    group("Switches", ...ticks.map((box) => box.node), random.node, moment?.node),
    group("", button, another, ...(task.buttons ?? []), dial.node),
    said,
    make("div", { class: "ske-panels ske-stage" }, ...task.panels.map(([title, ...nodes]) => panel(title, ...nodes)), panel(`Shut the door while it runs: ${task.measure[1].toLowerCase()}`, curveHost), table && panel(task.asks, note, table.node)),
  );
  rest();
  drawCurve();
  let seen = still; // it plays once by itself
  new IntersectionObserver(([entry], observer) => {
    if (!entry.isIntersecting || seen) return;
    seen = true;
    observer.disconnect();
    const scenes = [[[]], ...task.story].map(([names, when]) => () => {
      set(names, when);
      start();
    });
    story = scenes.slice(1);
    scenes[0]();
  }).observe(stage);
  const ready = sweep();
  return { ready, accuracy: measure, shutFrom, setting, play: (inputs, plan, steps) => play(one, inputs, steps, missing(plan, 0, inputs)) };
};
