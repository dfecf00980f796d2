// The page of a search that runs: shown anew when there is something new, but not under the hands of
// somebody who reads it.
(() => {
  let busy = false;
  for (const kind of ["pointerdown", "keydown", "input"]) addEventListener(kind, () => busy = true);
  const note = document.createElement("button");
  note.type = "button";
  note.id = "news";
  note.textContent = "There is something new: show it";
  note.style.cssText = "position:fixed;right:16px;bottom:16px;padding:10px 16px;font:inherit;" +
    "color:#fff;background:#1f5a96;border:0;border-radius:8px;cursor:pointer";
  note.addEventListener("click", () => location.reload());
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const { version } = await (await fetch("version")).json();
      if (version === "PAGE_VERSION") return;
      if (busy) document.body.append(note); else location.reload();
    } catch { /* the watch has ended: the page stays as it is */ }
  }, POLL_MS);
})();
