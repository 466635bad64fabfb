"use strict";
// Sorting and filtering of the tables. Without this script they are complete, in the order of the comparison.

const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function sortRows(table, column, direction) {
  const numeric = table.tHead.rows[0].cells[column].classList.contains("number");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => ({ row, key: row.cells[column].dataset.sort }));
  rows.sort((one, other) => {
    if (one.key === undefined || other.key === undefined) {
      return (one.key === undefined) - (other.key === undefined); // what is not known stays last
    }
    const difference = numeric ? Number(one.key) - Number(other.key) : order.compare(one.key, other.key);
    return direction === "ascending" ? difference : -difference;
  });
  body.append(...rows.map((entry) => entry.row));
}

function makeSortable(table) {
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const direction = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction);
      sortRows(table, column, direction);
    });
  });
}

function makeFilterable(part, table) {
  const rows = Array.from(table.tBodies[0].rows);
  if (rows.length < 5) { // all of them are seen at once
    return;
  }
  const tools = document.createElement("p");
  const label = document.createElement("label");
  const input = document.createElement("input");
  const output = document.createElement("output");
  tools.className = "tools";
  label.textContent = "Filter rows";
  label.htmlFor = input.id = `${table.id}-filter`;
  input.type = "search";
  input.autocomplete = "off";
  input.spellcheck = false;
  output.setAttribute("aria-live", "polite");
  tools.append(label, input, output);
  part.querySelector(".scroll").before(tools);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row) => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    });
    output.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  });
}

document.querySelectorAll("[data-table]").forEach((part) => {
  const table = part.querySelector("table");
  makeSortable(table);
  makeFilterable(part, table);
});
