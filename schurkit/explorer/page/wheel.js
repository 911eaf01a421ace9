// A network that copies, cut while it runs: on the left what is on the wheel and in its vestibule, on the right what it plays.
begin("wheel", (stage, data) => {
  const one = readNetwork(data), { heard: symbols, channels, count } = one, replay = one.steps - symbols;
  const shown = 4 * symbols, reach = 3 * symbols; // steps in the picture, and those of them that the dial reaches
  const svg = make("svg:svg", { viewBox: "0 0 360 360", role: "img", class: "ske-chart ske-wheel", "aria-label": "The wheel" });
  const centre = [170, 165], dots = [], guests = [];
  svg.append(make("svg:circle", { cx: centre[0], cy: centre[1], r: 142, class: "soft" }));
  for (let k = 0; k < symbols; k++) {
    const angle = -Math.PI / 2 + (2 * Math.PI * k) / symbols;
    for (let c = 0; c < channels; c++) {
      const r = 56 + (c * 80) / Math.max(channels - 1, 1);
      dots.push(make("svg:circle", { cx: centre[0] + r * Math.cos(angle), cy: centre[1] + r * Math.sin(angle) }));
    }
  }
  svg.append(...dots, text(centre[0], 12, "read out now ↑", { "text-anchor": "middle" }), text(centre[0], centre[1] + 4, "R: the wheel", { "text-anchor": "middle" }));
  const entry = [centre[0] + 142 * Math.cos(-Math.PI / 2 - (2 * Math.PI) / symbols), centre[1] + 142 * Math.sin(-Math.PI / 2 - (2 * Math.PI) / symbols)];
  const door = make("svg:path", { d: `M${entry[0] - 26} ${entry[1] - 26}L${entry[0] - 5} ${entry[1] - 5}`, class: "ske-door" });
  for (let c = 0; c < channels; c++) guests.push(make("svg:circle", { cx: 10 + 12 * c, cy: 26 }));
  const doorName = text(2, 66, "", {}), stepName = text(352, 342, "", { "text-anchor": "end" });
  svg.append(door, doorName, ...guests, text(4, 12, "C: waiting", {}), stepName);
  const drawWheel = (run, t, shut) => {
    const on = rowsBy(one.seats, dots.length, run.states[t], new Float64Array(dots.length)), waiting = rowsBy(one.vestibule, channels, run.states[t], new Float64Array(channels));
    dots.forEach((dot, k) => mark(dot, on[k]));
    guests.forEach((dot, c) => mark(dot, waiting[c]));
    door.setAttribute("class", shut ? "ske-door shut" : "ske-door");
    doorName.textContent = shut ? "CR: shut" : "CR: open";
    stepName.textContent = t <= symbols ? `step ${t}: listening` : `step ${t}: playing`;
    svg.setAttribute("aria-label", `Step ${t}: the wheel with ${symbols} seats of ${channels} signs; the door is ${shut ? "shut" : "open"}.`);
  };
  const cell = 9.5, left = 62, tall = cell * channels;
  const raster = make("svg:svg", { viewBox: `0 0 ${left + cell * shown + 6} ${2 * tall + 66}`, role: "img", class: "ske-chart ske-raster", "aria-label": "What is asked for and what is played" });
  const asked = [], heard = [];
  raster.append(text(0, 16 + tall / 2, "asked", {}), text(0, 30 + 1.5 * tall, "network", {}));
  for (const [cells, top] of [[asked, 12], [heard, 26 + tall]]) for (let t = 1; t <= shown; t++) for (let c = 0; c < channels; c++) {
    cells.push(make("svg:rect", { x: left + (t - 1) * cell, y: top + c * cell, width: cell - 1, height: cell - 1 }));
    raster.append(cells.at(-1));
  }
  const cursor = make("svg:path", { class: "bound" }), cross = make("svg:path", { class: "ske-wrong" });
  raster.append(cross, cursor, make("svg:path", { d: `M${left + symbols * cell - 0.5} 8V${30 + 2 * tall}`, class: "soft" }));
  raster.append(text(left, 44 + 2 * tall, "listens", {}), text(left + symbols * cell + 4, 44 + 2 * tall, "plays from memory → (✕ wrong sign)", {}));
  const drawRaster = (run, step, wanted) => {
    let crosses = "";
    for (let t = 1; t <= shown; t++) for (let c = 0; c < channels; c++) {
      const k = (t - 1) * channels + c, y = run.outputs[t - 1][c], seen = t <= step && t > symbols, aim = wanted[((t - 1) % symbols) * channels + c];
      asked[k].setAttribute("class", aim > 0 ? "plus" : "minus");
      const wrong = seen && Math.sign(y) !== aim;
      heard[k].setAttribute("class", seen ? `${y > 0 ? "plus" : "minus"}${wrong ? " wrong" : ""}` : "blank");
      if (wrong) crosses += `M${left + (t - 1) * cell + 1.5} ${26 + tall + c * cell + 1.5}l5.5 5.5m0 -5.5l-5.5 5.5`;
    }
    cross.setAttribute("d", crosses);
    cursor.setAttribute("d", `M${left + step * cell} 6V${30 + 2 * tall}`);
  };
  return perform(stage, one, (setting, changed) => {
    raster.addEventListener("click", (event) => {
      const box = raster.getBoundingClientRect(), scale = (left + cell * shown + 6) / box.width;
      const t = Math.floor(((event.clientX - box.left) * scale - left) / cell), c = Math.floor(((event.clientY - box.top) * scale - 12) / cell);
      if (t < 0 || t >= symbols || c < 0 || c >= channels) return;
      setting.inputs[t * channels + c] *= -1;
      changed();
    });
    const means = (all) => (all > 0.99 ? "The task is done." : all > 0.6 ? "A wrong tune, in the right rhythm." : "Near chance.");
    return {
      shown, reach, trial: "sequence", story: [[["CC"]], [["CR"]]],
      panels: [
        [`Inside: ${symbols} seats of ${channels} signs (filled +, open −), one seat a step`, svg],
        ["Outside: a sequence of signs, and what is played from memory (click a sign it hears to change it)", raster],
      ],
      draw: (run, step, shut) => {
        drawWheel(run, step, shut);
        drawRaster(run, step, setting.inputs);
      },
      score: (signs, outputs) => {
        let right = 0;
        for (let t = symbols; t < outputs.length; t++) for (let c = 0; c < channels; c++) right += Math.sign(outputs[t][c]) === signs[((t - symbols) % symbols) * channels + c];
        return [right, (outputs.length - symbols) * channels];
      },
      says: (own, all) => (all === undefined ? `This sequence: ${percent(own)} of the signs right.` : `Over ${count} sequences and ${replay} steps of replay ${all.toFixed(4)} of the signs are right (this sequence, as far as shown: ${own.toFixed(2)}). ${means(all)}`),
      measure: ["right", "How many signs are right"],
      range: () => [0.4, 1],
      xTicks: [...new Set([1, symbols >> 1, symbols, symbols + 2, 2 * symbols, reach])].filter((t) => t >= 1 && t <= reach),
    };
  });
});
