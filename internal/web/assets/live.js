// Brings in what has changed, while the page is looked at. All is there without it.
"use strict";
(function () {
  const state = document.getElementById("live");
  let events = null, busy = false, again = false;

  function say(text) {
    if (state.textContent !== text) state.textContent = text;
  }

  // The one that had the focus, in what took its place.
  function twin(part, old) {
    if (old.id) return part.querySelector("#" + CSS.escape(old.id));
    const href = old.getAttribute("href");
    for (const one of part.querySelectorAll("a[href]")) {
      if (one.getAttribute("href") === href && one.checkVisibility()) return one;
    }
    const name = old.getAttribute("aria-label");
    return name ? part.querySelector('[aria-label="' + CSS.escape(name) + '"]') : null;
  }

  function replace(old, fresh) {
    const active = document.activeElement;
    const scrolled = Array.from(old.querySelectorAll(".scroll"), (one) => one.scrollLeft);
    old.replaceWith(fresh);
    fresh.querySelectorAll(".scroll").forEach((one, i) => { one.scrollLeft = scrolled[i] || 0; });
    if (old.contains(active)) {
      const one = twin(fresh, active);
      if (one) one.focus({ preventScroll: true });
    }
  }

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    do {
      again = false;
      try {
        const answer = await fetch(location.href, { cache: "no-store" });
        const made = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const old of document.querySelectorAll("[data-live]")) {
          const fresh = made.getElementById(old.id);
          if (fresh && fresh.outerHTML !== old.outerHTML) replace(old, document.adoptNode(fresh));
        }
        say("live");
      } catch (e) {
        say("not live: the VTEP does not answer");
      }
    } while (again);
    busy = false;
  }

  function look() {
    if (document.hidden) {
      if (events) events.close();
      events = null;
    } else if (!events) {
      events = new EventSource("/events");
      events.onopen = refresh;
      events.onmessage = refresh;
      events.onerror = () => {
        say("not live: the VTEP does not answer");
        if (events && events.readyState === EventSource.CLOSED) { events.close(); events = null; setTimeout(look, 5000); }
      };
    }
  }

  if (window.EventSource && document.querySelector("main [data-live]")) {
    document.addEventListener("visibilitychange", look);
    addEventListener("pagehide", () => { if (events) events.close(); events = null; });
    addEventListener("pageshow", look);
    look();
  }
})();
