// Glue: the page of a study, below its plots.

// The limit: of the finished networks, the cheapest first and each better than those before it, the
// last one within what the slider says is shown. The slider is logarithmic, and starts at the answer.
const slider = document.getElementById("limit");
if (slider) {
  const choices = [...document.querySelectorAll(".choice")];
  const costs = choices.map((one) => Number(one.dataset.cost));
  const most = Number(slider.dataset.most), least = costs[0];
  const unit = slider.labels[0].textContent.startsWith("Latency") ? " ms" : " MACs";
  const show = (index, within) => {
    choices.forEach((one, at) => { one.hidden = at !== index; });
    const said = `within ${Number(within.toPrecision(3)).toLocaleString("en")}${unit}: ${choices[index].dataset.said}`;
    slider.setAttribute("aria-valuetext", said);
    document.getElementById("limit-said").textContent = said;
  };
  slider.addEventListener("input", () => {
    const within = least * (most / least) ** (slider.value / slider.max) * (1 + 1e-9);
    show(costs.findLastIndex((cost) => cost <= within), within);
  });
  const answer = choices.findIndex((one) => !one.hidden);
  const start = answer === choices.length - 1 ? most : costs[answer];
  if (most > least) slider.value = slider.max * Math.log(start / least) / Math.log(most / least);
  show(answer, start);
}

// A candidate: opened by a link, a click on a plot, or the address of the page.
const candidates = once(async () => JSON.parse(await unpack("packed-candidates")));
const dialog = document.getElementById("candidate");
const element = (tag, text, more = {}) =>
  Object.assign(document.createElement(tag), {textContent: text, ...more});
const trialLink = (number) => element("a", `trial ${number}`, {href: `#trial-${number}`});
const open = async () => {
  const number = Number((location.hash.match(/^#trial-(\d+)$/) ?? [])[1] ?? NaN);
  const {rows: all, parts} = Number.isNaN(number) ? {rows: []} : await candidates();
  const found = all[number];
  if (!found) { dialog.close(); return; }
  dialog.querySelector("h2").textContent = `Trial ${number}`;
  const facts = dialog.querySelector("dl");
  facts.replaceChildren(...Object.entries(found.facts)
    .flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  const family = (name, numbers) => {
    if (!numbers.length) return;
    const links = element("dd", "");
    numbers.slice(0, 40).forEach((one) => links.append(trialLink(one), " "));
    if (numbers.length > 40) links.append(`and ${numbers.length - 40} more`);
    facts.append(element("dt", name), links);
  };
  if (found.mutations.length) {
    facts.append(element("dt", "Mutations"), element("dd", found.mutations.join("; ")));
  }
  family("Child of", found.parent === null ? [] : [found.parent]);
  family("Children", all.flatMap((one, at) => (one.parent === number ? [at] : [])));
  const drawing = dialog.querySelector(".drawing");
  drawing.innerHTML = (found.drawing ?? []).map((part) => parts[part]).join("");
  const svg = drawing.querySelector("svg");
  if (svg) drawing.style.setProperty("--natural", `${svg.getAttribute("width")}px`);
  drawing.hidden = !svg;
  dialog.querySelector(".undrawn").hidden = Boolean(svg);
  dialog.querySelector("pre").textContent = JSON.stringify(JSON.parse(found.genes), null, 1);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
};
dialog.addEventListener("close", () => {
  if (location.hash.startsWith("#trial-")) history.replaceState(null, "", "#");
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
addEventListener("hashchange", open);
open();

// Film strips play where they stand.
document.querySelectorAll(".film button").forEach((button) => {
  button.addEventListener("click", () => {
    const plays = button.parentElement.classList.toggle("plays");
    button.setAttribute("aria-pressed", String(plays));
  });
});
