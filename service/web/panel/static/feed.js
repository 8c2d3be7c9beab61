// Rows that arrive by themselves: `data-feed` on a table's body is the address of the events. A row takes
// the place of the one with its `data-key`, or comes first. The browser resumes by itself.
"use strict";
(() => {
  const MOST = 200;
  const body = document.querySelector("[data-feed]");
  if (!body) return;
  const state = document.querySelector("[data-feed-state]");
  const say = (text) => { if (state && state.textContent !== text) state.textContent = text; };

  const source = new EventSource(body.dataset.feed);
  source.addEventListener("open", () => say("Live: calls appear here as they come."));
  source.addEventListener("error", () => say("The connection is lost; trying again."));
  source.addEventListener("away", () => say("The database does not answer; calls are still decided."));
  source.addEventListener("back", () => say("Live: calls appear here as they come."));
  source.addEventListener("reload", () => { source.close(); location.reload(); });
  source.addEventListener("end", () => { source.close(); location.reload(); });
  source.addEventListener("call", (event) => {
    const made = document.createElement("template");
    made.innerHTML = event.data;
    const row = made.content.querySelector("tr");
    if (!row) return;
    const old = body.querySelector(`[data-key="${CSS.escape(row.dataset.key)}"]`);
    if (old) old.replaceWith(row);
    else body.prepend(row);
    body.closest("[hidden]")?.removeAttribute("hidden");
    document.querySelector("[data-feed-empty]")?.remove();
    while (body.rows.length > MOST) body.lastElementChild.remove();
    window.htmx?.process(row);
    row.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: row } }));
  });
  window.addEventListener("pagehide", () => source.close());
})();
