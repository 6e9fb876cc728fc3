// The rows of a live table: made from #row-template, patched, put in order; nothing is touched that did not change.
(() => {
  "use strict";
  const RD = window.RiskDesk;
  RD.Table = class {
    constructor(tbody) {
      this.tbody = tbody;
      this.template = document.getElementById("row-template").content.querySelector("tr");
      this.rows = new Map();
      for (const tr of tbody.rows) this.adopt(tr);
    }
    adopt(tr) {
      const row = { tr, nodes: RD.index(tr), sev: Number(tr.dataset.sev) };
      this.rows.set(tr.dataset.account, row);
      return row;
    }
    make(id) {
      const tr = this.template.cloneNode(true);
      tr.dataset.account = id;
      tr.querySelector("a").href = `/accounts/${encodeURIComponent(id)}/`;
      return this.adopt(tr);
    }
    patch(rows) {
      for (const [id, cells] of rows) {
        const known = this.rows.get(id), row = known || this.make(id);
        RD.patch(row.tr, cells, row.nodes);
        if ("sev" in cells) {
          if (known && cells.sev > row.sev) this.flash(row.tr);
          row.sev = cells.sev;
        }
      }
    }
    flash(tr) {
      tr.classList.add("flash");
      setTimeout(() => tr.classList.remove("flash"), 400);
    }
    order(ids) {
      const wanted = new Set(ids);
      for (const [id, row] of this.rows) if (!wanted.has(id)) { row.tr.remove(); this.rows.delete(id); }
      let next = this.tbody.firstElementChild;
      for (const id of ids) {
        const row = this.rows.get(id);
        if (!row) continue;
        if (row.tr === next) next = next.nextElementSibling;
        else this.tbody.insertBefore(row.tr, next);
      }
    }
  };
})();
