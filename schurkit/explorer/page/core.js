// Shared by the explorers: elements, arrays out of the page, charts. Nothing here asks for anything outside the page.
const make = (tag, attributes = {}, ...children) => {
  const node = tag.startsWith("svg:") ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
};
const KINDS = { f4: Float32Array, f8: Float64Array, i1: Int8Array };
const unpack = ({ kind, data }) => {
  const text = atob(data), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return Float64Array.from(new KINDS[kind](bytes.buffer));
};
const short = (value, digits = 4) => {
  if (!Number.isFinite(value)) return "infinite (diverged)";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return (size < 1e-3 || size >= 1e5 ? value.toExponential(digits - 2) : String(+value.toPrecision(digits))).replace(/-/g, "−");
};
const percent = (share) => `${(100 * share).toFixed(2)} %`;
const quantile = (sorted, q) => {
  const place = q * (sorted.length - 1), low = Math.floor(place), part = place - low;
  if (!sorted.every(Number.isFinite)) return sorted[Math.round(place)];
  return part ? sorted[low] + part * (sorted[low + 1] - sorted[low]) : sorted[low];
};
const spread = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return [0.5, 0.025, 0.975].map((q) => quantile(sorted, q));
};

// ---- controls: native inputs inside their labels, so that nothing needs an id
const slider = (name, { min, max, step, value, show = String, change }) => {
  const output = make("b", { "aria-hidden": "true" }, show(value)); // not <output>: a label would then name that
  const input = make("input", { type: "range", min, max, step, value, "aria-valuetext": show(value) });
  const set = (v) => { input.value = v; output.textContent = show(+input.value); input.setAttribute("aria-valuetext", show(+input.value)); };
  input.addEventListener("input", () => { set(input.value); change(+input.value); });
  return { node: make("label", { class: "ske-slider" }, make("span", {}, name, " ", output), input), input, set };
};
const tick = (name, change, swatch) => {
  const input = make("input", { type: "checkbox", onchange: () => change(input.checked) });
  return { node: make("label", { class: "ske-tick" }, input, swatch ? make("i", { class: `ske-swatch ${swatch}` }) : null, name), input };
};
const choice = (name, options, change) => {
  const input = make("select", { onchange: () => change(+input.value) });
  const groups = new Map();
  options.forEach(([group, text], k) => {
    if (group && !groups.has(group)) input.append(groups.set(group, make("optgroup", { label: group })).get(group));
    (group ? groups.get(group) : input).append(make("option", { value: k }, text));
  });
  return { node: make("label", { class: "ske-choice" }, make("span", {}, name), input), input };
};
const press = (name, change) => make("button", { type: "button", onclick: change }, name);
const group = (name, ...nodes) => make("fieldset", {}, make("legend", {}, name), ...nodes);
const panel = (title, ...nodes) => make("div", { class: "ske-panel" }, make("p", { class: "ske-title" }, title), ...nodes);
const legend = (...pairs) => make("p", { class: "ske-legend" }, ...pairs.map(([mark, text]) => make("span", {}, make("i", { class: `ske-mark ${mark}` }), text)));
const status = () => make("p", { class: "ske-status", role: "status", "aria-live": "polite" });
const facts = (title, names) => {
  const cells = names.map(() => make("td"));
  const rows = names.map((name, k) => make("tr", {}, make("th", { scope: "row" }, name), cells[k]));
  return { node: make("table", { class: "ske-facts", "aria-label": title }, make("tbody", {}, ...rows)), set: (texts) => texts.forEach((text, k) => (cells[k].textContent = text)) };
};

// ---- drawing
const ticks = (low, high, most = 5) => {
  const raw = (high - low) / most, unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((f) => f * unit).find((s) => s >= raw * 0.999), found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(+(k * step).toPrecision(12));
  return found;
};
const decades = (low, high) => {
  const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9), every = Math.max(1, Math.ceil((last - first) / 5));
  if (last - first < 2) return [first - 1, first, first + 1, first + 2].flatMap((e) => [1, 2, 5].map((f) => f * 10 ** e)).filter((v) => v >= low && v <= high);
  return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, k) => 10 ** (first + k * every));
};
const text = (x, y, content, attributes = {}) => make("svg:text", { x, y, ...attributes }, content);
// An empty chart and its scales: put marks with `add`. Axis text stays at reading size because the drawing is at most 26 rem wide.
const chart = ({ x, y, log = false, height = 210, names = ["", ""], label, equal = false, width = 380, xTicks, yTicks }) => {
  const left = names[1] ? 54 : 40, top = 8, bottom = names[0] ? 36 : 22, right = 10;
  const across = width - left - right, tall = equal ? across * (y[1] - y[0]) / (x[1] - x[0]) : height - top - bottom;
  const px = (v) => left + across * (v - x[0]) / (x[1] - x[0]);
  const f = log ? Math.log10 : (v) => v, [low, high] = y.map(f);
  const py = (v) => top + tall * (1 - (f(v) - low) / (high - low));
  const svg = make("svg:svg", { viewBox: `0 0 ${width} ${top + tall + bottom}`, role: "img", "aria-label": label, class: "ske-chart" });
  const axis = make("svg:g", { class: "ske-axis" });
  for (const v of xTicks ?? ticks(...x)) axis.append(make("svg:path", { d: `M${px(v)} ${top + tall}v4` }), text(px(v), top + tall + 16, short(v, 3), { "text-anchor": "middle" }));
  for (const v of yTicks ?? (log ? decades(...y) : ticks(...y))) axis.append(make("svg:path", { d: `M${left} ${py(v)}h-4` }), text(left - 6, py(v) + 4, short(v, 3), { "text-anchor": "end" }));
  axis.append(make("svg:path", { d: `M${left} ${top}v${tall}h${across}` }));
  if (names[0]) axis.append(text(left + across / 2, top + tall + 31, names[0], { "text-anchor": "middle" }));
  if (names[1]) axis.append(text(0, 0, names[1], { "text-anchor": "middle", transform: `translate(11 ${top + tall / 2}) rotate(-90)` }));
  const marks = make("svg:g", {});
  svg.append(axis, marks);
  const clip = (v) => Math.min(top + tall, Math.max(top, v));
  return {
    svg, px, py, box: [left, top, across, tall],
    add: (tag, attributes) => marks.append(make(`svg:${tag}`, attributes)),
    line: (xs, ys, kind) => {
      let d = "", pen = "M";
      for (let k = 0; k < ys.length; k++) {
        if (Number.isNaN(ys[k]) || (log && ys[k] <= 0)) { pen = "M"; continue; }
        d += `${pen}${px(xs[k]).toFixed(1)} ${clip(py(ys[k])).toFixed(1)}`;
        pen = "L";
      }
      marks.append(make("svg:path", { d, class: kind }));
    },
  };
};
// A canvas as sharp as the screen; `draw(context, size)` works in CSS pixels.
const paint = (canvas, size, draw) => {
  const scale = Math.min(3, window.devicePixelRatio || 1), snap = (v) => Math.round(v * scale) / scale;
  canvas.width = canvas.height = Math.round(size * scale);
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, size, size);
  draw(context, size, snap); // `snap` puts an edge between two pixels, so that neighbours leave no seam
};
const colours = (node) => {
  const style = getComputedStyle(node);
  return { ink: style.color, of: (name) => style.getPropertyValue(`--ske-${name}`).trim() };
};
const pause = () => new Promise((done) => setTimeout(done));
const onTheme = (redraw) => {
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
};

// ---- start every explorer of a kind that is on the page and not yet alive; where that fails its still picture stays
const begin = (kind, build) => {
  const all = () => document.querySelectorAll(`.ske[data-kind="${kind}"]:not([data-ready])`).forEach((host) => {
    if (document.readyState === "loading" && !host.nextElementSibling) return; // still being read; its own script comes next
    const stage = make("div", { class: "ske-live" });
    host.dataset.ready = "";
    host.append(stage);
    try {
      if (!document.querySelector("style.ske-style")) document.head.append(make("style", { class: "ske-style" }, STYLE));
      host.schurkit = build(stage, JSON.parse(host.querySelector('script[type="application/json"]').textContent));
    } catch (error) {
      stage.remove();
      host.removeAttribute("data-ready");
      host.dataset.kind = "failed";
      console.error(error);
    }
  });
  all();
  document.addEventListener("DOMContentLoaded", all);
  setTimeout(all);
};
