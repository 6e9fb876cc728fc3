// The alert list follows the desk's socket: a new rail means that the list is old. Rows of accounts are not wanted here.
(() => {
  "use strict";
  const SOON = 300;  // a storm of changes is one reload
  let timer = 0;
  function reload() {
    timer = 0;
    const list = document.getElementById("alert-list");
    if (!list || document.hidden) return;
    if (window.RiskDesk.asking("alert-list") || list.matches(":active")) { timer = setTimeout(reload, SOON); return; }
    window.htmx.ajax("GET", location.pathname + location.search, { target: "#alert-list", swap: "outerHTML" });
  }
  const later = () => { timer ||= setTimeout(reload, SOON); };
  const live = window.RiskDesk.live;
  live.subscribe(() => ({ view: "", offset: 0, limit: 1 }));
  live.on("html", (frame) => { if (frame.id === "alert-rail") later(); });
  document.addEventListener("visibilitychange", later);
})();
