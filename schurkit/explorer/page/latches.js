// A flip-flop, cut while it runs: its latches as they stand in R and what the door is about to add; pulses and outputs over time.
begin("latches", (stage, data) => {
  const one = readNetwork(data), { steps, channels: bits } = one, letters = [..."abcdefghijklmnopqrstuvwxyz"].slice(0, bits);
  const gap = 300 / bits, svg = make("svg:svg", { viewBox: "0 0 360 290", role: "img", class: "ske-chart ske-inside" });
  const X = (c) => 60 + gap * (c + 0.5), Y = (v) => 180 - 62 * Math.max(-1.4, Math.min(1.4, v));
  const doors = [], doorName = text(2, 66, "", {}), stepName = text(352, 284, "", { "text-anchor": "end" });
  svg.append(text(2, 28, "C: waiting", {}), doorName, text(2, 184, "R: holds", {}), stepName);
  const parts = letters.map((letter, c) => {
    doors.push(make("svg:path", { d: `M${X(c)} 40V76`, class: "ske-door" }));
    const guest = make("svg:circle", { cx: X(c), cy: 24 }), ring = make("svg:circle", { cx: X(c), r: 12, class: "target" }), knob = make("svg:circle", { cx: X(c), r: 7 });
    svg.append(make("svg:path", { d: `M${X(c)} ${Y(1.4)}V${Y(-1.4)}M${X(c) - 10} ${Y(0)}h20`, class: "soft" }), text(X(c) + 16, Y(1) + 4, "+", {}), text(X(c) + 16, Y(-1) + 4, "−", {}), text(X(c) + 14, 28, letter, {}), doors[c], guest, ring, knob);
    return { guest, ring, knob };
  });
  const targets = (inputs) => letters.map((_, c) => {
    let last = 0;
    return Array.from({ length: steps }, (_, t) => (last = inputs[t * bits + c] || last));
  });
  const after = (inputs, t) => t > 1 && inputs.slice((t - 2) * bits, (t - 1) * bits).some((pulse) => pulse !== 0);
  return perform(stage, one, (setting, changed) => {
    const time = overTime(steps, letters.map((letter) => [`latch ${letter}`, 1.5, 62]), 0.5, (t, c) => {
      const k = t * bits + c;
      setting.inputs[k] = setting.inputs[k] === 0 ? 1 : setting.inputs[k] > 0 ? -1 : 0;
      changed();
    });
    const windows = [["in the step after a pulse", after], ["in all other steps", (inputs, t) => !after(inputs, t)]], size = steps * bits;
    let pulsed = 0;
    for (let k = 0; k < one.count; k++) for (let t = 1; t <= steps; t++) pulsed += after(one.inputs.slice(k * size, (k + 1) * size), t);
    const share = pulsed / (one.count * steps);
    const task = held(one, targets, {
      windows,
      lively: (inputs) => inputs.filter((pulse) => pulse !== 0).length,
      story: [[["CR"], 2], [["CR"], 1]],
      asks: "When is it needed? The error where it is missing",
      above: (names) => `With ${names}:`,
      rows: [["all along", 0], [`${windows[0][0]} alone (${Math.round(100 * share)} % of all steps)`, 1], [`${windows[1][0]} alone`, 2]].map(([label, when]) => [label, async (names, measure) => (await measure(names, when)).toFixed(4)]),
      panels: [
        ["Inside: what R holds, read by a fitted line (ring: asked for), and what the door adds next", svg],
        ["Outside: pulses, and the sign of the last one (click to set, turn or clear a pulse)", time.svg, marks(["bars", "pulse"])],
      ],
      draw: (run, step, shut) => {
        const aims = targets(setting.inputs), [holds, adds] = task.reading(run, step);
        parts.forEach(({ guest, ring, knob }, c) => {
          mark(guest, adds[c]);
          knob.setAttribute("cy", Y(holds[c]));
          knob.setAttribute("class", holds[c] > 0 ? "plus" : "minus");
          ring.setAttribute("cy", Y(step ? aims[c][step - 1] : 0));
          doors[c].setAttribute("class", shut ? "ske-door shut" : "ske-door");
        });
        doorName.textContent = shut ? "CR: shut" : "CR: open";
        stepName.textContent = `step ${step}`;
        svg.setAttribute("aria-label", `Step ${step}: R holds ${letters.map((letter, c) => `${letter} ${holds[c].toFixed(1)}`).join(", ")}; the door is ${shut ? "shut" : "open"}.`);
        time.svg.setAttribute("aria-label", `Pulses, what is asked for and what is said over ${steps} steps; last said: ${letters.map((letter, c) => `${letter} ${run.outputs[Math.max(step, 1) - 1][c].toFixed(1)}`).join(", ")}.`);
        time.draw(step, letters.map((_, c) => ({ bars: Array.from({ length: steps }, (_, t) => setting.inputs[t * bits + c]), asked: aims[c], said: run.outputs.map((y) => y[c]) })));
      },
    });
    return task;
  });
});
