// Tables that sort by a click on a column's head: rising, falling, then as they came.

const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

// What a cell is sorted by: a number where it begins with one, else its text; null where there is nothing.
function sortValue(text) {
  if (text === "" || text === "\u2013") return null;
  const number = Number.parseFloat(text.replace("\u2212", "-").replace(/^[<>\u2264\u2265]\s*/, ""));
  return Number.isNaN(number) ? text : number;
}

function compare(one, other, direction) {
  if (one === null || other === null) return (one === null) - (other === null); // nothing stays last
  const kinds = (typeof one === "string") - (typeof other === "string");
  const order = kinds || (typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : one - other);
  return direction === "descending" ? -order : order;
}

function sortable(table) {
  const body = table.tBodies[0];
  const came = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const direction = NEXT[head.getAttribute("aria-sort")];
      heads.forEach((other) => other.setAttribute("aria-sort", other === head ? direction : "none"));
      const keyed = came.map((row) => [sortValue(row.cells[column].textContent.trim()), row]);
      if (direction !== "none") keyed.sort(([one], [other]) => compare(one, other, direction));
      body.append(...keyed.map(([, row]) => row));
    });
  });
}
