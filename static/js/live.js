// The live socket of a page (protocol 1): reconnects, acknowledges what is on the screen, swaps fragments.
//
// A page sets <body data-socket="/ws/…/"> and, in its own deferred script:
//   RiskDesk.live.subscribe(() => ({view, offset, limit}))   what to ask for at each (re)connect
//   RiskDesk.live.on("snap" | "d" | "points" | "alert" | "kpi" | "hb", (frame) => …)
// Without a handler, `snap` and `d` patch every element with that data-account through RiskDesk.patch(element, cells):
// text into its [data-cell], gauge widths and severities, data-sev, data-stale. RiskDesk.now() is the server's clock.
// Fragments {"t":"html","id","html"} replace #id through htmx. #alert-count[data-unacknowledged] feeds the title.
(() => {
  "use strict";
  const RD = window.RiskDesk, body = document.body, path = body.dataset.socket;
  const handlers = new Map(), FIRST = 250, CAP = 4000, SILENT = 5000, PING = 15000;
  let socket = null, tries = 0, timer = 0, offset = 0, heardAt = 0, lostAt = performance.now(), stopped = false;
  let ask = () => ({}), queue = [], painting = false, frames = 0, health = null, shoutedAt = 0;
  const title = document.title, byId = (id) => document.getElementById(id);

  // -- patching -------------------------------------------------------------------------------------------------
  const GAUGES = { dl: ["daily_used", 0], dls: ["daily_used", 1], ml: ["max_used", 0], mls: ["max_used", 1] };
  const holder = (cell) => cell.querySelector("a, b") || cell;
  function setText(node, text) {
    const first = node.firstChild;
    if (first && first.nodeType === 3 && !first.nextSibling) { if (first.data !== text) first.data = text; } else node.textContent = text;
  }
  RD.index = (root) => {
    const nodes = {};
    for (const cell of root.querySelectorAll("[data-cell]")) {
      const name = cell.dataset.cell, gauge = cell.querySelector(".gauge");
      (nodes[name] ||= []).push({ cell, text: holder(cell), gauge, bar: gauge && gauge.querySelector("rect") });
    }
    return nodes;
  };
  RD.patch = (root, cells, nodes = RD.index(root)) => {
    for (const [name, value] of Object.entries(cells)) {
      if (name === "sev") root.dataset.sev = value;
      else if (name === "st") root.toggleAttribute("data-stale", Boolean(value));
      else if (name === "u") for (const node of nodes.age || []) node.cell.dataset.u = value;
      else if (GAUGES[name]) {
        for (const node of nodes[GAUGES[name][0]] || []) {
          if (!node.gauge) continue;
          if (GAUGES[name][1]) node.gauge.dataset.s = value; else node.bar.setAttribute("width", `${value}%`);
        }
      } else for (const node of nodes[name] || []) {
        setText(node.text, value);
        if (name === "day_pl" || name === "open_pl") RD.sign(node.cell, value);
      }
    }
  };
  RD.sign = (cell, text) => {
    cell.classList.toggle("neg", text[0] === "\u2212");
    cell.classList.toggle("pos", text[0] === "+");
  };
  RD.now = () => Date.now() + offset;
  RD.age = (ms) => {  // the words of monitoring/replica/cells.py, age()
    const tenths = Math.floor(Math.max(ms, 0) / 100);
    if (tenths < 600) return `${Math.floor(tenths / 10)}.${tenths % 10} s`;
    const seconds = Math.floor(tenths / 10), minutes = Math.floor(seconds / 60), two = (n) => String(n).padStart(2, "0");
    return minutes < 60 ? `${minutes} m ${two(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
  };
  RD.ages = (root = document) => {
    const now = RD.now();
    for (const cell of root.querySelectorAll('[data-cell="age"][data-u]')) {
      const from = Number(cell.dataset.u);
      setText(cell, from ? RD.age(now - from) : "—");
      cell.classList.toggle("old", from > 0 && now - from > 3000);
      cell.classList.toggle("late", from > 0 && now - from > 10000);
    }
  };
  function patchAll(frame) {
    for (const [id, cells] of frame.rows) {
      for (const root of document.querySelectorAll(`[data-account="${CSS.escape(id)}"]`)) RD.patch(root, cells);
    }
    RD.ages();
  }

  // -- fragments ------------------------------------------------------------------------------------------------
  const waiting = new Map();
  RD.held = (target) => {  // pressed, or somebody marks text in it to copy it
    const marked = getSelection();
    return target.matches(":active") || target.querySelector(":active") || (marked && !marked.isCollapsed && target.contains(marked.anchorNode));
  };
  function swap(id, html) {
    const target = byId(id);
    waiting.delete(id);
    if (!target) return;
    if (RD.held(target) || target.querySelector("details[open]")) { waiting.set(id, html); return; }
    window.htmx.swap(target, html, { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 });
    if (id === "alert-count") count();
  }
  const swapWaiting = () => { const all = [...waiting]; waiting.clear(); for (const [id, html] of all) swap(id, html); };
  document.addEventListener("pointerup", () => setTimeout(swapWaiting, 0));
  document.addEventListener("selectionchange", () => { if (waiting.size && getSelection().isCollapsed) setTimeout(swapWaiting, 0); });
  const asked = new Map();  // the newest request for each target: what is renewed by itself waits for a choice that is on its way
  document.addEventListener("htmx:beforeRequest", ({ detail }) => asked.set(detail.target.id, detail.xhr));
  RD.asking = (id) => { const xhr = asked.get(id); return Boolean(xhr) && xhr.readyState > 0 && xhr.readyState < 4; };
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {  // what asks again and again need not be shown now
    if ((detail.requestConfig.elt.getAttribute("hx-trigger") || "").includes("every") && RD.held(detail.target)) detail.shouldSwap = false;
  });
  for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(kind, (event) => {
      const status = event.detail.xhr && event.detail.xhr.status, failed = byId("request-failed");
      failed.textContent = `${status ? `The server answered with error ${status}` : "The server did not answer"}: what you asked for may not have been done. Look, and try again.`;
      failed.hidden = false;
    });
  }
  document.addEventListener("htmx:afterOnLoad", () => { byId("request-failed").hidden = true; });
  function count() {
    const badge = byId("alert-count"), n = Number((badge && badge.dataset.unacknowledged) || 0);
    document.title = n ? `(${n}) ${title}` : title;
  }
  function say(frame) {
    const worst = frame.events.reduce((a, b) => (b.severity > a.severity ? b : a), frame.events[0]);
    if (!worst) return;
    const text = `${worst.word} ${worst.login}: ${worst.reason}`;
    if (worst.severity >= 4) byId("shout").textContent = text;
    else if (performance.now() - shoutedAt > 5000) { shoutedAt = performance.now(); byId("say").textContent = text; }
  }

  // -- the state of the line ------------------------------------------------------------------------------------
  const two = (zone) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const utc = two("UTC"), firm = two(body.dataset.zone || "UTC"), city = (body.dataset.zone || "UTC").split("/").pop().replace("_", " ");
  RD.utc = (ms) => utc.format(ms);
  function line() {
    const clock = byId("clock"), pill = byId("pill"), now = RD.now();
    if (clock) clock.textContent = `${utc.format(now)} UTC · ${firm.format(now)} ${city}`;
    if (!path || !pill) return;
    const open = socket && socket.readyState === 1 && health, away = Math.round((performance.now() - lostAt) / 1000);
    let text, state;
    if (!open) { state = "reconnecting"; text = stopped ? "Ended" : tries || away > 1 ? `Reconnecting (${away} s)` : "Connecting"; }
    else if (health.live !== "connected") { state = "stale"; text = health.since ? `Stale since ${utc.format(health.since)}` : "No data yet"; }
    else { state = "connected"; text = `Live · ${frames}/s · ${RD.age(now - health.ts)}`; }
    frames = 0;
    if (body.dataset.live !== state) body.dataset.live = state;
    setText(pill.querySelector("span"), text);
    pill.title = (health && health.why) || "";
    const banner = byId("socket-banner");
    if (banner) {
      const old = state === "stale" && health.why && !byId("banners");  // the desk has the server's own bars
      banner.hidden = !old && (state !== "reconnecting" || away < 5);
      if (old) setText(banner, `${health.why}${health.since ? ` since ${utc.format(health.since)} UTC` : ""}. The figures below are the last known ones.`);
      else if (!banner.hidden) setText(banner, `The connection to RiskDesk is lost since ${utc.format(now - away * 1000)} UTC. The figures below are the last known ones.`);
    }
  }

  // -- the socket -----------------------------------------------------------------------------------------------
  const send = (message) => { if (socket && socket.readyState === 1) socket.send(JSON.stringify(message)); };
  function paint() {
    painting = false;
    const all = queue;
    queue = [];
    for (const frame of all) (handlers.get(frame.t) || patchAll)(frame);
    if (all.length) send({ t: "ack", seq: all[all.length - 1].seq });
  }
  function take(frame) {
    heardAt = performance.now();
    if (frame.t === "snap" || frame.t === "d") {
      frames += 1;
      if (health && frame.ts) health.ts = frame.ts;
      queue.push(frame);
      if (!painting) { painting = true; requestAnimationFrame(paint); }
      return;
    }
    if (frame.t === "html" || frame.t === "kpi") swap(frame.id, frame.html);
    else if (frame.t === "alert") say(frame);
    else if (frame.t === "hb") { offset = frame.now - Date.now(); const first = !health || health.live !== frame.live; health = frame; if (first) line(); }
    else if (frame.t === "error") console.warn("RiskDesk refused a message:", frame.message);
    const handler = handlers.get(frame.t);
    if (handler) handler(frame);
  }
  function open() {
    clearTimeout(timer);
    if (stopped || (socket && socket.readyState < 2)) return;
    const mine = socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
    mine.onopen = () => {
      heardAt = performance.now();
      queue = [];
      if (document.hidden) send({ t: "vis", hidden: true });
      send({ t: "sub", ...ask() });
    };
    mine.onmessage = (event) => { if (mine === socket) { tries = 0; take(JSON.parse(event.data)); } };
    mine.onclose = (event) => { if (mine === socket) lost(event.code); };
  }
  function lost(code) {
    if (health || !tries) lostAt = performance.now();
    socket = health = null;
    if (code === 4401) { stopped = true; location.assign(`/login/?next=${encodeURIComponent(location.pathname + location.search)}`); }
    else if (code === 4403) { stopped = true; location.reload(); }
    else if (code === 4400) stopped = true;
    line();
    if (stopped) return;
    const wait = Math.min(FIRST * 2 ** tries, CAP) * (0.5 + Math.random() / 2);
    tries += 1;
    timer = setTimeout(open, wait);
  }
  const atOnce = () => { if (path && !stopped && (!socket || socket.readyState > 1)) { tries = 0; open(); } };
  addEventListener("online", atOnce);
  document.addEventListener("visibilitychange", () => { send({ t: "vis", hidden: document.hidden }); if (!document.hidden) atOnce(); });

  RD.live = {
    on: (type, handler) => handlers.set(type, handler),
    subscribe: (what) => { ask = what; send({ t: "sub", ...ask() }); },
    again: () => send({ t: "sub", ...ask() }),
    send,
  };
  if (!path) delete body.dataset.live;
  const pill = byId("pill");
  if (pill) pill.hidden = !path;
  count();
  RD.ages();
  line();
  setInterval(() => {
    RD.ages();
    line();
    if (socket && socket.readyState === 1 && performance.now() - heardAt > SILENT && !document.hidden) { const silent = socket; lost(4000); lostAt = heardAt; silent.close(4000); }
  }, 1000);
  if (path) {
    setInterval(() => send({ t: "ping" }), PING);
    document.addEventListener("DOMContentLoaded", open);  // after the page's own deferred scripts
  }
})();
