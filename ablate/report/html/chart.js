// The study as points: any recorded compute value, error or swept value against any other, with the front.

const MARKS = {
  o: [d3.symbolCircle, 0],
  s: [d3.symbolSquare, 0],
  D: [d3.symbolSquare, 45],
  "^": [d3.symbolTriangle, 0],
  v: [d3.symbolTriangle, 180],
  "<": [d3.symbolTriangle, 270],
  ">": [d3.symbolTriangle, 90],
  P: [d3.symbolCross, 0],
  X: [d3.symbolCross, 45],
  p: [d3.symbolStar, 0],
  h: [d3.symbolWye, 0],
};
const MARGIN = { top: 14, right: 18, bottom: 44, left: 58 };
const NARROW = 500; // pixels
const REACH = 28; // pixels from which a point is still meant

function markOf(group, size) {
  const [kind, turned] = MARKS[group.marker];
  const path = svg("path", { d: d3.symbol(kind, size)(), transform: `rotate(${turned})`, class: "mark" });
  path.style.setProperty("--group", group.colour ?? "var(--ink)");
  return path;
}

// Logarithmic where positive values span more than a decade, as in the figures.
function scaleOf(values, range, least) {
  const [low, high] = [d3.min([...values, ...least]), d3.max(values)];
  if (low > 0 && high > 10 * low) return d3.scaleLog([low / 1.15, high * 1.15], range);
  const room = 0.06 * (high - low || Math.abs(high) || 1);
  return d3.scaleLinear([low - room, high + room], range).nice();
}

function drawAxes(box, x, y, width, height, titles) {
  const few = (scale, count) => (scale.base ? scale.ticks(count).filter((v) => /^[125]/.test(v.toExponential())) : scale.ticks(count));
  const across = d3.axisBottom(x).tickValues(few(x, Math.max(3, width / 90))).tickFormat(said).tickSizeOuter(0).tickPadding(7);
  const up = d3.axisLeft(y).tickValues(few(y, 6)).tickFormat(said).tickSizeOuter(0);
  const layer = d3.select(box).append("g").attr("aria-hidden", "true");
  const bottom = height - MARGIN.bottom;
  layer.append("g").attr("class", "axis").attr("transform", `translate(0,${bottom})`).call(across.tickSizeInner(MARGIN.top - bottom));
  layer.append("g").attr("class", "axis").attr("transform", `translate(${MARGIN.left},0)`).call(up.tickSizeInner(MARGIN.left + MARGIN.right - width));
  layer.append("text").attr("class", "title").attr("x", (MARGIN.left + width - MARGIN.right) / 2).attr("y", height - 6).attr("text-anchor", "middle").text(titles[0]);
  layer.append("text").attr("class", "title").attr("transform", `translate(14,${bottom / 2})rotate(-90)`).attr("text-anchor", "middle").text(titles[1]);
}

// The points that no other is as good as on one axis and better than on the other; from good to bad along x.
function frontOf(points, better) {
  const sign = better.map((sense) => (sense === "higher" ? -1 : 1));
  const keys = points.map((point) => [sign[0] * point.x, sign[1] * point.y]);
  const beaten = ([x, y]) => keys.some(([a, b]) => a <= x && b <= y && (a < x || b < y));
  return points.filter((_, i) => !beaten(keys[i])).sort((p, q) => sign[0] * (p.x - q.x) || sign[1] * (p.y - q.y));
}

// A mean and what is known of its spread.
function measured(axis, index) {
  const spread = axis.spread ? axis.spread[index] : null;
  return said(axis.values[index]) + (spread === null ? "" : ` \u00b1 ${said(Number(spread.toPrecision(2)))}`);
}

function seedsOf(data, index) {
  return data.seeds[index] === 1 ? "one seed" : `${data.seeds[index]} seeds`;
}

class Chart {
  // ``select(index)`` is called with the configuration that was asked for.
  constructor(data, box, select) {
    Object.assign(this, { data, box, select, hidden: new Set(), chosen: null, current: null });
    this.axes = { x: data.start.x, y: data.start.y };
    this.tip = html("div", { class: "tip", hidden: "" });
    this.plot = svg("svg", { role: "group", "aria-label": "Configurations. Arrow keys go from point to point, Enter shows one." });
    box.append(this.plot, this.tip);
    this.plot.addEventListener("pointermove", (event) => this.point(this.nearest(event)));
    this.plot.addEventListener("pointerleave", () => this.point(null));
    this.plot.addEventListener("click", (event) => this.click(event));
    this.plot.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.width !== box.clientWidth && this.draw()).observe(box);
    this.draw();
  }

  shown() {
    const [x, y] = [this.data.axes[this.axes.x], this.data.axes[this.axes.y]];
    const points = this.data.label.map((label, index) => {
      const [sx, sy] = [x, y].map((axis) => (axis.spread ? axis.spread[index] : null));
      return { index, label, group: this.data.group[index], x: x.values[index], y: y.values[index], sx, sy };
    });
    const visible = points.filter((p) => p.x !== null && p.y !== null && !this.hidden.has(p.group));
    return visible.sort((p, q) => p.x - q.x || p.y - q.y);
  }

  draw() {
    this.width = this.box.clientWidth;
    const [width, height] = [Math.max(280, this.width), Math.max(300, Math.min(460, 0.62 * this.width))];
    const titles = [this.data.axes[this.axes.x].title, this.data.axes[this.axes.y].title];
    this.points = this.shown();
    this.plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.plot.replaceChildren();
    if (!this.points.length) return;
    const ends = (value, spread) => this.points.map((p) => p[value] - (p[spread] ?? 0)).filter((v) => v > 0);
    const x = scaleOf(this.points.map((p) => p.x), [MARGIN.left, width - MARGIN.right], ends("x", "sx"));
    const y = scaleOf(this.points.map((p) => p.y + (p.sy ?? 0)), [height - MARGIN.bottom, MARGIN.top], ends("y", "sy"));
    drawAxes(this.plot, x, y, width, height, titles);
    for (const point of this.points) Object.assign(point, { px: x(point.x), py: y(point.y) });
    const front = this.drawFront(width, height);
    this.drawBars(x, y);
    this.marks = new Map(this.points.map((point) => [point.index, this.drawPoint(point, front.has(point.index))]));
    this.focusable(this.marks.has(this.current) ? this.current : this.points[0].index);
    this.mark();
  }

  // Where both axes have a better end: a step line through the front, and who is on it.
  drawFront(width, height) {
    const better = [this.axes.x, this.axes.y].map((axis) => this.data.axes[axis].better);
    if (better.includes(null)) return new Set(this.points.map((point) => point.index));
    const front = frontOf(this.points, better);
    const edge = better[0] === "higher" ? MARGIN.left : width - MARGIN.right;
    const far = better[1] === "higher" ? height - MARGIN.bottom : MARGIN.top;
    const [first, last] = [front[0], front[front.length - 1]];
    const corners = [[first.px, far], ...front.map((p) => [p.px, p.py]), [edge, last.py]];
    this.plot.append(svg("path", { class: "front", d: d3.line().curve(d3.curveStepAfter)(corners) }));
    return new Set(front.map((point) => point.index));
  }

  drawBars(x, y) {
    const low = (scale, value) => scale(scale.base ? Math.max(value, scale.domain()[0]) : value);
    for (const p of this.points) {
      const bars = [];
      if (p.sx) bars.push(`M${low(x, p.x - p.sx)} ${p.py}H${x(p.x + p.sx)}`);
      if (p.sy) bars.push(`M${p.px} ${low(y, p.y - p.sy)}V${y(p.y + p.sy)}`);
      if (bars.length) {
        const path = this.plot.appendChild(svg("path", { class: "spread", d: bars.join("") }));
        path.style.setProperty("--group", this.data.groups[p.group].colour ?? "var(--ink)");
      }
    }
  }

  drawPoint(point, front) {
    const axes = [this.axes.x, this.axes.y].map((axis) => this.data.axes[axis]);
    const label = `${point.label}: ${axes.map((axis) => `${axis.title} ${said(axis.values[point.index])}`).join(", ")}`;
    const mark = svg("g", { role: "button", tabindex: -1, "aria-label": label, class: front ? "point on-front" : "point" });
    mark.setAttribute("transform", `translate(${point.px.toFixed(1)},${point.py.toFixed(1)})`);
    mark.append(svg("circle", { r: 9, class: "ring" }), markOf(this.data.groups[point.group], 62));
    mark.addEventListener("focus", () => this.point(point.index));
    mark.addEventListener("blur", () => this.point(null));
    return this.plot.appendChild(mark);
  }

  // One point at a time can be tabbed to; arrows move on from it.
  focusable(index) {
    this.current = index;
    for (const [other, mark] of this.marks) mark.setAttribute("tabindex", other === index ? 0 : -1);
  }

  key(event) {
    const place = this.points.findIndex((point) => point.index === this.current);
    const last = this.points.length - 1;
    const to = { ArrowRight: place + 1, ArrowDown: place + 1, ArrowLeft: place - 1, ArrowUp: place - 1, Home: 0, End: last };
    if (event.key in to) {
      this.focusable(this.points[Math.min(last, Math.max(0, to[event.key]))].index);
      this.marks.get(this.current).focus();
    } else if (event.key === "Enter" || event.key === " ") this.choose(this.current);
    else if (event.key === "Escape") this.point(null);
    else return;
    event.preventDefault();
  }

  // A screen reader's click has a target and no place.
  click(event) {
    const hit = [...this.marks].find(([, mark]) => mark.contains(event.target));
    this.choose(event.detail === 0 && hit ? hit[0] : this.nearest(event));
  }

  nearest(event) {
    const at = d3.pointer(event, this.plot);
    const away = (point) => Math.hypot(point.px - at[0], point.py - at[1]);
    const found = d3.least(this.points, away);
    return found && away(found) < REACH ? found.index : null;
  }

  // Say beside a point what it is; null: nothing is pointed at.
  point(index) {
    this.tip.hidden = index === null;
    this.plot.classList.toggle("pointing", index !== null);
    if (index === null) return;
    const point = this.points.find((p) => p.index === index);
    this.tip.replaceChildren(html("strong", {}, point.label), ...this.lines(index).map((line) => html("span", {}, line)));
    const scale = this.plot.clientWidth / this.plot.viewBox.baseVal.width;
    const left = Math.min(point.px * scale + 14, this.box.clientWidth - this.tip.offsetWidth);
    const below = point.py * scale + 14;
    const fits = below + this.tip.offsetHeight < this.plot.clientHeight;
    this.tip.style.left = `${Math.max(0, left)}px`;
    this.tip.style.top = `${fits ? below : Math.max(0, point.py * scale - 14 - this.tip.offsetHeight)}px`;
  }

  lines(index) {
    const axes = [this.axes.x, this.axes.y].map((axis) => this.data.axes[axis]);
    const facts = this.data.facts.filter(({ texts }) => texts[index]).map(({ name, texts }) => `${name}: ${texts[index]}`);
    if (this.width < NARROW) facts.length = 0; // there a tip would hide the chart
    return [...axes.map((axis) => `${axis.title}: ${measured(axis, index)}`), ...facts, seedsOf(this.data, index)];
  }

  choose(index) {
    if (index === null) return;
    this.chosen = index;
    this.focusable(index);
    this.mark();
    this.select(index);
  }

  mark() {
    for (const [index, mark] of this.marks) mark.setAttribute("aria-pressed", String(index === this.chosen));
  }

  toggle(group) {
    if (!this.hidden.delete(group)) this.hidden.add(group);
    this.draw();
  }

  use(which, axis) {
    this.axes[which] = axis;
    this.draw();
  }
}
