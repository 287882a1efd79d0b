// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The hands and eyes of the unattended mode. It knows of the page what a user can see and click,
// and nothing of the modules behind.

globalThis.unattended = {
  glance() {
    const text = id => document.getElementById(id).textContent;
    const { state, ready } = document.documentElement.dataset;

    return JSON.stringify({
      ready: ready !== undefined,
      state,
      headline: text("headline"),
      files: text("files"),
      bytes: text("bytes"),
      rate: text("rate"),
      time: text("time"),
      problem: text("start-error"),
      details: text("details"),
    });
  },

  click(id) {
    document.getElementById(id).click();
  },

  /* What the table shows from a row on, scrolling down until there are enough of them. */
  read(from, wanted) {
    const table = document.getElementById("table");
    const scroller = document.getElementById("scroller");
    const total = Number(table.getAttribute("aria-rowcount"));
    const rows = [];
    let next = from;

    while (next < total && rows.length < wanted) {
      const before = next;
      const rowHeight = scroller.scrollHeight / total;

      scroller.scrollTop = next * rowHeight;
      scroller.dispatchEvent(new Event("scroll"));

      const shown = [...scroller.querySelectorAll(".row")]
        .map(row => ({ row, index: Number(row.getAttribute("aria-rowindex")) - 1 }))
        .sort((a, b) => a.index - b.index);

      for (const { row, index } of shown)
        if (index === next) {
          rows.push({
            path: row.dataset.path,
            failed: row.classList.contains("failed"),
            name: row.children[0].textContent,
            text: row.children[2].textContent,
          });
          next++;
        }

      if (next === before)
        throw new Error(`Row ${next + 1} of ${total} is not shown`);
    }

    return JSON.stringify({ rows, total, next });
  },

  rewind() {
    document.getElementById("scroller").scrollTop = 0;
  },
};

/* What the evaluation of this file answers. */
true;
