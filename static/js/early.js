// What somebody typed or chose before the scripts of a page ran: their events went nowhere, so they are given again
// once htmx listens. Only after a fresh navigation: on the way back a browser fills fields in by itself.
document.addEventListener("DOMContentLoaded", () => {
  "use strict";
  const entry = performance.getEntriesByType("navigation")[0];
  if (!entry || entry.type !== "navigate") return;
  const touched = (field) => {
    if (field.matches("select")) {
      const given = [...field.options].filter((option) => option.defaultSelected);
      return given.length ? given.some((option) => !option.selected) : field.selectedIndex > 0;
    }
    if (field.matches("[type=checkbox], [type=radio]")) return field.checked !== field.defaultChecked;
    const fresh = field.cloneNode();
    fresh.value = field.defaultValue;  // as the field shows it: no day where it has none, no line break
    return field.value !== fresh.value;
  };
  for (const form of document.querySelectorAll('form[hx-trigger*="input"], form[hx-trigger*="change"]')) {
    for (const field of form.querySelectorAll("input:not([type=hidden]), select, textarea")) {
      if (touched(field)) for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
    }
  }
});
