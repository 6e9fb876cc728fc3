// Buttons with data-do and single keys. A page adds its own: RiskDesk.actions.name = (element) => …, RiskDesk.keys.x = "name".
// Keys are off in fields, with a modifier, in a dialog, and when switched off in the help (WCAG 2.1.4).
(() => {
  "use strict";
  const RD = window.RiskDesk, help = document.getElementById("help"), on = document.getElementById("keys-on");
  let prefix = 0;
  RD.actions = {
    theme: RD.toggleTheme,
    density() { RD.toggleDensity(); RD.showDensity(); },
    help() { help.showModal(); },
  };
  RD.showDensity = () => {
    const button = document.getElementById("density"), normal = document.documentElement.dataset.density === "normal";
    if (button) button.textContent = normal ? "Normal" : "Compact";
  };
  RD.keys = { t: "theme", d: "density", "?": "help" };
  RD.goto = { l: "/desk/", a: "/alerts/", f: "/feeds/", p: "/plans/", m: "/me/" };
  RD.act = (name, element) => { const action = RD.actions[name]; if (action) action(element); return Boolean(action); };
  document.addEventListener("click", (event) => {
    const element = event.target.closest("[data-do]");
    if (element && RD.act(element.dataset.do, element)) event.preventDefault();
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const menu = document.querySelector("details.menu[open]");
      if (menu) { menu.open = false; menu.querySelector("summary").focus(); return; }
    }
    const field = event.target.closest("input, select, textarea, [contenteditable]");
    if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || !on.checked) return;
    if (field && event.key !== "Escape") return;
    if (performance.now() < prefix && RD.goto[event.key]) {
      prefix = 0;
      const link = document.querySelector(`.top nav a[href="${RD.goto[event.key]}"]`);
      if (link) link.click();
      return;
    }
    if (event.key === "g") { prefix = performance.now() + 1000; return; }
    const name = RD.keys[event.key];
    if (name && RD.act(name, event.target) !== false) event.preventDefault();
  });
  on.checked = RD.read("keys") !== "off";
  on.addEventListener("change", () => RD.keep("keys", on.checked ? "on" : "off"));
  RD.showDensity();
})();
