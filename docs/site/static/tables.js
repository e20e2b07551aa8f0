/* Copyright (c) 2026 The qingguo.qgnet authors
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

// On a narrow page, the cells of a wide table are below each other, each with the head of its column: see site.css.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("article table.docutils")) {
    const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.cells].forEach((cell, place) => cell.setAttribute("data-head", heads[place] ?? ""));
    }
  }
});
