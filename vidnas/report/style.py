"""The page's style sheet and its one script: readable on a laptop and on paper."""

CSS = """
:root { --ink: #1d2430; --quiet: #5b6472; --line: #e4e7ec; --panel: #f5f6f8; --good: #1f7a3d;
  --bad: #b3261e; --accent: #2f6fb0; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; -webkit-font-smoothing: antialiased;
  font: 16px/1.55 Inter, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 44px 28px 72px; }
header { border-bottom: 1px solid var(--line); padding-bottom: 20px; margin-bottom: 26px; }
h1 { font-size: 31px; line-height: 1.2; letter-spacing: -.015em; margin: 0 0 6px; }
h2 { font-size: 20px; letter-spacing: -.01em; margin: 52px 0 4px; }
h3 { font-size: 16px; margin: 26px 0 4px; }
p { margin: 6px 0 12px; max-width: 78ch; }
.quiet { color: var(--quiet); }
.cards { display: grid; gap: 14px; grid-template-columns: repeat(6, 1fr); }
.card { grid-column: span 2; background: var(--panel); border-radius: 12px; padding: 16px 18px; }
.card .name { color: var(--quiet); font-size: 14px; }
.card .value { font-size: 29px; line-height: 1.25; font-weight: 600; letter-spacing: -.015em; }
.card .note { color: var(--quiet); font-size: 13.5px; line-height: 1.45; margin-top: 4px; }
.card.wide { grid-column: span 3; }
.card.wide .value { font-size: 40px; }
.card.first { background: #e9f1f9; }
.met { color: var(--good); font-weight: 600; }
.broken { color: var(--bad); font-weight: 600; }
.drawing { overflow-x: auto; border: 1px solid var(--line); border-radius: 12px; margin-top: 12px; }
.drawing svg { display: block; margin: 0 auto; width: 100%; max-width: var(--natural);
  min-width: calc(var(--natural) * .8); height: auto; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; margin: 10px 0;
  font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--quiet); font-weight: 600; border-bottom: 2px solid var(--line);
  white-space: nowrap; }
th, td { padding: 7px 14px 7px 0; vertical-align: top; }
td { border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th.number, td.number { text-align: right; white-space: nowrap; }
tr.chosen td { background: #fdf4e7; }
table.heat { width: auto; }
table.heat th, table.heat td { padding: 7px 14px; border: 0; text-align: center; }
table.heat td { border: 2px solid #fff; }
details { margin: 8px 0; }
summary { cursor: pointer; color: var(--accent); }
ol.lineage { list-style: none; padding: 0; margin: 10px 0; }
ol.lineage li { display: grid; grid-template-columns: 92px 84px 1fr; padding: 6px 0;
  border-bottom: 1px solid var(--line); font-size: 14.5px; }
pre { background: var(--panel); border-radius: 10px; padding: 14px 16px; overflow-x: auto;
  font: 13.5px/1.55 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: .92em; }
.pending { background: #fdf4e7; border-radius: 12px; padding: 14px 18px; }
@media screen and (max-width: 720px) { .card, .card.wide { grid-column: span 6; } }
footer { margin-top: 56px; padding-top: 14px; border-top: 1px solid var(--line);
  color: var(--quiet); font-size: 14px; }
@page { margin: 14mm; }
@media print {
  body { font-size: 11.5pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  h2, h2 + p { break-after: avoid; }
  h2 { margin-top: 30px; }
  .card, .plot, .drawing, pre, tr, li { break-inside: avoid; }
  .drawing { overflow: visible; border: 0; }
  .drawing svg { min-width: 0; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
}
"""

SCRIPT = """
// Plots are drawn for the width of the window: draw them again for the width of the paper.
const plots = () => document.querySelectorAll(".js-plotly-plot");
addEventListener("beforeprint", () => plots().forEach(p => Plotly.relayout(p, {width: 660})));
addEventListener("afterprint", () => plots().forEach(p => Plotly.relayout(p, {autosize: true})));
"""
