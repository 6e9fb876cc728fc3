// What every chart shares: Plotly is loaded when the first one is drawn, and its colours come from the theme.
(() => {
  "use strict";
  let plotly = null;

  function load(source) {
    plotly ||= new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = () => done(window.Plotly);
      script.onerror = () => { plotly = null; failed(new Error("the chart library did not load")); };
      document.head.append(script);
    });
    return plotly;
  }
  function colour(box, name) {  // computed by the browser from the tokens
    const probe = document.createElement("i");
    probe.className = name;
    probe.hidden = true;
    box.parentNode.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }
  const line = (name) => getComputedStyle(document.querySelector(`.l-${name} i`)).color;
  function dress(box, figure) {
    const ink = colour(box, "chart-ink"), grid = colour(box, "chart-grid"), text = colour(box, "chart-text");
    const font = { family: getComputedStyle(box).fontFamily, size: 12, color: ink };
    for (const trace of figure.data) trace.line.color = line(trace.meta);
    const axis = { gridcolor: grid, linecolor: grid, tickcolor: grid };
    Object.assign(figure.layout, { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font });
    Object.assign(figure.layout.xaxis, axis);
    Object.assign(figure.layout.yaxis, axis);
    figure.layout.hoverlabel = { bgcolor: colour(box, "chart-raised"), bordercolor: grid, font: { ...font, color: text } };
    figure.layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: ink, activecolor: text };
    return figure;
  }
  window.RiskDesk.plots = { load: (box) => load(box.dataset.plotly), dress };
})();
