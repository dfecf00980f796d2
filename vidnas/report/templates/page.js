// Glue: the data lies packed in the page, and Plotly draws it where the reader looks.

const unpack = async (id) => {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
};
const once = (make) => { let made; return () => (made ??= make()); };
const figures = once(async () => JSON.parse(await unpack("packed-plots")));
const candidates = once(async () => JSON.parse(await unpack("packed-candidates")));
const plotly = once(async () => {
  const script = document.createElement("script");
  script.textContent = await unpack("packed-plotly");
  document.head.append(script);
  return window.Plotly;
});

// Plots: in the colours of the page, drawn when they come into sight.
const theme = () => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const ink = colour("--ink"), line = colour("--line"), axis = {gridcolor: line, linecolor: line};
  return {
    data: {heatmap: [{type: "heatmap", textfont: {color: ink}}]},
    layout: {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: {family: "Inter, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif", size: 13, color: ink},
      hoverlabel: {bgcolor: colour("--panel"), bordercolor: colour("--quiet"), font: {color: ink}},
      xaxis: axis, yaxis: axis,
    },
  };
};
const draw = async (place) => {
  if (place.dataset.drawn) return;
  place.dataset.drawn = "yes";
  const [library, all] = await Promise.all([plotly(), figures()]);
  const figure = all[place.id.slice("plot-".length)];
  const layout = {...figure.layout, template: theme()};
  await library.newPlot(place, figure.data, layout, {displayModeBar: false, responsive: true});
  place.on("plotly_click", (event) => {
    const number = event.points[0].customdata;
    if (Number.isInteger(number)) location.hash = `trial-${number}`;
  });
};
const places = [...document.querySelectorAll(".plot")];
const watcher = new IntersectionObserver((seen) => {
  for (const one of seen) if (one.isIntersecting) draw(one.target);
}, {rootMargin: "400px"});
places.forEach((place) => watcher.observe(place));
const redraw = (more) => places.filter((one) => one.layout)
  .forEach((one) => window.Plotly.relayout(one, {template: theme(), ...more}));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw({}));
// Plots are drawn for the width of the window: draw them again for the width of the paper.
addEventListener("beforeprint", () => {
  document.documentElement.classList.add("paper");
  places.forEach(draw);
  redraw({width: 660});
});
addEventListener("afterprint", () => {
  document.documentElement.classList.remove("paper");
  redraw({autosize: true});
});

// The limit: of the finished networks, the cheapest first and each better than those before it, the
// last one within what the slider says is shown. The slider is logarithmic.
const slider = document.getElementById("limit");
if (slider) {
  const choices = [...document.querySelectorAll(".choice")];
  const costs = choices.map((one) => Number(one.dataset.cost));
  const most = Number(slider.dataset.most), least = costs[0];
  const unit = slider.labels[0].textContent.startsWith("Latency") ? " ms" : " MACs";
  const choose = () => {
    const within = least * (most / least) ** (slider.value / slider.max) * (1 + 1e-9);
    const index = costs.findLastIndex((cost) => cost <= within);
    choices.forEach((one, at) => { one.hidden = at !== index; });
    const said = `within ${Number(within.toPrecision(3)).toLocaleString("en")}${unit}: ${choices[index].dataset.said}`;
    slider.setAttribute("aria-valuetext", said);
    document.getElementById("limit-said").textContent = said;
  };
  slider.addEventListener("input", choose);
  choose();
}

// A candidate: opened by a link, a click on a plot, or the address of the page.
const dialog = document.getElementById("candidate");
const element = (tag, text, more = {}) =>
  Object.assign(document.createElement(tag), {textContent: text, ...more});
const trialLink = (number) => element("a", `trial ${number}`, {href: `#trial-${number}`});
const open = async () => {
  const number = Number((location.hash.match(/^#trial-(\d+)$/) ?? [])[1] ?? NaN);
  const all = Number.isNaN(number) ? [] : await candidates();
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
  drawing.innerHTML = found.drawing ?? "";
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
