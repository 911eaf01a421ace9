// Integration in context, cut while it runs: the sum that R holds as a needle, the two streams, and the sum over time.
begin("integral", (stage, data) => {
  const one = readNetwork(data), { steps } = one, scale = unpack(data.scale);
  const cued = (inputs) => (inputs[3] > inputs[2] ? 1 : 0);
  const summed = (inputs, stream) => {
    let sum = 0;
    return Array.from({ length: steps }, (_, t) => (sum += inputs[4 * t + stream]) / scale[t]);
  };
  const svg = make("svg:svg", { viewBox: "0 0 360 270", role: "img", class: "ske-chart ske-inside" }), centre = [180, 240];
  const needle = make("svg:path", { class: "ske-needle" }), ghost = make("svg:path", { class: "target" }), guest = make("svg:circle", { cx: 180, cy: 50 }), door = make("svg:path", { d: "M180 66V94", class: "ske-door" });
  const arrows = [0, 1].map((k) => make("svg:path", {})), named = [0, 1].map((k) => text(60 + 240 * k, 14, "", { "text-anchor": "middle" }));
  const doorName = text(190, 84, "", {}), stepName = text(352, 264, "", { "text-anchor": "end" });
  svg.append(make("svg:path", { d: "M50 240A130 130 0 0 1 310 240", class: "soft" }), make("svg:path", { d: "M36 62h48M276 62h48", class: "faint" }), ghost, needle, door, guest, doorName, stepName, text(190, 54, "C: waiting", {}), text(180, 262, "R: the sum", { "text-anchor": "middle" }), text(34, 244, "−", {}), text(318, 244, "+", {}), ...arrows, ...named);
  return perform(stage, one, (setting, changed) => {
    const task = held(one, (inputs) => [summed(inputs, cued(inputs))], {
      lively: (inputs) => Math.abs(summed(inputs, 0).at(-1) - summed(inputs, 1).at(-1)),
      story: [...["RR", "CR"].filter(one.holds)].map((name) => [[name]]),
      asks: "What can go? The error without it",
      rows: [["everything on", []], ...SECTORS.map((name) => [`no ${name}`, [name]]), ["none of the three", SECTORS]].map(([label, names]) => [label, async (_, measure) => {
        const there = names.filter(one.holds).map((name) => (setting.random ? `random ${name}` : name));
        return names.length && !there.length ? "∅ nothing there" : (await measure(there, 0)).toFixed(4);
      }]),
      above: () => (setting.random ? "Each replaced by a random change of its size:" : ""),
      buttons: [press("The other context", () => {
        for (let t = 0; t < steps; t++) setting.inputs.subarray(4 * t + 2, 4 * t + 4).reverse();
        changed();
      })],
      draw: (run, step, shut) => {
        const inputs = setting.inputs, which = cued(inputs), aim = summed(inputs, which), [[holds], [adds]] = task.reading(run, step);
        const hand = (value, r) => { // as far as the largest sum in the page to either side
          const angle = -Math.PI / 2 + 1.4 * Math.max(-1.1, Math.min(1.1, value / largest));
          return `M${centre[0]} ${centre[1]}L${(centre[0] + r * Math.cos(angle)).toFixed(1)} ${(centre[1] + r * Math.sin(angle)).toFixed(1)}`;
        };
        needle.setAttribute("d", hand(holds, 112));
        ghost.setAttribute("d", hand(step ? aim[step - 1] : 0, 128));
        mark(guest, (3 * adds) / largest);
        door.setAttribute("class", shut ? "ske-door shut" : "ske-door");
        arrows.forEach((arrow, k) => {
          const now = step ? Math.max(-3, Math.min(3, inputs[4 * (step - 1) + k])) : 0;
          arrow.setAttribute("d", `M${60 + 240 * k} 62v${-12 * now}`);
          arrow.setAttribute("class", k === which ? "bars full" : "bars");
          named[k].textContent = `stream ${k + 1}${k === which ? ": add this" : ""}`;
        });
        doorName.textContent = shut ? "CR: shut" : "CR: open";
        stepName.textContent = `step ${step}`;
        const said = run.outputs.map((y) => y[0]);
        svg.setAttribute("aria-label", `Step ${step}: the context is stream ${which + 1}; R holds ${holds.toFixed(2)}, asked for ${(step ? aim[step - 1] : 0).toFixed(2)}; the door is ${shut ? "shut" : "open"}.`);
        time.svg.setAttribute("aria-label", `The streams and their sum over ${steps} steps; said at step ${Math.max(step, 1)}: ${said[Math.max(step, 1) - 1].toFixed(2)}.`);
        const stream = (k) => Array.from({ length: steps }, (_, t) => inputs[4 * t + k]);
        time.draw(step, [{ bars: stream(0) }, { bars: stream(1) }, { asked: aim, said, other: summed(inputs, 1 - which) }]);
      },
    });
    const largest = Math.max(...task.every.flatMap(([row]) => row.map(Math.abs)));
    const time = overTime(steps, [["stream 1", 3, 50], ["stream 2", 3, 50], ["sum", largest, 110]]);
    return Object.assign(task, { panels: [
      ["Inside: the sum in R, read by a fitted line (broad: asked for), and what the door adds next", svg],
      ["Outside: two streams, and the sum of the one that the context names", time.svg, marks(["bound", "the other stream's sum"])],
    ] });
  });
});
