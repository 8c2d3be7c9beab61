// Live rows: `data-feed` on a table's body is the address of the events. A row replaces the one with its
// `data-key`, or goes to its place in the order of `data-at`, newest first; one that is older than the
// last row belongs to a later page. The browser reconnects and resumes.
"use strict";
(() => {
  const MOST = 200;
  const body = document.querySelector("[data-feed]");
  if (!body) return;
  const state = document.querySelector("[data-feed-state]");
  const say = (text) => { if (state && state.textContent !== text) state.textContent = text; };

  const source = new EventSource(body.dataset.feed);
  source.addEventListener("open", () => say("Live: new calls appear here."));
  source.addEventListener("error", () => say("Connection lost. Reconnecting…"));
  source.addEventListener("away", () => say("The database does not respond. Calls are still decided."));
  source.addEventListener("back", () => say("Live: new calls appear here."));
  source.addEventListener("reload", () => { source.close(); location.reload(); });
  source.addEventListener("end", () => { source.close(); location.reload(); });
  source.addEventListener("call", (event) => {
    const made = document.createElement("template");
    made.innerHTML = event.data;
    const row = made.content.querySelector("tr");
    if (!row) return;
    const old = body.querySelector(`[data-key="${CSS.escape(row.dataset.key)}"]`);
    const place = [...body.rows].find((other) => Number(other.dataset.at) < Number(row.dataset.at));
    if (old) old.replaceWith(row);
    else if (place) place.before(row);
    else if (body.rows.length === 0) body.append(row);
    else return;
    body.closest("[hidden]")?.removeAttribute("hidden");
    document.querySelector("[data-feed-empty]")?.remove();
    while (body.rows.length > MOST) body.lastElementChild.remove();
    window.htmx?.process(row);
    row.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: row } }));
  });
  source.addEventListener("gone", (event) => {
    body.querySelector(`[data-key="${CSS.escape(event.data)}"]`)?.remove();
  });
  window.addEventListener("pagehide", () => source.close());
})();
