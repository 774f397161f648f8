// Loads plotly and holds what all charts share.

import { token } from "../dom.js";

let loading = null;

/** Return the library; it is fetched once. */
function plotly() {
  loading ??= new Promise((done, fail) => {
    const script = document.createElement("script");
    const version = document.querySelector('meta[name="plotly-version"]').content;
    script.src = `static/plotly.min.js?v=${encodeURIComponent(version)}`;
    script.onload = () => done(window.Plotly);
    script.onerror = () => {
      loading = null;
      fail(new Error("The chart library could not be loaded."));
    };
    document.head.append(script);
  });
  return loading;
}

/** Start to load the library while a view with charts waits for its data, which takes about as long. */
export function prepareCharts() {
  plotly().catch(() => null); // the first chart tries again and reports a failure
}

const CONFIG = { displayModeBar: false, staticPlot: true, responsive: false };

/** Return the shared layout: no frame, horizontal grid only, the page's fonts and colours. */
export function layout(margin, xaxis, yaxis) {
  const font = { family: token("font"), size: 12, color: token("faint") };
  const fixed = { fixedrange: true, zeroline: false, ticks: "", automargin: false };
  return {
    margin,
    font,
    showlegend: false,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hovermode: false,
    dragmode: false,
    xaxis: {
      ...fixed,
      type: "date",
      showgrid: false,
      linecolor: token("axis"),
      linewidth: 1,
      showline: true,
      tickmode: "array",
      ticks: "outside",
      ticklen: 4,
      tickcolor: token("axis"),
      ...xaxis,
    },
    yaxis: {
      ...fixed,
      gridcolor: token("grid"),
      gridwidth: 1,
      tickmode: "array",
      showline: false,
      ticklabelstandoff: 5,
      ...yaxis,
    },
  };
}

/**
 * Keep a chart drawn: now, when the theme changes, and when its available width changes.
 *
 * @param node    an empty element whose height the style sheet sets.
 * @param picture called with the width; returns {data, layout, after?}.
 * @returns a function that stops it.
 */
export function keepDrawn(node, picture) {
  let size = "";
  let gone = false;
  let library = null;
  const chart = document.createElement("div");
  chart.className = "chart-area";
  chart.setAttribute("aria-hidden", "true");
  node.prepend(chart);

  function draw() {
    if (gone || !library || !node.isConnected || !node.clientWidth) return;
    size = sizeOf(node);
    const width = node.clientWidth;
    const { data, layout: form, after } = picture(width);
    library.react(chart, data, { ...form, width, height: node.clientHeight }, CONFIG);
    after?.(scales(chart));
  }

  const observer = new ResizeObserver(() => sizeOf(node) !== size && draw());
  document.addEventListener("themechange", draw);
  observer.observe(node);
  plotly().then(
    (found) => {
      library = found;
      draw();
    },
    (error) => node.append(error.message),
  );
  return () => {
    gone = true;
    observer.disconnect();
    document.removeEventListener("themechange", draw);
    if (library) library.purge(chart);
  };
}

function sizeOf(node) {
  return `${node.clientWidth}×${node.clientHeight}`;
}

/** Return the functions from days and values to pixels of the chart's element. */
function scales(chart) {
  const { xaxis, yaxis } = chart._fullLayout;
  return {
    x: (day) => xaxis._offset + xaxis.d2p(day),
    y: (value) => yaxis._offset + yaxis.d2p(value),
    left: xaxis._offset,
    right: xaxis._offset + xaxis._length,
    top: yaxis._offset,
    bottom: yaxis._offset + yaxis._length,
  };
}
