// Theme and density, before the first paint: the choice kept in this browser, else the system's.
(() => {
  "use strict";
  const root = document.documentElement;
  const read = (name) => { try { return localStorage.getItem(`riskdesk.${name}`); } catch { return null; } };
  const keep = (name, value) => { try { localStorage.setItem(`riskdesk.${name}`, value); } catch { /* private mode: for this page only */ } };
  for (const name of ["theme", "density"]) {
    const value = read(name);
    if (value) root.dataset[name] = value;
  }
  window.RiskDesk = {
    read, keep,
    toggleTheme() {
      const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
      root.dataset.theme = now === "dark" ? "light" : "dark";
      keep("theme", root.dataset.theme);
      document.dispatchEvent(new CustomEvent("riskdesk:theme"));
    },
    toggleDensity() {
      root.dataset.density = root.dataset.density === "normal" ? "compact" : "normal";
      keep("density", root.dataset.density);
    },
  };
})();
