// The account page, a trader's own page and the feeds: cells of cards, the countdown, the timeline that follows events.
(() => {
  "use strict";
  const RD = window.RiskDesk, byId = (id) => document.getElementById(id), body = byId("body");
  const SOON = 350, AGAIN = 2500;  // the record of an enforcement reaches PostgreSQL a moment after the screen
  RD.live.subscribe(() => ({ view: document.body.dataset.view || "" }));

  // -- cells ----------------------------------------------------------------------------------------------------
  function rule(root, name, value) {
    const found = /^(r\d+)_(w|s)$/.exec(name), card = found && root.querySelector(`[data-rule="${found[1]}"]`), gauge = card && card.querySelector(".gauge");
    if (!card) return;
    if (found[2] === "s") card.dataset.sev = value;
    if (!gauge) return;
    if (found[2] === "w") gauge.querySelector("rect").setAttribute("width", `${value}%`);
    else gauge.dataset.s = value;
  }
  function show(frame) {
    for (const [id, cells] of frame.rows) {
      for (const root of document.querySelectorAll(`[data-account="${CSS.escape(id)}"]`)) RD.patch(root, cells);
      if (!body || body.dataset.body !== id) continue;
      const { sev, ...rest } = cells;
      RD.patch(body, rest);
      for (const [name, value] of Object.entries(rest)) rule(body, name, value);
      if ("until" in cells) body.dataset.until = cells.until;
      if ("state_key" in cells) body.dataset.state = cells.state_key;
    }
    RD.ages();
    count();
  }
  if (body) { RD.live.on("snap", show); RD.live.on("d", show); }
  for (const cell of document.querySelectorAll('[data-cell="day_pl"], [data-cell="open_pl"]')) RD.sign(cell, cell.textContent);

  // -- the countdown to the reset ---------------------------------------------------------------------------------
  function count() {
    const until = body ? Number(body.dataset.until) : 0, two = (n) => String(n).padStart(2, "0");
    const left = Math.max(0, Math.floor((until - RD.now()) / 1000));
    const text = until ? `${two(Math.floor(left / 3600))}:${two(Math.floor(left / 60) % 60)}:${two(left % 60)}` : "—";
    for (const node of document.querySelectorAll("[data-countdown]")) if (node.textContent !== text) node.textContent = text;
  }
  if (body) { count(); setInterval(count, 1000); }

  // -- the timeline: asked for again when something of note happened ------------------------------------------------
  let mark = byId("news") && byId("news").dataset.mark, timers = [];
  async function reload() {
    const box = byId("timeline");
    if (!box || document.hidden) return;
    if (RD.asking("timeline") || RD.held(box) || (box.contains(document.activeElement) && document.activeElement.matches("select"))) { timers.push(setTimeout(reload, AGAIN)); return; }
    const open = [...box.querySelectorAll("details[open]")].map((details) => details.id);
    await window.htmx.ajax("GET", location.pathname + box.dataset.query, { target: "#timeline", swap: "outerHTML" });
    for (const id of open) if (byId(id)) byId(id).open = true;
  }
  function later() {
    for (const timer of timers) clearTimeout(timer);
    timers = [setTimeout(reload, SOON), setTimeout(reload, AGAIN)];
  }

  // -- the rules: cards and rulebook are asked for again when others judge ------------------------------------------
  let asking = 0;
  const told = () => byId("rules-mark").dataset.mark, shown = () => byId("objectives").dataset.mark;
  let settled = body && byId("objectives") ? shown() : "";  // what the page was last said to rest on
  async function rules() {
    clearTimeout(asking);
    if (!told()) return;
    if (told() !== shown()) {
      if (document.hidden || ["objectives", "rulebook"].some((id) => RD.held(byId(id)))) { asking = setTimeout(rules, AGAIN); return; }
      const url = new URL(location.href);
      url.searchParams.set("part", "rules");
      url.searchParams.set("account", body.dataset.body);  // a trader's page may have been opened without
      await window.htmx.ajax("GET", url.pathname + url.search, { target: "#objectives", swap: "outerHTML show:none" }).catch(() => undefined);
      if (shown() !== told()) { asking = setTimeout(rules, SOON); return; }
      RD.live.again();  // figures that came meanwhile went into the old cards
      count();
      if (byId("reset-preview")) window.htmx.trigger("#reset-preview", "renew");
    }
    if (settled === shown()) return;
    const known = settled;
    settled = shown();
    if (!known) return;  // the first word of the monitor
    const text = `The rules of this account changed at ${RD.utc(RD.now())} UTC. It is judged by ${byId("objectives").dataset.version} now.`;
    byId("rules-changed").textContent = byId("say").textContent = text;
    byId("rules-changed").hidden = false;
  }
  if (body) {
    RD.live.on("html", (frame) => {
      if (frame.id === "rules-mark") rules();
      if (frame.id !== "news" || byId("news").dataset.mark === mark) return;
      mark = byId("news").dataset.mark;
      later();
    });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) { later(); rules(); } });
  } else {
    RD.live.on("html", () => RD.ages());
  }
})();
