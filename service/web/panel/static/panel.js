// Local times, keyboard shortcuts, the theme, confirmations. The script finds its elements by
// data attributes, and every page works without it.
(() => {
  "use strict";
  const page = document;

  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

  function showTimes(part) {
    for (const time of part.querySelectorAll("time[datetime]:not([data-local])")) {
      const at = new Date(time.dateTime);
      if (isNaN(at)) continue;
      time.dataset.local = "";
      time.title = at.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
      time.textContent = (time.hasAttribute("data-exact") ? exact : local).format(at);
    }
  }

  // A date field shows local time and sends UTC through a hidden twin.
  function localFields(part) {
    for (const input of part.querySelectorAll("input[type=datetime-local][data-utc]")) {
      const twin = page.createElement("input");
      twin.type = "hidden";
      twin.name = input.name;
      input.removeAttribute("name");
      input.removeAttribute("data-utc");
      input.after(twin);
      if (input.value) {
        const at = new Date(input.value + "Z");
        twin.value = at.toISOString();
        input.value = new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
      }
      input.addEventListener("input", () => {
        twin.value = input.value ? new Date(input.value).toISOString() : "";
      });
      const zone = input.closest(".field")?.querySelector("[data-zone]");
      if (zone) zone.textContent = "(your time)";
    }
  }

  function confirmations(part) {
    for (const input of part.querySelectorAll("input[data-confirm]")) {
      const button = input.form.querySelector("button.danger");
      const check = () => { button.disabled = input.value.trim() !== input.dataset.confirm; };
      input.addEventListener("input", check);
      check();
    }
  }

  // Elements that scroll sideways can be focused and scrolled with the keyboard.
  function scrollable(part) {
    for (const box of part.querySelectorAll(".scroll")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    }
  }

  function prepare(part) {
    scrollable(part);
    showTimes(part);
    localFields(part);
    confirmations(part);
  }

  page.addEventListener("htmx:load", (event) => prepare(event.detail.elt));
  prepare(page);

  function chooseTheme() {
    const root = page.documentElement;
    const next = { "": "light", light: "dark", dark: "" }[root.dataset.theme || ""];
    if (next) root.dataset.theme = next; else delete root.dataset.theme;
    page.cookie = `callgate_theme=${next}; path=/admin; max-age=31536000; samesite=lax`;
  }

  page.addEventListener("click", (event) => {
    const target = event.target.closest("[data-menu],[data-theme-switch],[data-keys],[data-close],[data-copy]");
    if (!target) return;
    if (target.hasAttribute("data-menu")) {
      const open = page.getElementById("menu").classList.toggle("open");
      target.setAttribute("aria-expanded", String(open));
    } else if (target.hasAttribute("data-theme-switch")) {
      chooseTheme();
    } else if (target.hasAttribute("data-keys")) {
      page.getElementById("keys")?.showModal();
    } else if (target.hasAttribute("data-close")) {
      target.closest("dialog")?.close();
    } else {
      const source = page.getElementById(target.dataset.copy);
      navigator.clipboard?.writeText(source.value ?? source.textContent).then(() => {
        target.textContent = "Copied";
      });
    }
  });

  // Keyboard shortcuts: single letters, except while typing in a field.
  let going = 0;
  page.addEventListener("keydown", (event) => {
    const at = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (at.closest?.("input, textarea, select, [contenteditable]")) {
      if (event.key === "Escape") at.blur();
      return;
    }
    if (going && Date.now() - going < 1500) {
      going = 0;
      const link = page.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); location.href = link.href; }
      return;
    }
    if (event.key === "g") going = Date.now();
    else if (event.key === "/") {
      const field = page.querySelector("[data-search]");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    } else if (event.key === "?") page.getElementById("keys")?.showModal();
  });

  // A failed request for a part of the page shows a notice.
  page.addEventListener("htmx:sendError", () => {
    const notices = page.getElementById("notices");
    if (!notices) return;
    const notice = page.createElement("div");
    notice.className = "notice bad";
    const text = page.createElement("p");
    text.textContent = "Callgate does not respond. Check the connection and retry.";
    notice.append(text);
    notices.replaceChildren(notice);
  });
})();
