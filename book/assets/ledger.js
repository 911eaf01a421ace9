// Filters of the ledger. Without this script every entry stands, and nothing is lost.
(() => {
  const strips = document.querySelector(".schurkit-strips");
  if (!strips) return;
  const text = (element) => element.textContent.trim();
  const rows = [...document.querySelectorAll("section:has(> .ledger-small)")].map((section) => {
    const told = (selector) => [...section.querySelectorAll(selector)].map(text);
    return { section, has: { paper: told(".ledger-paper"), verdict: told(".ledger-verdict"), chapter: told(".ledger-chapter") }, words: text(section).toLowerCase() };
  });

  const form = document.createElement("form");
  form.className = "ledger-filters";
  form.setAttribute("aria-label", "Filter the claims");
  const count = document.createElement("p");
  count.setAttribute("aria-live", "polite");
  count.className = "ledger-count";
  const field = (label, control) => {
    const holder = document.createElement("label");
    holder.append(label, control);
    form.append(holder);
    return control;
  };
  const words = field("Words", Object.assign(document.createElement("input"), { type: "search", name: "words" }));
  const chosen = {};
  for (const [key, label] of [["paper", "Paper"], ["verdict", "Verdict"], ["chapter", "Chapter"]]) {
    const values = [...new Set(rows.flatMap((entry) => entry.has[key]))];
    if (values.length < 2) continue;
    chosen[key] = field(label, Object.assign(document.createElement("select"), { name: key }));
    chosen[key].append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
  }
  const all = Object.assign(document.createElement("button"), { type: "reset", textContent: "Show all" });
  form.append(all, count);

  const apply = () => {
    let shown = 0;
    for (const entry of rows) {
      const wanted = Object.entries(chosen).every(([key, control]) => !control.value || entry.has[key].includes(control.value));
      const visible = wanted && words.value.toLowerCase().split(/\s+/).every((word) => entry.words.includes(word));
      entry.section.hidden = !visible;
      shown += visible;
    }
    count.textContent = `${shown} of ${rows.length} claims`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  // A link to a claim that a filter hides shows everything again
  addEventListener("hashchange", () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.closest("[hidden]")) { form.reset(); setTimeout(() => target.scrollIntoView()); }
  });
  strips.after(form);
  apply();
})();
