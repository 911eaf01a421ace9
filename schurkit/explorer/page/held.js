// What the stages of the flip-flop and of integration share: the error, rows over time, and a state that is read from R.
// Rows of [name, range, height]: what comes in (bars), what is asked for (broad), what is said up to a step (thin), crosses where
// it is further off than `far`.
const overTime = (steps, names, far = Infinity, clicked = null) => {
  const left = 66, wide = 320, dx = wide / steps, X = (t) => left + (t - 0.5) * dx, tops = [4];
  for (const [, , tall] of names) tops.push(tops.at(-1) + tall);
  const bottom = tops.at(-1), below = (x, content, anchor) => text(x, bottom + 15, content, { "text-anchor": anchor });
  const svg = make("svg:svg", { viewBox: `0 0 ${left + wide + 6} ${bottom + 20}`, role: "img", class: `ske-chart${clicked ? " ske-clicked" : ""}` });
  const rows = names.map(([name, range, tall], k) => {
    const Y = (v) => tops[k] + tall * (0.5 - 0.42 * Math.max(-1, Math.min(1, v / range)));
    const kinds = Object.fromEntries(["faint", "target", "bars", "bound", "full", "ske-wrong"].map((kind) => [kind, make("svg:path", { class: kind })]));
    const line = (values) => values.map((v, t) => `${t ? "L" : "M"}${X(t + 1).toFixed(1)} ${Y(v).toFixed(1)}`).join("");
    const put = (kind, d) => kinds[kind].setAttribute("d", d);
    put("faint", `M${left} ${Y(0)}h${wide}`);
    svg.append(text(0, Y(0) + 4, name, {}), ...Object.values(kinds));
    return (step, { bars = [], asked = [], said = [], other = [] }) => {
      put("bars", bars.map((v, t) => (v ? `M${X(t + 1).toFixed(1)} ${Y(0)}V${Y(v).toFixed(1)}` : "")).join(""));
      put("target", line(asked));
      put("bound", line(other));
      put("full", line(said.slice(0, step)));
      put("ske-wrong", said.slice(0, step).map((v, t) => (Math.abs(v - asked[t]) > far ? `M${X(t + 1) - 3} ${Y(v) - 3}l6 6m0 -6l-6 6` : "")).join(""));
    };
  });
  const cursor = make("svg:path", { class: "bound" });
  svg.append(cursor, below(left, "step 1", "start"), below(left + wide, `step ${steps}`, "end"), below(left + wide / 2, far < Infinity ? `✕ off by more than ${far}` : "", "middle"));
  if (clicked) svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect(), scale = (left + wide + 6) / box.width, y = (event.clientY - box.top) * scale;
    const t = Math.floor(((event.clientX - box.left) * scale - left) / dx), row = tops.findLastIndex((top) => y >= top);
    if (t >= 0 && t < steps && row >= 0 && row < names.length) clicked(t, row);
  });
  return { svg, draw: (step, values) => {
    rows.forEach((row, k) => row(step, values[k]));
    cursor.setAttribute("d", `M${left + step * dx} 0V${bottom}`);
  } };
};
const marks = (...more) => legend(["target", "asked for"], ["full", "said by the network"], ...more);
// What the two have in common for `perform`; targets(inputs) are rows over time, one an output.
const held = (one, targets, more) => {
  const size = one.inputs.length / one.count, trial = (k) => one.inputs.slice(k * size, (k + 1) * size), every = Array.from({ length: one.count }, (_, k) => targets(trial(k)));
  const variance = every[0].reduce((sum, _, c) => { // of the targets, a trial
    const values = every.flatMap((rows) => [...rows[c]]), mean = values.reduce((a, b) => a + b) / values.length;
    return sum + values.reduce((a, b) => a + (b - mean) ** 2, 0) / one.count;
  }, 0);
  const means = (all) => (all <= 0.05 ? "The task is done." : all < 1 ? "Some of it is lost." : "No better than always saying the mean.");
  return {
    shown: one.steps, reach: one.steps, trial: "trial",
    score: (inputs, outputs) => [targets(inputs).reduce((sum, row, c) => sum + row.reduce((a, aim, t) => a + (outputs[t][c] - aim) ** 2, 0), 0), variance],
    says: (own, all) => (all === undefined ? `This trial: error ${own.toFixed(4)}.` : `Over ${one.count} trials the error is ${all.toFixed(4)} (1: as of always saying the mean; this trial: ${own.toFixed(4)}). ${means(all)}`),
    measure: ["error", "The error (0: none; 1: as of always saying the mean)"],
    range: (found) => [0, Math.max(0.2, ...found)],
    reading: (run, step) => ["seats", "vestibule"].map((name) => rowsBy(one[name], every[0].length, run.states[step], new Float64Array(every[0].length))),
    first: every.reduce((best, _, k) => (more.lively(trial(k)) > more.lively(trial(best)) ? k : best), 0),
    every, ...more,
  };
};
