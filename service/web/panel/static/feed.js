// Live rows: `data-feed` on a table's body is the address of the events. A row replaces the one with its
// `data-key`, or goes to its place in the order of `data-at`, newest first; one that is older than the
// last row belongs to a later page. The browser reconnects and resumes. What changes the list has it
// counted again: `data-total` on the sentence of its total is the address of a page with the new one.
"use strict";
(() => {
  const MOST = 200;
  const body = document.querySelector("[data-feed]");
  if (!body) return;
  const state = document.querySelector("[data-feed-state]");
  const total = document.querySelector("[data-total]");
  const RECOUNT_MS = 2000;
  let most = Math.max(MOST, body.rows.length);
  let counting = 0;
  const say = (text) => { if (state && state.textContent !== text) state.textContent = text; };

  const count = async () => {
    counting = 0;
    // As a part of this page: the notice of the last form stays for the next whole one.
    const headers = { "HX-Request": "true" };
    const answer = await fetch(total.dataset.total, { headers }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    total.textContent = page.querySelector("[data-total]")?.textContent ?? "";
  };
  const recount = () => { if (total) counting ||= setTimeout(count, RECOUNT_MS); };
  // The way to older rows goes on behind the last one that was loaded, so not from the last one kept.
  const trim = () => {
    if (body.rows.length <= most) return;
    while (body.rows.length > most) body.lastElementChild.remove();
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = "Reload the page for older calls";
    document.querySelector("#more")?.replaceChildren(link);
  };
  document.addEventListener("htmx:afterSwap", () => { most = Math.max(most, body.rows.length); });

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
    recount();
    const old = body.querySelector(`[data-key="${CSS.escape(row.dataset.key)}"]`);
    const place = [...body.rows].find((other) => Number(other.dataset.at) < Number(row.dataset.at));
    if (old) old.replaceWith(row);
    else if (place) place.before(row);
    else if (body.rows.length === 0) body.append(row);
    else return;
    body.closest("[hidden]")?.removeAttribute("hidden");
    document.querySelector("[data-feed-empty]")?.remove();
    trim();
    window.htmx?.process(row);
    row.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: row } }));
  });
  source.addEventListener("gone", (event) => {
    body.querySelector(`[data-key="${CSS.escape(event.data)}"]`)?.remove();
    recount();
  });
  window.addEventListener("pagehide", () => source.close());
})();
