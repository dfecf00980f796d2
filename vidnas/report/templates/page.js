// Plots are drawn for the width of the window: draw them again for the width of the paper.
const plots = () => document.querySelectorAll(".js-plotly-plot");
addEventListener("beforeprint", () => plots().forEach(p => Plotly.relayout(p, {width: 660})));
addEventListener("afterprint", () => plots().forEach(p => Plotly.relayout(p, {autosize: true})));
