// The equity chart: Plotly is loaded after the first paint, the figure comes from the server, the colours from the theme,
// the newest points from the socket. While the page is hidden there is no chart.
(() => {
  "use strict";
  const RD = window.RiskDesk, box = document.getElementById("chart");
  if (!box) return;
  const state = document.getElementById("chart-state"), summary = document.getElementById("chart-summary");
  const LINES = ["equity", "balance", "daily_floor", "max_floor"], HOUR_AGAIN = 60000;
  let range = RD.read("range") || "1h", drawn = null, asked = 0;
  if (!["1h", "1d", "all"].includes(range)) range = "1h";

  const { load, dress } = window.RiskDesk.plots;

  // -- drawing ------------------------------------------------------------------------------------------------------
  function say(text, retry) {
    state.textContent = text;
    state.hidden = !text;
    if (!retry) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn";
    button.textContent = "Try again";
    button.addEventListener("click", () => draw());
    state.append(" ", button);
  }
  async function draw() {
    const mine = ++asked;
    try {
      const answer = await fetch(`${box.dataset.chart}?range=${range}`, { headers: { Accept: "application/json" } });
      const found = await answer.json();
      if (!answer.ok) throw new Error(found.error || `error ${answer.status}`);
      const Plotly = await load(box);
      if (mine !== asked || document.hidden) return;
      summary.textContent = found.points ? found.summary : "";
      if (!found.points) { clear(); say(found.summary); drawn = { waiting: true }; return; }
      say("");
      const figure = dress(box, found.figure), x = figure.data[0].x;
      drawn = { step: found.step_ms, limit: found.limit, last: x[x.length - 1], low: Math.min(...figure.data[0].y), at: Date.now() };
      box.dataset.points = String(x.length);  // gives the box its height
      await Plotly.react(box, figure.data, figure.layout, figure.config);
    } catch (error) {
      if (mine === asked) say(`The chart cannot be shown: ${error.message}.`, true);
    }
  }
  function clear() {
    if (drawn && !drawn.waiting && window.Plotly) window.Plotly.purge(box);
    drawn = null;
    box.replaceChildren();
    delete box.dataset.points;
  }

  // -- the newest points ----------------------------------------------------------------------------------------------
  RD.live.on("points", (frame) => {
    const x = frame.x[0];
    if (frame.account !== box.dataset.chartAccount || !drawn || x === null) return;
    if (drawn.waiting) { drawn = null; setTimeout(draw, 500); return; }  // the first point is in the history now
    const lowest = frame.y.equity[0] < drawn.low;
    if (x <= drawn.last || (x - drawn.last < drawn.step && !lowest)) return;
    drawn.last = x;
    if (lowest) drawn.low = frame.y.equity[0];
    if (range === "1h" && Date.now() - drawn.at > HOUR_AGAIN) { drawn.at = Date.now(); draw(); return; }
    const update = { x: LINES.map(() => [x]), y: LINES.map((name) => frame.y[name]) };
    window.Plotly.extendTraces(box, update, LINES.map((_, index) => index), drawn.limit);
    box.dataset.points = String(box.data[0].x.length);
  });

  // -- range, theme, visibility ---------------------------------------------------------------------------------------
  new ResizeObserver(() => { if (drawn && !drawn.waiting && box.data) window.Plotly.Plots.resize(box); }).observe(box);
  const buttons = document.querySelectorAll("[data-range]");
  function press() { for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.range === range)); }
  for (const button of buttons) button.addEventListener("click", () => { range = button.dataset.range; RD.keep("range", range); press(); draw(); });
  const dressed = () => {
    if (!drawn || drawn.waiting || !box.data) return;
    const figure = dress(box, { data: box.data, layout: box.layout });
    window.Plotly.react(box, figure.data, figure.layout);
  };
  document.addEventListener("riskdesk:theme", dressed);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dressed);
  document.addEventListener("visibilitychange", () => { if (document.hidden) { asked += 1; clear(); } else draw(); });
  press();
  const begin = () => requestAnimationFrame(() => setTimeout(draw, 0));  // after the first paint
  if (document.readyState === "complete") begin(); else addEventListener("load", begin);
})();
