// The editor of a rule set: fields that do not apply now are hidden unless something is wrong with them, and a field
// says by aria whether it is wrong.
(() => {
  "use strict";
  const form = document.getElementById("rule-set");
  if (!form) return;
  function when(rule) {  // data-when="amount-kind:percent": shown while that field of the same rule says so
    for (const part of rule.querySelectorAll("[data-when]")) {
      const [name, values] = part.dataset.when.split(":"), field = form.elements[`${rule.id}-${name}`];
      part.hidden = Boolean(field) && !values.split("|").includes(field.value) && !part.querySelector(".says > span");
    }
  }
  function invalid() {
    for (const says of form.querySelectorAll(".says[id$='-says']")) {
      const field = document.getElementById(says.id.slice(0, -5));
      if (!field || field.tagName === "FIELDSET") continue;
      if (says.querySelector(".errors")) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  }
  const all = () => { for (const rule of form.querySelectorAll(".rule-edit")) when(rule); };
  form.addEventListener("change", (event) => { const rule = event.target.closest(".rule-edit"); if (rule) when(rule); });
  document.body.addEventListener("htmx:afterRequest", () => { invalid(); all(); });
  all();
  const at = location.hash && document.querySelector(location.hash);
  if (at && at.matches(".rule-edit")) at.focus({ preventScroll: true });
})();
