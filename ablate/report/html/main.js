// Brings the page to life: what it shows was written into it when it was made.

const KINDS = { error: "Test error", difference: "Difference", compute: "Compute", swept: "Swept value" };

function axisChoice(data, which, text, chart) {
  const select = html("select", { id: `axis-${which}` });
  for (const [kind, label] of Object.entries(KINDS)) {
    const options = data.axes.map((axis, i) => [axis, i]).filter(([axis]) => axis.kind === kind);
    if (!options.length) continue;
    select.append(html("optgroup", { label }, ...options.map(([axis, i]) => html("option", { value: i }, axis.title))));
  }
  select.value = data.start[which];
  select.addEventListener("change", () => chart.use(which, Number(select.value)));
  return html("label", {}, text, select);
}

function groupButtons(data, chart) {
  return data.groups.map((group, i) => {
    const sign = svg("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" }, markOf(group, 60));
    const button = html("button", { type: "button", "aria-pressed": "true" }, sign, group.name);
    button.addEventListener("click", () => {
      chart.toggle(i);
      button.setAttribute("aria-pressed", String(!chart.hidden.has(i)));
    });
    return button;
  });
}

// Everything that is known of one configuration, then its window.
function details(data, index, width) {
  const row = ([name, text]) => html("tr", {}, html("th", { scope: "row" }, name), html("td", {}, text));
  const numbers = data.axes.filter((axis) => ["error", "compute"].includes(axis.kind) && axis.values[index] !== null);
  const rows = [["group", data.groups[data.group[index]].name], ["seeds", String(data.seeds[index])]];
  rows.push(...data.facts.filter(({ texts }) => texts[index]).map(({ name, texts }) => [name, texts[index]]));
  rows.push(...numbers.map((axis) => [axis.title, measured(axis, index)]));
  const caption = html("caption", {}, "Test errors and compute, mean \u00b1 standard deviation over seeds");
  const table = html("table", {}, caption, html("tbody", {}, ...rows.map(row)));
  const box = html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Numbers of ${data.label[index]}` }, table);
  return [html("h3", {}, data.label[index]), html("div", { class: "sample" }, ...sampleOf(data.sample, index, width)), box];
}

function start() {
  for (const table of document.querySelectorAll("table.sortable")) sortable(table);
  const theme = document.getElementById("theme");
  const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
  theme.addEventListener("click", () => {
    const root = document.documentElement;
    root.dataset.theme = (root.dataset.theme ?? (dark() ? "dark" : "light")) === "dark" ? "light" : "dark";
  });
  const box = document.getElementById("plot");
  const data = JSON.parse(document.getElementById("data").textContent);
  const panel = document.getElementById("chosen");
  const chart = new Chart(data, box, (index) => panel.replaceChildren(...details(data, index, panel.clientWidth)));
  const axes = [axisChoice(data, "x", "Across ", chart), axisChoice(data, "y", "Up ", chart)];
  document.getElementById("axes").append(...axes);
  document.getElementById("groups").append(...groupButtons(data, chart));
}

start();
