// A trained network that adds modulo p: choose two numbers and see its waves meet at their sum; take frequencies out of its input table, and run one pair,
// and all p² pairs, through what is left.
begin("frequency", (stage, data) => {
  const nets = data.networks.map((given) => Object.assign({ ...given }, ...["W_in", "W_rec", "W_out", "b_rec", "b_out", "first", "units"].map((name) => ({ [name]: unpack(given[name]) }))));
  const { p } = data, half = (p - 1) / 2, unseen = unpack(data.unseen), turn = (2 * Math.PI) / p;
  const setting = { network: 0, removed: [], a: data.a, b: data.b, key: nets[0].keys.indexOf(nets[0].strongest) };
  let view, pair, cursor = 1, run = 0, made = {};
  const one = () => nets[setting.network];

  // ---- numbers: h₁ = φ(X₁[a]), h₂ = φ(A[a] + X[b]), logits = W_out h₂
  const tableWithout = ({ W_in, n }, removed) => {
    const X = Float64Array.from(W_in), wave = new Float64Array(p);
    for (const k of removed) for (const f of [Math.cos, Math.sin]) {
      for (let a = 0; a < p; a++) wave[a] = Math.sqrt(2 / p) * f(((k * a) % p) * turn);
      for (let i = 0; i < n; i++) {
        let part = 0;
        for (let a = 0; a < p; a++) part += W_in[i * p + a] * wave[a];
        for (let a = 0; a < p; a++) X[i * p + a] -= part * wave[a];
      }
    }
    return X;
  };
  const activate = (net) => (net.activation === "relu" ? (v) => (v > 0 ? v : 0) : Math.tanh);
  const tablesOf = (net, removed) => { // X and A of what is left, the two that a pair adds up
    const key = `${nets.indexOf(net)}: ${removed.join()}`;
    if (made.key === key) return made;
    const { n, W_rec, b_rec, first } = net, act = activate(net), X = tableWithout(net, removed), drive = new Float64Array(p * n), add = new Float64Array(p * n), h = new Float64Array(n);
    for (let a = 0; a < p; a++) for (let i = 0; i < n; i++) drive[a * n + i] = X[i * p + a] + b_rec[i];
    for (let a = 0; a < p; a++) {
      for (let i = 0; i < n; i++) h[i] = act(drive[a * n + i] + first[i]);
      for (let i = 0; i < n; i++) { let sum = 0; for (let j = 0; j < n; j++) sum += W_rec[i * n + j] * h[j]; add[a * n + i] = sum; }
    }
    return (made = { key, drive, add });
  };
  const onePair = () => { // the logits of one pair, each class less their mean, and what the units of each key frequency add to them
    const net = one(), { n, W_out, b_out, units, keys } = net, act = activate(net), { drive, add } = tablesOf(net, setting.removed), { a, b } = setting;
    const before = Array.from({ length: n }, (_, j) => add[a * n + j] + drive[b * n + j]), h = before.map(act);
    const centred = (values) => { const mean = values.reduce((x, y) => x + y, 0) / p; return values.map((v) => v - mean); };
    const sum = (wanted, bias) => centred(Array.from({ length: p }, (_, c) => { let s = bias ? b_out[c] : 0; for (let j = 0; j < n; j++) if (wanted(j)) s += W_out[c * n + j] * h[j]; return s; }));
    const logits = sum(() => true, true), answer = logits.indexOf(Math.max(...logits)), wanted = (a + b) % p;
    return { logits, answer, wanted, before, after: h, parts: keys.map((k) => sum((j) => units[j] === k, false)) };
  };
  const evaluate = async (net, removed, going) => { // which of the p² pairs are right, or null if something newer was asked for
    const { n, W_out, b_out } = net, act = activate(net), { drive, add } = tablesOf(net, removed), right = new Uint8Array(p * p), h = new Float64Array(n);
    const logits = new Float64Array(p + 3);
    const four = (c) => { // four classes at a time: the loop waits for h, not for the sums
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (let j = 0, at = c * n, to = at + n, past = to + n, last = past + n; j < n; j++) {
        const v = h[j];
        s0 += W_out[at + j] * v; s1 += W_out[to + j] * v; s2 += W_out[past + j] * v; s3 += W_out[last + j] * v;
      }
      logits[c] = s0 + b_out[c]; logits[c + 1] = s1 + b_out[c + 1]; logits[c + 2] = s2 + b_out[c + 2]; logits[c + 3] = s3 + b_out[c + 3];
    };
    for (let a = 0, since = performance.now(); a < p; a++) {
      if (performance.now() - since > 30) { await pause(); since = performance.now(); }
      if (!going()) return null;
      for (let b = 0; b < p; b++) {
        for (let j = 0; j < n; j++) h[j] = act(add[a * n + j] + drive[b * n + j]);
        const target = (a + b) % p;
        four(Math.min(target, p - 4));
        const wanted = logits[target];
        let best = true; // among equal logits the first class is taken
        for (let c = 0; best && c < p; c += 4) {
          const from = Math.min(c, p - 4);
          four(from);
          for (let k = from; k < from + 4; k++) if (k < target ? logits[k] >= wanted : logits[k] > wanted) best = false;
        }
        right[a * p + b] = best;
      }
    }
    return right;
  };
  const scores = (right) => {
    let all = 0, held = 0, count = 0;
    for (let k = 0; k < p * p; k++) { all += right[k]; if (unseen[k]) { held += right[k]; count++; } }
    return [all / (p * p), count ? held / count : NaN];
  };
  const controlSets = () => { // as many frequencies that are no keys; where there are too few, any
    const others = Array.from({ length: half }, (_, k) => k + 1).filter((k) => !one().keys.includes(k)), size = setting.removed.length;
    const from = size <= others.length ? others : [...others, ...one().keys], sets = new Set();
    const most = size === 0 ? 0 : size === from.length ? 1 : size === 1 ? Math.min(data.draws, from.length) : data.draws;
    for (let draw = 0; sets.size < most && draw < 50; draw++) sets.add(permutation(data.seed, `subsets of ${size}`, draw, from.length).slice(0, size).map((k) => from[k]).sort((a, b) => a - b).join());
    return [...sets].map((set) => set.split(",").map(Number));
  };

  // ---- words
  const sentence = () => {
    const keys = one().keys.filter((k) => setting.removed.includes(k)).length, count = setting.removed.length;
    const what = count ? `${count} of ${half} frequencies removed, ${keys} of the ${one().keys.length} keys among them.` : "Nothing removed.";
    const said = [`${what} Right on ${percent(view.all)} of all ${(p * p).toLocaleString("en")} pairs, ${percent(view.held)} of the unseen ones.`];
    if (view.controls.length) {
      const [middle] = spread(view.controls);
      said.push(`Without as many others: ${percent(middle)} of all pairs (${percent(Math.min(...view.controls))} to ${percent(Math.max(...view.controls))}, ${view.controls.length} random sets).`);
    }
    return said.join(" ");
  };

  const pairSentence = () => {
    const { logits, answer, wanted } = pair, others = logits.filter((_, c) => c !== answer), lead = logits[answer] - Math.max(...others);
    const truth = answer === wanted ? "which is right" : `which is wrong: it should say ${wanted}, and does so ${short(logits[answer] - logits[wanted], 3)} less loudly`;
    return `${setting.a} + ${setting.b}: the network says ${answer}, ${truth}. The next class is ${short(lead, 3)} behind.`;
  };

  // ---- controls and pictures
  const update = (change) => api.set(change);
  const network = choice("Network", nets.map((net) => [null, `network ${net.label}, ${net.keys.length} key frequencies`]), (k) => update({ network: k }));
  const all = Array.from({ length: half }, (_, k) => k + 1);
  const deeds = [
    press("Put all back", () => update({ removed: [] })),
    press("Remove the keys", () => update({ removed: all.filter((k) => one().keys.includes(k)) })),
    press("Remove all but the keys", () => update({ removed: all.filter((k) => !one().keys.includes(k)) })),
  ];
  const buttons = all.map((k) => make("button", { type: "button", "data-frequency": k, onclick: () => { move(k, false); flip(k); } }, String(k), make("i")));
  const keysBox = make("div", { class: "ske-keys", role: "toolbar", "aria-label": "Frequencies; arrow keys move, space removes" }, ...buttons);
  const flip = (k) => update({ removed: setting.removed.includes(k) ? setting.removed.filter((other) => other !== k) : [...setting.removed, k].sort((a, b) => a - b) });
  const move = (k, focus = true) => {
    cursor = Math.min(half, Math.max(1, k));
    buttons.forEach((button, at) => button.setAttribute("tabindex", at + 1 === cursor ? 0 : -1));
    if (focus) buttons[cursor - 1].focus();
  };
  keysBox.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: cursor - 1, ArrowRight: cursor + 1, ArrowUp: cursor - across(), ArrowDown: cursor + across(), Home: 1, End: half }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 1 && to <= half) move(to);
  });
  const across = () => buttons.filter((button) => button.offsetTop === buttons[0].offsetTop).length;
  const canvas = make("canvas", { role: "img", "aria-label": "Table of all pairs, a down and b across" }), said = status(), pairSaid = status();
  const numbers = facts("Accuracy", ["all pairs", "unseen pairs", "all pairs, as many others removed", "removed"]);
  const offer = () => {
    const most = Math.max(...one().energies);
    buttons.forEach((button, at) => {
      const k = at + 1, key = one().keys.includes(k), gone = setting.removed.includes(k);
      button.className = key ? "key" : "";
      button.setAttribute("aria-pressed", String(gone));
      button.setAttribute("aria-label", `frequency ${k}${key ? ", key" : ""}, ${percent(one().energies[at])} of the energy${gone ? ", removed" : ""}`);
      button.lastChild.style.width = `${(100 * one().energies[at]) / most}%`;
    });
    network.input.value = setting.network;
  };
  const drawTable = () => paint(canvas, 352, (context, size, snap) => {
    const { of } = colours(stage), cell = size / p;
    for (let a = 0; a < p; a++) for (let b = 0; b < p; b++) {
      context.fillStyle = view.right[a * p + b] ? of("rr") : of("cr");
      context.fillRect(snap(b * cell), snap(a * cell), snap((b + 1) * cell) - snap(b * cell), snap((a + 1) * cell) - snap(a * cell));
    }
  });
  const residues = Array.from({ length: p }, (_, c) => c), hosts = [0, 1, 2].map(() => make("div"));
  const range = (...lists) => { const all = lists.flat(), low = Math.min(...all), high = Math.max(...all), room = 0.06 * (high - low || 1); return [low - room, high + room]; };
  const drawPair = () => {
    pair = onePair();
    const net = one(), { n } = net, k = net.keys[setting.key], j = net.loudest[setting.key], { drive, add } = tablesOf(net, setting.removed);
    const turned = residues.slice().sort((x, y) => ((k * x) % p) - ((k * y) % p)), A = turned.map((a) => add[a * n + j]), X = turned.map((b) => drive[b * n + j]);
    const sum = pair.before[j], through = pair.after[j], place = (v) => (k * v) % p;
    const at = `A of ${setting.a} is ${short(A[place(setting.a)], 3)}, X of ${setting.b} is ${short(X[place(setting.b)], 3)}; their sum ${short(sum, 3)} becomes ${short(through, 3)}.`;
    const waves = chart({ x: [0, p - 1], y: range(A, X), names: [`${k} a and ${k} b, mod ${p}`, "input of the unit"], label: `Two waves of one unit. ${at}` });
    waves.line(residues, A, "full");
    waves.line(residues, X, "third");
    waves.add("circle", { cx: waves.px(place(setting.a)), cy: waves.py(A[place(setting.a)]), r: 5, class: "dot-full" });
    waves.add("circle", { cx: waves.px(place(setting.b)), cy: waves.py(X[place(setting.b)]), r: 5, class: "in-C" });
    const told = make("p", { class: "ske-note" }, at);
    const each = chart({ x: [0, p - 1], y: range(...pair.parts), names: ["class c", "said by a frequency"], label: `What the units of each of ${net.keys.length} key frequencies say of every class; all are high at ${pair.wanted} where the network works.` });
    pair.parts.forEach((part, at) => at !== setting.key && each.line(residues, part, "faint"));
    each.line(residues, pair.parts[setting.key] ?? [], "full");
    const all = chart({ x: [0, p - 1], y: range(pair.logits), width: 700, height: 190, names: ["class c", "sum: the logits"], label: pairSentence() });
    all.line(residues, pair.logits, "whole");
    for (const one of [each, all]) one.add("path", { d: `M${one.px(pair.wanted)} ${one.box[1]}v${one.box[3]}`, class: "bound" });
    all.add("circle", { cx: all.px(pair.answer), cy: all.py(pair.logits[pair.answer]), r: 5, class: pair.answer === pair.wanted ? "dot-full" : "dot-without" });
    [[waves.svg, told], [each.svg], [all.svg]].forEach((nodes, at) => hosts[at].replaceChildren(...nodes));
    pairSaid.textContent = pairSentence();
  };
  const dials = ["a", "b"].map((name) => slider(`${name} =`, { min: 0, max: p - 1, step: 1, value: setting[name], change: (value) => { setting[name] = value; drawPair(); } }));
  const look = choice("Look at frequency", [], (at) => { setting.key = at; drawPair(); });
  const offerKeys = () => {
    setting.key = Math.max(0, Math.min(setting.key, one().keys.length - 1));
    look.input.replaceChildren(...one().keys.map((k, at) => make("option", { value: at }, String(k))));
    look.input.value = setting.key;
    dials.forEach((dial, at) => dial.set(setting["ab"[at]]));
  };
  const write = () => {
    const [middle] = view.controls.length ? spread(view.controls) : [NaN];
    numbers.set([percent(view.all), percent(view.held), view.controls.length ? percent(middle) : "–", `${setting.removed.length} of ${half}`]);
  };

  const api = {
    set: async (change = {}) => {
      Object.assign(setting, change);
      said.textContent = "Working…";
      offer();
      offerKeys();
      drawPair();
      const mine = ++run, going = () => mine === run, right = await evaluate(one(), setting.removed, going);
      if (!right) return null;
      const [share, held] = scores(right);
      view = { right, all: share, held, controls: [], sets: controlSets() };
      canvas.setAttribute("aria-label", `Table of all pairs, a down and b across: right on ${percent(share)}.`);
      drawTable();
      write();
      const found = [];
      for (const set of view.sets) {
        const other = await evaluate(one(), set, going);
        if (!other) return null;
        found.push(scores(other)[0]);
      }
      view.controls = found;
      write();
      said.textContent = sentence();
      return api.view();
    },
    view: () => ({ ...view, right: [...view.right], pair, setting: { ...setting }, sentences: sentence() }),
  };
  const wide = panel("Their sum points at the answer", hosts[2], pairSaid);
  wide.classList.add("ske-wide");
  stage.append(
    group("Network", network.node, ...deeds),
    group("Two numbers", dials[0].node, dials[1].node, look.node),
    make("div", { class: "ske-panels" },
      panel("One unit: a wave of a and a wave of b add, and go through φ", hosts[0], legend(["full", "A, of the first number"], ["third", "X, of the second"])),
      panel("What the units of each frequency then say: waves of c", hosts[1], legend(["full", "the frequency looked at"], ["soft", "the others"], ["bound", "a + b"])),
      wide),
    group("Frequencies: press to remove", keysBox),
    said,
    make("p", { class: "ske-note" }, "Bar: share of the energy of the input table. Framed: key frequencies. Struck through: removed."),
    make("div", { class: "ske-panels" },
      panel("All pairs, a down and b across", make("div", { class: "ske-square" }, canvas), legend(["dot", "right"], ["dot gone", "wrong"])),
      panel("In numbers", numbers.node)),
  );
  move(1, false);
  api.ready = api.set();
  onTheme(() => view && drawTable());
  return api;
});
