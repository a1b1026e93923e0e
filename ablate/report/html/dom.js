// What every part of the page is put together from. Texts only ever become text: nothing here reads HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function html(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

// Four significant figures or all before the point, with a minus sign; a dash for what was not measured.
function said(value) {
  if (value === null || value === undefined) return "\u2013";
  if (typeof value === "string") return value;
  return String(Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4))).replace("-", "\u2212");
}
