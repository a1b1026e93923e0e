// One window of the test split: its motion, the frames that a configuration keeps of it, and its poses.
// Legend: F frames, J joints; poses are millimetres, root-relative, in camera space (x right, y down, z away).

const FRAMES_A_SECOND = 25; // where a record does not say
const TURN = 40; // degrees a second
const TILT = Math.PI / 15; // the view looks down a little, so that depth shows
const MOTION = 56;
const ROW = 20;
const SIDES = ["middle", "left", "right"]; // of a body
const [LEFT, RIGHT] = [52, 30];

function bytes(text) {
  return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
}

// The frames whose bit is set, lowest bit first.
function keptFrames(text) {
  const kept = [];
  bytes(text).forEach((byte, i) => {
    for (let bit = 0; bit < 8; bit += 1) if (byte & (1 << bit)) kept.push(8 * i + bit);
  });
  return kept;
}

// A function from a frame to its joints [[x, y, z], ...]; between kept frames of a coarser clock it goes straight.
function poses(text, joints, every = 1) {
  const values = new Int16Array(bytes(text).buffer);
  const last = values.length / (3 * joints) - 1;
  const at = (frame, joint, axis) => values[3 * (frame * joints + joint) + axis];
  return (frame) => {
    const place = Math.min(frame / every, last);
    const [before, share] = [Math.floor(place), place % 1];
    const after = Math.min(before + 1, last);
    return d3.range(joints).map((joint) =>
      [0, 1, 2].map((axis) => at(before, joint, axis) * (1 - share) + at(after, joint, axis) * share),
    );
  };
}

function meanDistance(one, other) {
  return d3.mean(one, (joint, j) => Math.hypot(...joint.map((value, axis) => value - other[j][axis])));
}

// The motion of the window above rows of ticks, one a stage, with a line at the frame that is looked at.
function stripChart(motion, stages, wide) {
  const height = MOTION + ROW * stages.length + 22;
  const x = d3.scaleLinear([0, motion.length - 1], [LEFT, wide - RIGHT]);
  const y = d3.scaleLinear([0, d3.max(motion)], [MOTION, 6]);
  const area = d3.area((_, frame) => x(frame), MOTION, (value) => y(value));
  const counts = stages.map(({ name, kept }) => `; ${name} keeps ${kept.length} of ${motion.length} frames`);
  const label = `Motion in each frame${counts.join("")}`;
  const box = svg("svg", { viewBox: `0 0 ${wide} ${height}`, role: "img", "aria-label": label, class: "strip" });
  box.append(svg("path", { d: area(motion), class: "motion" }));
  const axis = d3.axisLeft(y).ticks(2).tickSizeOuter(0);
  d3.select(box).append("g").attr("class", "axis").attr("transform", `translate(${LEFT},0)`).call(axis);
  stages.forEach(({ name, kept }, i) => {
    const top = MOTION + ROW * i + 5;
    const ticks = kept.map((frame) => `M${x(frame).toFixed(1)} ${top}v${ROW - 6}`).join("");
    box.append(svg("path", { d: ticks, class: `ticks stage-${i}` }));
    box.append(svg("text", { x: wide - RIGHT + 6, y: top + 12, class: "count" }, `${kept.length}`));
    box.append(svg("text", { x: LEFT - 8, y: top + 12, class: "stage" }, name));
  });
  const frames = d3.axisBottom(x).ticks(Math.min(8, motion.length)).tickSizeOuter(0);
  const below = d3.select(box).append("g").attr("class", "axis");
  below.attr("transform", `translate(0,${height - 20})`).call(frames);
  const cursor = svg("path", { class: "cursor" });
  box.append(cursor);
  return { box, show: (frame) => cursor.setAttribute("d", `M${x(frame)} 2V${height - 20}`) };
}

// A skeleton: a path for each side of the body, since these have colours of their own.
function figure(look) {
  const paths = SIDES.map((side) => svg("path", { class: side }));
  return svg("g", { class: `bones ${look}` }, ...paths);
}

// Skeletons on one ground; ``show`` draws those of a frame, turned by so many degrees. A bone is [joint, joint, side].
function skeletonChart(layers, bones, [aside, up]) {
  const height = 300;
  const width = (height * aside) / up;
  const box = svg("svg", { viewBox: `0 0 ${width.toFixed(0)} ${height}`, role: "img", class: "skeletons" });
  box.setAttribute("aria-label", `Skeletons of one frame: ${layers.map((layer) => layer.name).join(", ")}`);
  const figures = layers.map((layer) => box.appendChild(figure(layer.look)));
  const bonesOf = Object.fromEntries(SIDES.map((side) => [side, bones.filter((bone) => bone[2] === side)]));
  const scale = height / 2 / up;
  const show = (frame, degrees) => {
    const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
    const place = ([x, y, z]) => {
      const depth = z * cos - x * sin;
      const down = y * Math.cos(TILT) - depth * Math.sin(TILT);
      return `${(width / 2 + scale * (x * cos + z * sin)).toFixed(1)} ${(height / 2 + scale * down).toFixed(1)}`;
    };
    layers.forEach((layer, i) => {
      const placed = layer.at(frame).map(place);
      for (const path of figures[i].children) {
        const lines = bonesOf[path.getAttribute("class")].map(([a, b]) => `M${placed[a]}L${placed[b]}`);
        path.setAttribute("d", lines.join(""));
      }
    });
  };
  return { box, show };
}

function slider(name, label, most, value) {
  const input = html("input", { type: "range", min: 0, max: most, step: 1, value, "aria-label": label });
  return { row: html("label", { class: "slider" }, html("span", {}, name), input), input };
}

// Runs ``step(seconds)`` while its button is down.
function runner(text, step) {
  const button = html("button", { type: "button", "aria-pressed": "false" }, text);
  let before = null;
  const beat = (now) => {
    if (before === null || !button.isConnected) return;
    step(Math.max(0, now - before) / 1000); // a picture's time may lie before the click's
    before = now;
    requestAnimationFrame(beat);
  };
  button.addEventListener("click", () => {
    const starts = before === null;
    before = starts ? performance.now() : null;
    button.setAttribute("aria-pressed", String(starts));
    if (starts) requestAnimationFrame(beat);
  });
  return button;
}

// The layers of a configuration's skeletons, the palest first.
function layersOf(window, pose, joints) {
  const layers = (pose.hypotheses ?? []).map((text, i) => {
    return { name: `hypothesis ${i + 1}`, look: "hypothesis", at: poses(text, joints, pose.every) };
  });
  layers.push({ name: "truth", look: "truth", at: poses(window.truth, joints) });
  layers.push({ name: "pose", look: "pose", at: poses(pose.mean, joints) });
  return layers;
}

function legend(hypotheses) {
  const of = [
    ["truth", "middle", "ground truth"],
    ["pose", "left", "this configuration, left side"],
    ["pose", "right", "its right side"],
  ];
  if (hypotheses) of.push(["hypothesis", "middle", `its hypotheses (${hypotheses})`]);
  const entries = of.map(([look, side, text]) => {
    const line = svg("g", { class: `bones ${look}` }, svg("path", { d: "M1 5H23", class: side }));
    return html("li", {}, svg("svg", { viewBox: "0 0 24 10", "aria-hidden": "true" }, line), text);
  });
  return html("ul", { class: "legend" }, ...entries);
}

function keptOf(own, stages, frames) {
  if (stages.length) return "ticks are the frames that each stage keeps.";
  return own.count < frames ? `${own.count} of ${frames} frames are kept, chosen anew in each pass.` : "all frames are kept.";
}

// What a configuration does to its window, as elements to stand in the page.
function sampleOf(sample, index, wide) {
  const own = sample.kept[index];
  if (!own) return [html("p", { class: "hint" }, "The record of this configuration holds no window to show.")];
  const window = sample.windows[own.window];
  const stages = own.stages.map(([name, mask]) => ({ name, kept: keptFrames(mask) }));
  const strip = stripChart(window.motion, stages, Math.min(640, wide));
  const about = `The curve is the mean motion of a joint (mm a frame); ${keptOf(own, stages, window.motion.length)}`;
  const shown = [html("figure", {}, strip.box, html("figcaption", {}, about))];
  const pose = sample.poses[index];
  if (!pose || !window.truth) {
    const text = Object.keys(sample.poses).length
      ? "The page carries the skeletons of the baseline, the front and a few more; the records hold them all."
      : "These records were made before skeletons were kept: frames alone are shown.";
    return [html("div", {}, ...shown, html("p", { class: "hint" }, text))];
  }
  const [controls, skeletons] = moving(sample, window, pose, stages, strip);
  return [html("div", {}, ...shown, controls), skeletons];
}

// How far joints reach to the sides and up or down of the hip, whichever way one looks, with some room.
function reachOf(layers, last) {
  const joints = layers.flatMap((layer) => d3.range(0, last + 1, 4).flatMap(layer.at));
  const aside = d3.max(joints, ([x, , z]) => Math.hypot(x, z));
  return [1.15 * aside, 1.1 * d3.max(joints, ([, y]) => Math.abs(y)) + Math.sin(TILT) * aside];
}

// Play, turn, the sliders and what they say; and the skeletons that follow them.
function moving(sample, window, pose, stages, strip) {
  const layers = layersOf(window, pose, sample.joints);
  const [truth, own] = layers.slice(-2);
  const last = window.motion.length - 1;
  const fps = window.fps ?? FRAMES_A_SECOND;
  const chart = skeletonChart(layers, sample.bones, reachOf([truth, own], last));
  const time = slider("frame", "Frame", last, 0);
  const turn = slider("view", "View, degrees around the person", 360, 30);
  const facts = html("p", { class: "facts" });
  const state = { frame: 0, degrees: 30 };
  const change = (to) => {
    const { frame, degrees } = Object.assign(state, to);
    const now = Math.floor(frame);
    const by = stages.filter((stage) => stage.kept.includes(now)).map((stage) => stage.name);
    const kept = !stages.length ? "" : by.length ? `, kept by ${by.join(" and ")}` : ", recovered";
    facts.textContent = `Frame ${now + 1} of ${last + 1}${kept}: ${meanDistance(own.at(now), truth.at(now)).toFixed(0)} mm from the truth, the mean over joints.`;
    strip.show(now);
    chart.show(now, degrees);
    [time.input.value, turn.input.value] = [now, degrees];
  };
  time.input.addEventListener("input", () => change({ frame: Number(time.input.value) }));
  turn.input.addEventListener("input", () => change({ degrees: Number(turn.input.value) }));
  const play = runner("Play", (seconds) => change({ frame: (state.frame + seconds * fps) % (last + 1) }));
  const rotate = runner("Turn", (seconds) => change({ degrees: (state.degrees + seconds * TURN) % 360 }));
  change({});
  const controls = html("div", { class: "controls" }, play, rotate, time.row, turn.row);
  return [html("div", {}, controls, facts), html("figure", {}, chart.box, legend((pose.hypotheses ?? []).length))];
}
