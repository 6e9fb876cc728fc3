// The chart of a finished run: Plotly is loaded after the first paint, the figure comes from the server, the colours
// from the theme.
(() => {
  "use strict";
  const box = document.getElementById("chart");
  if (!box) return;
  const state = document.getElementById("chart-state"), summary = document.getElementById("chart-summary");

  const { load, dress } = window.RiskDesk.plots;
  function say(text) {
    state.textContent = text;
    state.hidden = !text;
  }
  async function draw() {
    try {
      const answer = await fetch(box.dataset.chart, { headers: { Accept: "application/json" } });
      const found = await answer.json();
      if (!answer.ok) throw new Error(found.error || `error ${answer.status}`);
      const Plotly = await load(box), figure = dress(box, found.figure);
      summary.textContent = found.summary;
      say("");
      box.dataset.points = String(figure.data[0].x.length);  // gives the box its height
      await Plotly.react(box, figure.data, figure.layout, figure.config);
    } catch (error) {
      say(`The chart cannot be shown: ${error.message}.`);
    }
  }
  const dressed = () => {
    if (!box.data) return;
    const figure = dress(box, { data: box.data, layout: box.layout });
    window.Plotly.react(box, figure.data, figure.layout);
  };
  document.addEventListener("riskdesk:theme", dressed);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dressed);
  new ResizeObserver(() => { if (box.data) window.Plotly.Plots.resize(box); }).observe(box);
  const begin = () => requestAnimationFrame(() => setTimeout(draw, 0));  // after the first paint
  if (document.readyState === "complete") begin(); else addEventListener("load", begin);
})();
