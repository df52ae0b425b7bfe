"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");

let printing = false;

function theme() {
  const paper = printing || !dark.matches;
  const [text, grid] = paper ? ["#1d2127", "#d9dde3"] : ["#e6e9ee", "#343a44"];
  const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: grid, automargin: true };
  return { layout: {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: text, size: 12 },
    xaxis: axis, yaxis: axis, legend: { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: "#808080", activecolor: text },
    margin: { l: 56, r: 12, t: 34, b: 56 }, hoverlabel: { align: "left" },
  } };
}

for (const chart of CHARTS) {
  chart.layout.template = theme();
  Plotly.newPlot(chart.id, chart.data, chart.layout, {
    responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  });
}
function follow() { for (const chart of CHARTS) Plotly.relayout(chart.id, { template: theme() }); }
dark.addEventListener("change", follow);
for (const [event, state] of [["beforeprint", true], ["afterprint", false]]) {
  addEventListener(event, () => { printing = state; follow(); });
}
