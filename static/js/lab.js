// The chart of a finished run: Plotly is loaded after the first paint, the figure comes from the server, the colours
// from the theme.
(() => {
  "use strict";
  const box = document.getElementById("chart");
  if (!box) return;
  const state = document.getElementById("chart-state"), summary = document.getElementById("chart-summary");

  function load() {
    return new Promise((done, failed) => {
      if (window.Plotly) { done(window.Plotly); return; }
      const script = document.createElement("script");
      script.src = box.dataset.plotly;
      script.onload = () => done(window.Plotly);
      script.onerror = () => failed(new Error("the chart library did not load"));
      document.head.append(script);
    });
  }
  function colour(name) {
    const probe = document.createElement("i");
    probe.className = name;
    probe.hidden = true;
    box.parentNode.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }
  const line = (name) => getComputedStyle(document.querySelector(`.l-${name} i`)).color;
  function dress(figure) {
    const ink = colour("chart-ink"), grid = colour("chart-grid"), font = { family: getComputedStyle(box).fontFamily, size: 12, color: ink };
    for (const trace of figure.data) trace.line.color = line(trace.meta);
    const axis = { gridcolor: grid, linecolor: grid, tickcolor: grid };
    Object.assign(figure.layout, { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font });
    Object.assign(figure.layout.xaxis, axis);
    Object.assign(figure.layout.yaxis, axis);
    figure.layout.hoverlabel = { bgcolor: colour("chart-raised"), bordercolor: grid, font: { ...font, color: colour("chart-text") } };
    figure.layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: ink, activecolor: colour("chart-text") };
    return figure;
  }
  function say(text) {
    state.textContent = text;
    state.hidden = !text;
  }
  async function draw() {
    try {
      const answer = await fetch(box.dataset.chart, { headers: { Accept: "application/json" } });
      const found = await answer.json();
      if (!answer.ok) throw new Error(found.error || `error ${answer.status}`);
      const Plotly = await load(), figure = dress(found.figure);
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
    const figure = dress({ data: box.data, layout: box.layout });
    window.Plotly.react(box, figure.data, figure.layout);
  };
  document.addEventListener("riskdesk:theme", dressed);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dressed);
  new ResizeObserver(() => { if (box.data) window.Plotly.Plots.resize(box); }).observe(box);
  const begin = () => requestAnimationFrame(() => setTimeout(draw, 0));  // after the first paint
  if (document.readyState === "complete") begin(); else addEventListener("load", begin);
})();
