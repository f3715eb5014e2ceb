// A line chart over time (uPlot), in the page's own colours.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { html } from "./parts.js";
import { useSize } from "./virtual.js";
import { time } from "./words.js";

const HEIGHT = 150, SECONDS_LEAST = 60;
const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function optionsOf(width, lines, say) {
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width, height: HEIGHT, legend: { show: false }, cursor: { show: false }, scales: {
      x: { range: (_, from, to) => [Math.min(from ?? to, to - SECONDS_LEAST), to] },
      y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] },
    },
    axes: [{ ...axis, space: 80, size: 26, values: (_, all) => all.map((at) => time(at * 1000)) }, { ...axis, size: 62, values: (_, all) => all.map(say) }],
    series: [{}, ...lines.map((line) => ({ label: line.label, stroke: colour(line.colour), width: 1.75, spanGaps: false }))],
  };
}

// `lines`: [{name, label, colour (a variable of the style sheet)}]; `data` as History.series gives it; `say` a value in words.
export function Chart({ title, lines, data, say }) {
  const ref = useRef(null), plot = useRef(null), { width } = useSize(ref);
  useEffect(() => {
    if (width === 0) return undefined;
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(width, lines, say), data, ref.current);
    };
    make();
    dark.addEventListener("change", make);
    return () => { dark.removeEventListener("change", make); plot.current.destroy(); plot.current = null; };
  }, [width]);
  useEffect(() => plot.current?.setData(data), [data]);
  const last = (i) => data[i + 1].at(-1);
  return html`
    <figure class="card chart"><figcaption><h2>${title}</h2>
      <ul>${lines.map((line, i) => html`<li><span class=${`key ${line.colour.slice(2)}`} aria-hidden="true"></span>${line.label}
        ${" "}<strong>${last(i) == null ? "–" : say(last(i))}</strong></li>`)}</ul></figcaption>
      <div class="plot" ref=${ref} aria-hidden="true"></div></figure>`;
}
