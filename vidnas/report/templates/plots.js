// Glue: the data lies packed in the page, and Plotly draws it where the reader looks.

const unpackBytes = async (id) => {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
};
const unpack = async (id) => new TextDecoder().decode(await unpackBytes(id));
const once = (make) => { let made; return () => (made ??= make()); };
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
const drawn = new Map();
const draw = (place) => {
  if (!drawn.has(place)) drawn.set(place, drawNow(place));
  return drawn.get(place);
};
const drawNow = async (place) => {
  const [library, packed] = await Promise.all([plotly(), unpack(`packed-${place.id}`)]);
  const figure = JSON.parse(packed);
  const layout = {...figure.layout, template: theme()};
  await library.newPlot(place, figure.data, layout, {displayModeBar: false, responsive: true});
  place.on("plotly_click", (event) => {
    const number = event.points[0].customdata;
    if (Number.isInteger(number)) location.hash = `trial-${number}`;
  });
};
const places = [...document.querySelectorAll(".plot")];
// One after the other, so that each is seen as soon as it is ready, and only those that are still near
// when it is their turn.
const near = new Set();
let busy = false;
const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
const drawNear = async () => {
  if (busy) return;
  busy = true;
  for (const place of near) {
    near.delete(place);
    await draw(place);
    await painted();
  }
  busy = false;
};
const watcher = new IntersectionObserver((seen) => {
  for (const one of seen) near[one.isIntersecting ? "add" : "delete"](one.target);
  drawNear();
}, {rootMargin: "400px"});
places.forEach((place) => watcher.observe(place));
const redraw = (more) => places.filter((one) => one.layout)
  .forEach((one) => window.Plotly.relayout(one, {template: theme(), ...more}));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw({}));
// Plots are drawn for the width of the window: draw them again for the width of the paper.
const visible = () => places.filter((one) => one.offsetParent);
addEventListener("beforeprint", () => {
  document.documentElement.classList.add("paper");
  visible().forEach(draw);
  redraw({width: 660});
});
addEventListener("afterprint", () => {
  document.documentElement.classList.remove("paper");
  redraw({autosize: true});
});
// What nobody has scrolled to is drawn first: the browser waits for nothing once it prints. Printed
// from a menu, such a plot says on the paper why it is blank.
addEventListener("keydown", async (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "p") return;
  event.preventDefault();
  await Promise.allSettled(visible().map(draw));
  print();
});
