// A small matrix in real Schur form, T = B + N: choose its eigenvalues and couplings, see what they do before the modes decay.
const matrixOf = ({ modes, couplings, scale }) => {
  const starts = [], n = modes.reduce((row, mode) => (starts.push(row), row + (mode.angle == null ? 1 : 2)), 0), T = new Float64Array(n * n);
  modes.forEach(({ value, angle, stretch = 1 }, b) => {
    const k = starts[b];
    if (angle == null) { T[k * n + k] = value; return; }
    const re = value * Math.cos(angle), im = value * Math.sin(angle);
    T[k * n + k] = T[(k + 1) * n + k + 1] = re;
    T[k * n + k + 1] = im * stretch;
    T[(k + 1) * n + k] = -im / stretch;
  });
  for (const [i, j, v] of couplings) T[i * n + j] = scale * v;
  return { T, n, starts, ends: [...starts.slice(1), n] };
};
const multiply = (A, B, n) => {
  const C = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) for (let j = 0; j < n; j++) C[i * n + j] += A[i * n + k] * B[k * n + j];
  return C;
};
// Singular values of the complex matrix re + i im (columns one after the other), by one-sided Jacobi rotations: accurate for the small ones too.
const singular = (re, im, n) => {
  for (let sweep = 0, turned = true; turned && sweep < 40; sweep++) {
    turned = false;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) {
      let a = 0, b = 0, cr = 0, ci = 0;
      for (let k = 0, x = p * n, y = q * n; k < n; k++, x++, y++) {
        a += re[x] * re[x] + im[x] * im[x];
        b += re[y] * re[y] + im[y] * im[y];
        cr += re[x] * re[y] + im[x] * im[y];
        ci += re[x] * im[y] - im[x] * re[y];
      }
      const size = Math.hypot(cr, ci);
      if (size <= 1e-15 * Math.sqrt(a * b) || size === 0) continue;
      turned = true;
      const zeta = (b - a) / (2 * size), t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta)), c = 1 / Math.hypot(1, t), s = c * t, ur = cr / size, ui = ci / size;
      for (let k = 0, x = p * n, y = q * n; k < n; k++, x++, y++) {
        const yr = re[y] * ur + im[y] * ui, yi = im[y] * ur - re[y] * ui, xr = re[x], xi = im[x];
        re[x] = c * xr - s * yr; im[x] = c * xi - s * yi;
        re[y] = s * xr + c * yr; im[y] = s * xi + c * yi;
      }
    }
  }
  return Array.from({ length: n }, (_, p) => {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += re[p * n + k] ** 2 + im[p * n + k] ** 2;
    return Math.sqrt(sum);
  });
};
const spectralNorm = (A, n) => {
  const largest = A.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
  return largest ? largest * Math.max(...singular(A.map((v) => v / largest), new Float64Array(n * n), n)) : 0;
};
const leastSingular = (T, n, x, y) => {
  const re = new Float64Array(n * n), im = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) re[j * n + i] = (i === j ? x : 0) - T[i * n + j];
  for (let i = 0; i < n; i++) im[i * n + i] = y;
  return Math.min(...singular(re, im, n));
};
const LEVELS = [1e-4, 1e-3, 1e-2, 10 ** -1.5, 1e-1], STEPS = 40, GRID = 61;
const levelNames = ["ε = 0.0001", "0.001", "0.01", "0.032", "0.1"];

begin("schur", (stage, data) => {
  const copy = (setting) => JSON.parse(JSON.stringify(setting));
  let setting = copy(data.presets[0]), view, run = 0;
  const modeName = ({ value, angle }, b) => `mode ${b + 1} (${angle == null ? short(value, 3) : `pair ${short(value, 3)}`})`;

  // ---- numbers
  const look = () => {
    const { T, n, starts, ends } = matrixOf(setting), growth = [1], bound = [1], radius = Math.max(...setting.modes.map((mode) => Math.abs(mode.value)));
    let power = Float64Array.from(T);
    for (let t = 1; t <= STEPS; t++, power = multiply(T, power, n)) { growth.push(spectralNorm(power, n)); bound.push(radius ** t); }
    const first = Math.min(setting.pulse, starts.length - 1), paths = starts.map(() => []);
    let state = new Float64Array(n);
    state[starts[first]] = 1;
    for (let t = 0; t <= STEPS; t++) {
      starts.forEach((start, b) => paths[b].push(Math.hypot(...state.slice(start, ends[b]))));
      state = state.map((_, i) => { let sum = 0; for (let j = 0; j < n; j++) sum += T[i * n + j] * state[j]; return sum; });
    }
    let departure = 0; // couplings, and how far each pair is from a rotation
    starts.forEach((start, b) => {
      for (let i = start; i < ends[b]; i++) for (let j = ends[b]; j < n; j++) departure += T[i * n + j] ** 2;
      if (ends[b] - start === 2) departure += (T[start * n + start + 1] + T[(start + 1) * n + start]) ** 2;
    });
    const peak = growth.indexOf(Math.max(...growth)), half = 1.4 * Math.max(1, radius);
    view = { T, n, starts, ends, growth, bound, radius, paths, pulse: first, peak, half, henrici: Math.sqrt(departure) };
  };
  const levels = async () => { // σ_min(z − T) where Im z ≥ 0; the other half is its mirror image
    const mine = ++run, target = view, { T, n, half } = target, rows = (GRID + 1) / 2, found = new Float64Array(rows * GRID);
    for (let r = 0, since = performance.now(); r < rows; r++) {
      if (performance.now() - since > 30) { await pause(); since = performance.now(); }
      if (mine !== run) return false;
      for (let c = 0; c < GRID; c++) found[r * GRID + c] = leastSingular(T, n, half * (2 * c / (GRID - 1) - 1), half * (2 * r / (GRID - 1)));
    }
    target.least = found;
    return true;
  };

  // ---- pictures
  const holder = { growth: make("div"), paths: make("div") }, canvas = make("canvas", { role: "img" }), said = status();
  const numbers = facts("Measures", ["spectral radius ρ", "largest growth max ‖Tᵗ‖", "at step", "departure from normality (Henrici)"]);
  const times = Array.from({ length: STEPS + 1 }, (_, t) => t);
  const drawGrowth = () => {
    const most = Math.max(...view.growth, 1), least = Math.max(1e-6 * most, Math.min(...view.growth.filter((v) => v > 0), ...view.bound.filter((v) => v > 0), 1));
    const c = chart({ x: [0, STEPS], y: [least / 1.2, most * 1.3], log: true, names: ["time t (steps)", "‖Tᵗ‖"], label: `Growth: at most ${short(most, 3)}, at step ${view.peak}; the eigenvalues alone give ${short(view.radius, 3)} to the power t.` });
    c.line(times, view.bound, "bound");
    c.line(times, view.growth, "without");
    holder.growth.replaceChildren(c.svg);
  };
  const KIND = ["full", "without", "third", "bound", "soft", "target"];
  const pathLegend = make("div");
  const drawPaths = () => {
    const top = Math.max(1, ...view.paths.flat());
    const c = chart({ x: [0, STEPS], y: [0, 1.05 * top], names: ["time t (steps)", "activity"], label: `Activity of each mode after a pulse into mode ${view.pulse + 1}: largest ${short(top, 3)}.` });
    [...view.paths].reverse().forEach((path, k, all) => c.line(times, path, KIND[all.length - 1 - k]));
    holder.paths.replaceChildren(c.svg);
    pathLegend.replaceChildren(legend(...setting.modes.map((mode, b) => [KIND[b], modeName(mode, b)])));
  };
  const drawLevels = () => paint(canvas, 352, (context, size) => {
    const { ink, of } = colours(stage), { least, half } = view, middle = (GRID - 1) / 2;
    const value = (r, c) => least[Math.abs(r - middle) * GRID + c];
    if (least) { // between the points of the grid σ_min is interpolated
      const tints = LEVELS.map((_, level) => of(String(5 - level)).match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16)));
      const image = new ImageData(size, size);
      for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
        const r = y / (size - 1) * (GRID - 1), c = x / (size - 1) * (GRID - 1), i = Math.min(GRID - 2, Math.floor(r)), j = Math.min(GRID - 2, Math.floor(c)), u = r - i, v = c - j;
        const sigma = (1 - u) * ((1 - v) * value(i, j) + v * value(i, j + 1)) + u * ((1 - v) * value(i + 1, j) + v * value(i + 1, j + 1));
        const level = LEVELS.findIndex((l) => sigma <= l);
        if (level >= 0) image.data.set([...tints[level], 255], 4 * (y * size + x));
      }
      const drawn = make("canvas", { width: size, height: size });
      drawn.getContext("2d").putImageData(image, 0, 0);
      context.drawImage(drawn, 0, 0, size, size);
    }
    const at = (v) => (size - 1) / 2 * (1 + v / half);
    context.strokeStyle = ink;
    context.beginPath();
    context.arc(at(0), at(0), at(1) - at(0), 0, 2 * Math.PI);
    context.stroke();
    for (const { value, angle } of setting.modes) for (const side of angle == null ? [0] : [1, -1]) {
      const x = at(value * Math.cos(angle ?? 0)), y = at(-side * value * Math.sin(angle ?? 0));
      context.beginPath();
      context.arc(x, y, 4.5, 0, 2 * Math.PI);
      context.fillStyle = "#fff"; context.strokeStyle = "#000"; context.lineWidth = 1.5;
      context.fill(); context.stroke();
    }
  });
  const sentence = () => {
    const normal = view.henrici < 1e-9 ? "The matrix is normal: its growth is that of its largest eigenvalue." : `Departure from normality ${short(view.henrici, 3)}.`;
    return `Spectral radius ${short(view.radius, 3)}. Largest growth ${short(view.growth[view.peak], 3)} at step ${view.peak}. ${normal}`;
  };
  const draw = () => {
    drawGrowth(); drawPaths(); drawLevels();
    numbers.set([short(view.radius), short(view.growth[view.peak]), String(view.peak), short(view.henrici)]);
    canvas.setAttribute("aria-label", `Pseudospectra in the complex plane, up to ${short(view.half, 3)} from the centre. White dots: eigenvalues; ring: unit circle.`);
  };

  // ---- controls
  const update = (change) => api.set(change);
  const modesBox = make("div"), matrixBox = make("div", { class: "ske-matrix" }), pulseBox = make("span");
  const scale = slider("All couplings ×", { min: 0, max: 3, step: 0.05, value: 1, show: (v) => v.toFixed(2), change: (v) => update({ scale: v }) });
  const preset = choice("Start from", data.presets.map((one) => [null, one.name]), (k) => update(copy(data.presets[k])));
  const sizes = choice("Modes", [2, 3, 4, 5, 6].map((n) => [null, `${n} units`]), (k) => update(resized(k + 2)));
  const pairs = choice("Complex pairs", [0, 1, 2, 3].map((n) => [null, String(n)]), (k) => update(paired(k)));
  const units = () => setting.modes.reduce((sum, mode) => sum + (mode.angle == null ? 1 : 2), 0);
  const build = (n, count) => {
    const modes = [], old = setting.modes, oldPairs = old.filter((mode) => mode.angle != null), oldReals = old.filter((mode) => mode.angle == null);
    for (let k = 0; k < count; k++) modes.push(oldPairs[k] ?? { value: 0.9, angle: 0.6 + 0.5 * k, stretch: 1 });
    for (let k = 0; k < n - 2 * count; k++) modes.push(oldReals[k] ?? { value: +(0.8 - 0.15 * k).toFixed(2) });
    return { modes, couplings: setting.couplings.filter(([i, j]) => { const { starts, ends } = matrixOf({ modes, couplings: [], scale: 1 }); const block = (u) => starts.findIndex((s, b) => u >= s && u < ends[b]); return j < n && block(i) < block(j); }) };
  };
  const resized = (n) => build(n, Math.min(Math.floor(n / 2), setting.modes.filter((mode) => mode.angle != null).length));
  const paired = (count) => build(units(), Math.min(count, Math.floor(units() / 2)));
  const shape = () => JSON.stringify([setting.modes.map((mode) => mode.angle == null), setting.name]);
  let built = null, refresh = [];
  const offer = () => { // sliders of the modes and the table of couplings, made anew only when the shape changes
    if (built !== shape()) {
      built = shape();
      refresh = [];
      const sliders = setting.modes.flatMap((mode, b) => {
        const value = slider(mode.angle == null ? `Mode ${b + 1}, eigenvalue:` : `Mode ${b + 1}, pair of modulus:`, { min: mode.angle == null ? -1.1 : 0, max: 1.1, step: 0.01, value: mode.value, show: (v) => short(v, 3), change: (v) => { setting.modes[b].value = v; update({}); } });
        refresh.push(() => value.set(setting.modes[b].value));
        if (mode.angle == null) return [value.node];
        const angle = slider(`Mode ${b + 1}, angle:`, { min: 0, max: 180, step: 1, value: mode.angle * 180 / Math.PI, show: (v) => `${Math.round(v)}° a step`, change: (v) => { setting.modes[b].angle = v * Math.PI / 180; update({}); } });
        refresh.push(() => angle.set(setting.modes[b].angle * 180 / Math.PI));
        return [value.node, angle.node];
      });
      modesBox.replaceChildren(group("Modes: what the eigenvalues say", ...sliders));
      const { n, starts, ends } = view, block = (u) => starts.findIndex((s, b) => u >= s && u < ends[b]);
      const rows = Array.from({ length: n }, (_, i) => make("tr", {}, ...Array.from({ length: n }, (_, j) => {
        if (block(i) >= block(j)) {
          const cell = make("td");
          refresh.push(() => (cell.textContent = view.T[i * n + j] ? short(view.T[i * n + j], 2) : ""));
          return cell;
        }
        const entry = make("input", { type: "number", step: 0.1, min: -5, max: 5, "aria-label": `coupling to unit ${i + 1} from unit ${j + 1}`, oninput: () => {
          const v = Math.max(-5, Math.min(5, Number.isFinite(entry.valueAsNumber) ? entry.valueAsNumber : 0));
          update({ couplings: [...setting.couplings.filter(([a, b]) => a !== i || b !== j), ...(v ? [[i, j, v]] : [])] });
        } });
        refresh.push(() => { if (document.activeElement !== entry) entry.value = +(setting.couplings.find(([a, b]) => a === i && b === j)?.[2] ?? 0).toFixed(3); });
        return make("td", {}, entry);
      })));
      matrixBox.replaceChildren(make("table", { "aria-label": "The matrix T; couplings can be changed" }, make("tbody", {}, ...rows)));
      const pulse = choice("Pulse into", setting.modes.map((mode, b) => [null, `mode ${b + 1}`]), (k) => update({ pulse: k }));
      refresh.push(() => (pulse.input.value = view.pulse));
      pulseBox.replaceChildren(pulse.node);
    }
    refresh.forEach((one) => one());
    scale.set(setting.scale);
    sizes.input.value = units() - 2;
    pairs.input.value = setting.modes.filter((mode) => mode.angle != null).length;
    [...pairs.input.options].forEach((option, k) => (option.disabled = 2 * k > units()));
  };

  const api = {
    set: async (change = {}) => {
      Object.assign(setting, change);
      look();
      offer();
      draw();
      if (!(await levels())) return null;
      drawLevels();
      said.textContent = sentence();
      return api.view();
    },
    view: () => ({ ...view, T: [...view.T], least: view.least && [...view.least], setting: copy(setting), sentences: sentence() }),
  };
  stage.append(
    group("Matrix", preset.node, sizes.node, pairs.node, scale.node),
    modesBox,
    make("div", { class: "ske-panels" },
      panel("T: modes on the diagonal, couplings above", matrixBox, make("p", { class: "ske-note" }, "A column drives a row. Couplings are typed in; modes have sliders."), numbers.node, said),
      panel("Largest growth of any state", holder.growth, legend(["without", "‖Tᵗ‖"], ["bound", "ρᵗ, from the eigenvalues"])),
      panel("Activity of the modes after a pulse", holder.paths, pathLegend, pulseBox),
      panel("Pseudospectra: where a change of size ε can move an eigenvalue", make("div", { class: "ske-square" }, canvas),
        make("p", { class: "ske-legend" }, ...levelNames.map((name, k) => make("span", {}, make("i", { class: "ske-swatch", style: `background: var(--ske-${5 - k})` }), name))))),
  );
  api.ready = api.set();
  onTheme(drawLevels);
  return api;
});
