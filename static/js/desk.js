// The desk: its window of rows, holding the order while somebody reads, choosing rows by key, columns kept in the browser.
(() => {
  "use strict";
  const RD = window.RiskDesk, byId = (id) => document.getElementById(id), root = document.documentElement;
  let desk, table, held = false, asked = null, pointer = false, open = [], typed = null, request = null;

  // -- rows -----------------------------------------------------------------------------------------------------
  function take() {
    desk = byId("desk");
    table = new RD.Table(byId("rows"));
    byId("hold").setAttribute("aria-pressed", String(held));
    RD.showDensity();
    RD.ages(desk);
    rove();
    columns();
  }
  function show(frame) {
    table.patch(frame.rows);
    if (frame.order) { table.order(frame.order); rove(); }
    if (frame.total !== undefined) {
      desk.dataset.total = frame.total;
      byId("empty").hidden = frame.total > 0 || Boolean(byId("skeleton"));
    }
    if (frame.order && frame.order.length) first();
    if (frame.order && !frame.order.length && frame.total > 0) go({});  // the list has become shorter than this window's place
    if (frame.order) RD.ages(desk);
    if (frame.order || frame.total !== undefined) byId("shown").textContent = `${table.rows.size} of ${Number(desk.dataset.total || table.rows.size).toLocaleString("en")}`;
    if (frame.moved !== undefined) {
      byId("moved").hidden = !frame.moved;
      byId("moved").textContent = `${frame.moved} ${frame.moved === 1 ? "row" : "rows"} moved · press r`;
    }
    if (frame.t === "snap") { asked = null; byId("moved").hidden = true; hold(); }
  }
  function first() {  // the first accounts: headers and filters need them too
    if (!byId("skeleton")) return;
    byId("skeleton").remove();
    if (!request || request.readyState === 0 || request.readyState === 4) load(location.pathname + location.search);  // else the choice that is on its way brings them
  }
  RD.live.on("snap", show);
  RD.live.on("d", show);
  RD.live.on("kpi", () => { if (byId("kpi-accounts").lastElementChild.textContent !== "0") first(); });  // none of them in this list

  // -- the order is held while the pointer, the focus or a selection is among the rows ----------------------------
  function reading() {
    const rows = byId("rows"), chosen = getSelection();
    return pointer || rows.contains(document.activeElement) || (chosen && !chosen.isCollapsed && rows.contains(chosen.anchorNode));
  }
  function hold() {
    const want = held || reading();
    if (want === asked) return;
    asked = want;
    RD.live.send({ t: "hold", on: want });
  }
  RD.actions.hold = () => { held = !held; byId("hold").setAttribute("aria-pressed", String(held)); hold(); };
  RD.actions.rank = () => {
    RD.live.send({ t: "hold", on: false });
    asked = false;
    hold();
  };
  document.addEventListener("pointerover", (event) => {
    const inside = event.pointerType !== "touch" && Boolean(event.target.closest && event.target.closest("#rows"));
    if (inside !== pointer) { pointer = inside; hold(); }
  });
  document.documentElement.addEventListener("pointerleave", () => { pointer = false; hold(); });
  document.addEventListener("focusin", () => hold());
  document.addEventListener("focusout", () => setTimeout(hold, 0));
  document.addEventListener("selectionchange", () => hold());

  // -- choosing rows: one of them is in the tab order ------------------------------------------------------------
  const trs = () => [...byId("rows").rows];
  function rove() {
    const all = trs();
    if (all.length && !all.some((tr) => tr.tabIndex === 0)) all[0].tabIndex = 0;
  }
  function choose(tr) {
    for (const other of byId("rows").querySelectorAll('[aria-selected], [tabindex="0"]')) { other.removeAttribute("aria-selected"); other.tabIndex = -1; }
    tr.tabIndex = 0;
    tr.setAttribute("aria-selected", "true");
    tr.focus({ preventScroll: true });
    tr.scrollIntoView({ block: "nearest" });
  }
  function step(by) {
    const all = trs(), now = all.indexOf(document.activeElement.closest("tr")), from = now < 0 ? all.findIndex((tr) => tr.ariaSelected === "true") : now;
    const next = all[Math.min(Math.max(from + by, 0), all.length - 1)];
    if (next) choose(next);
  }
  const inRows = () => document.activeElement.closest("#rows tr");
  RD.actions.next = () => step(1);
  RD.actions.previous = () => step(-1);
  RD.actions.open = () => { const tr = inRows(); if (!tr) return false; tr.querySelector("a").click(); };
  RD.actions.acknowledge = () => {
    const tr = inRows(), button = tr && document.querySelector(`#alert-rail [data-alert-account="${CSS.escape(tr.dataset.account)}"] .ack`);
    if (!button) return false;
    button.click();
  };
  RD.actions.leave = () => {
    if (document.activeElement.id === "search" || inRows()) document.activeElement.blur();
    for (const tr of byId("rows").querySelectorAll("[aria-selected]")) tr.removeAttribute("aria-selected");
  };
  byId("main").addEventListener("click", (event) => { const tr = event.target.closest("#rows tr"); if (tr && !event.target.closest("a") && getSelection().isCollapsed) choose(tr); });
  byId("main").addEventListener("dblclick", (event) => { const tr = event.target.closest("#rows tr"); if (tr) tr.querySelector("a").click(); });

  // -- filters: through htmx, the address keeps them --------------------------------------------------------------
  // htmx's own events tell what failed (live.js shows it); its promise then has no reason and nothing to add.
  function load(url) { window.htmx.ajax("GET", url, { source: desk, target: "#desk", swap: "outerHTML show:none" }).catch(() => undefined); }
  document.addEventListener("htmx:beforeSend", (event) => { if (event.detail.target.id === "desk") request = event.detail.xhr; });
  function go(change) {
    const url = new URLSearchParams(desk.dataset.view);
    for (const [name, value] of Object.entries(change)) if (value) url.set(name, value); else url.delete(name);
    load(`/desk/?${url}`);  // #desk pushes the address
  }
  RD.actions.search = () => byId("search").focus();
  RD.actions.filter = () => { byId("filter-menu").open = true; byId("filter-sev").focus(); };
  ["", "watch", "warning", "critical", "breached"].forEach((sev, key) => {
    RD.actions[`sev${key}`] = () => go({ sev });
    RD.keys[String(key)] = `sev${key}`;
  });
  function turn(by) {
    const views = [...byId("view").options].map((option) => option.value), now = views.indexOf(byId("view").value);
    go({ v: views[(now + by + views.length) % views.length] });
  }
  RD.actions.nextView = () => turn(1);
  RD.actions.previousView = () => turn(-1);
  Object.assign(RD.keys, { j: "next", k: "previous", ArrowDown: "next", ArrowUp: "previous", Enter: "open", o: "open", a: "acknowledge", Escape: "leave", "/": "search", f: "filter", h: "hold", r: "rank", "]": "nextView", "[": "previousView" });
  document.addEventListener("htmx:configRequest", (event) => {
    const values = event.detail.parameters;
    for (const name of Object.keys(values)) if (values[name] === "") delete values[name];
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id !== "desk") return;
    const search = byId("search");
    typed = document.activeElement === search ? { value: search.value, at: search.selectionStart } : null;
    open = [...desk.querySelectorAll("details[open]")].map((menu) => menu.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    if (byId("desk") === desk || !byId("desk")) return;
    take();
    for (const id of open) if (byId(id)) byId(id).open = true;
    RD.live.again();
  });
  document.addEventListener("htmx:afterSettle", () => {  // only now htmx listens to the new field: what was typed meanwhile is asked for
    const search = byId("search"), had = typed;
    if (!had || !search) return;
    typed = null;
    search.focus();
    if (search.value !== had.value) { search.value = had.value; search.dispatchEvent(new Event("input", { bubbles: true })); }
    search.setSelectionRange(had.at, had.at);
  });
  for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(kind, (event) => {  // a choice that was not loaded goes back to what the list shows
      const form = event.target.closest && event.target.closest("#desk form:not(.search)");
      if (form) form.reset();
    });
  }

  // -- columns kept in this browser ------------------------------------------------------------------------------
  const WIDE = matchMedia("(min-width: 1600px)");  // as in desk.css: a narrow desk leaves Status out unless it is asked for
  WIDE.addEventListener("change", () => columns());
  function columns() {
    const shown = (RD.read("columns") || "").split(" ");
    root.dataset.show = shown.join(" ");
    root.dataset.hide = shown.includes("-status") ? "status" : "";
    for (const box of byId("column-menu").querySelectorAll("[data-show]")) {
      box.checked = shown.includes(box.dataset.show) || (box.dataset.show === "status" && !shown.includes("-status") && WIDE.matches);
    }
  }
  document.addEventListener("change", (event) => {
    if (!event.target.matches("#column-menu [data-show]")) return;
    const key = event.target.dataset.show, others = (RD.read("columns") || "").split(" ").filter((name) => name && name !== key && name !== `-${key}`);
    RD.keep("columns", [...others, event.target.checked ? key : `-${key}`].join(" "));
    columns();
  });
  RD.actions["end-tour"] = () => { byId("tour").remove(); history.replaceState(history.state, "", location.pathname); };
  document.addEventListener("mouseover", (event) => {
    const cell = event.target.closest && event.target.closest("#rows td, #rows th");
    if (cell && cell.scrollWidth > cell.clientWidth) cell.title = cell.textContent;
  });

  take();
  RD.live.subscribe(() => ({ view: desk.dataset.view, offset: Number(desk.dataset.offset), limit: Number(desk.dataset.limit), hold: false }));
})();
