import { render } from "./markdown.js";
import { follow, problem } from "./stream.js";

const $ = (id) => document.getElementById(id);
const el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const STORE = "stepwell-research";
let asked = null; // { topic, depth, breadth, questions }
let stop = new AbortController();

function show(name) {
  for (const section of ["ask", "clarify", "run"]) $(section).hidden = section !== name;
  window.scrollTo(0, 0);
}

function connection(text) {
  $("connection").textContent = text ?? "";
  $("connection").hidden = !text;
}

// ---- Asking ----

for (const name of ["depth", "breadth"]) $(name).addEventListener("input", () => { $(`${name}-value`).value = $(name).value; });

function askError(text) {
  $("ask-error").textContent = text ?? "";
  $("ask-error").hidden = !text;
}

$("ask-form").addEventListener("submit", async (e) => {
  e.preventDefault();
  const topic = $("topic").value.trim();
  if (!topic) return askError("Please write a topic.");
  askError(null);
  asked = { topic, depth: $("depth").value, breadth: $("breadth").value };
  $("ask-button").disabled = true;
  $("ask-button").textContent = "Thinking …";
  try {
    const response = await fetch(`api/research/clarify?${new URLSearchParams({ topic })}`);
    if (!response.ok) throw new Error(await problem(response));
    asked.questions = (await response.json()).questions;
    showQuestions();
  } catch (error) {
    askError(error instanceof TypeError ? "The server cannot be reached. Is it running?" : error.message);
  } finally {
    $("ask-button").disabled = false;
    $("ask-button").textContent = "Continue";
  }
});

function showQuestions() {
  $("clarify-topic").textContent = asked.topic;
  $("questions").replaceChildren(...asked.questions.map((q, i) => el("fieldset", {}, el("legend", {}, q.question),
    el("div", { class: "options" }, ...q.options.map((option) =>
      el("label", {}, el("input", { type: "radio", name: `q${i}`, value: option }), option))))));
  show("clarify");
  $("questions").querySelector("input")?.focus();
}

function answers() {
  const chosen = {};
  asked.questions.forEach((q, i) => {
    const input = $("questions").querySelector(`input[name="q${i}"]:checked`);
    if (input) chosen[q.question] = input.value;
  });
  return chosen;
}

$("clarify-form").addEventListener("submit", (e) => { e.preventDefault(); start(answers()); });
$("skip").addEventListener("click", () => start({}));

// ---- Watching a run ----

const colours = ["#1f6f64", "#8a5a19", "#4c5fa8", "#8b3f6b", "#4d7a2a", "#7b4bb0", "#a04a33", "#2f6f94"];
function letter(url) {
  let host = "?";
  try { host = new URL(url).hostname.replace(/^www\./, ""); } catch { /* shown as "?" */ }
  let hash = 0;
  for (const c of host) hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
  return el("span", { class: "letter", style: `background:${colours[hash % colours.length]}`, "aria-hidden": "true", title: host }, host[0]);
}

const safeHref = (url) => (/^https?:\/\//i.test(url) ? url : "#");
const anchor = (url, ...children) => el("a", { href: safeHref(url), target: "_blank", rel: "noopener noreferrer nofollow", title: url }, ...children);

// What a run has told so far. Chunks of a step count when it commits, but are shown at once and taken back on rollback.
function newView(topic) {
  return { topic, levels: new Map(), steps: new Map(), sources: new Map(), learnings: 0, retries: 0, depth: 0, of: 0,
           expected: 3, done: 0, report: "", reportStep: null, cited: [], ended: false, pending: new Map() };
}

let view = newView("");
let painting = false;

function resetPage(topic) {
  view = newView(topic);
  $("run-title").textContent = topic;
  $("run-state").textContent = "Researching";
  $("report").hidden = $("report-actions").hidden = $("run-error").hidden = true;
  $("report").replaceChildren();
  $("levels").replaceChildren();
  $("log").replaceChildren();
  $("sources").replaceChildren();
  document.title = `${topic} · Deep research`;
  show("run");
  paint();
}

function queryCard(depth, query) {
  const level = view.levels.get(depth);
  return level?.queries.get(query);
}

function addLevel({ depth, of, queries }) {
  view.depth = depth;
  view.of = of;
  view.expected += queries.length * 2;
  const section = el("section", { class: "level" }, el("h2", {}, `Level ${depth} of ${of}`));
  const level = { queries: new Map() };
  for (const q of queries) {
    const found = el("ul", { class: "found" }), learned = el("ul", { class: "learned" });
    section.append(el("div", { class: "card query" }, el("h3", {}, q.query), el("p", { class: "reason" }, q.reasoning ?? ""), found, learned));
    level.queries.set(q.query, { found, learned });
  }
  view.levels.set(depth, level);
  $("levels").prepend(section);
}

// Each returns what takes it back.
const take = {
  step(step, data) {
    let entry = view.steps.get(step);
    if (!entry) {
      const node = el("li", {}, el("span", { class: "mark", "aria-hidden": "true" }, "○"), el("span", { class: "what" }));
      $("log").prepend(node);
      view.steps.set(step, (entry = { node, attempts: 0 }));
    }
    entry.attempts = Math.max(entry.attempts, data.attempt ?? 1);
    entry.node.className = "";
    const names = { search: "Search", learn: "Learn from", queries: "", report: "", clarify: "" };
    entry.node.querySelector(".mark").textContent = "○";
    entry.node.querySelector(".what").replaceChildren(`${names[data.kind] ?? ""} ${data.title}`.trim(),
      ...(entry.attempts > 1 ? [el("small", {}, `attempt ${entry.attempts}`)] : []));
    if (data.kind === "report") view.reportStep = step;
    return () => {};
  },
  sources(step, { depth, query, sources }) {
    const card = queryCard(depth, query), added = [];
    for (const s of sources) {
      card?.found.append(el("li", {}, anchor(s.url, letter(s.url), el("span", {}, s.title))));
      if (view.sources.has(s.url)) continue;
      const node = el("li", {}, letter(s.url), anchor(s.url, s.title));
      view.sources.set(s.url, node);
      $("sources").append(node);
      added.push(s.url);
    }
    return () => {
      card?.found.replaceChildren();
      for (const url of added) { view.sources.get(url)?.remove(); view.sources.delete(url); }
    };
  },
  learnings(step, { depth, query, learnings }) {
    const card = queryCard(depth, query);
    for (const l of learnings) card?.learned.append(el("li", {}, l.insight, el("small", {}, l.sourceRationale ?? "")));
    view.learnings += learnings.length;
    return () => { card?.learned.replaceChildren(); view.learnings -= learnings.length; };
  },
  token(step, { text }) {
    view.report += text;
    return () => { view.report = ""; };
  },
  level(step, data) { addLevel(data); return () => {}; },
  writing(step, data) {
    view.cited = data.sources;
    $("run-state").textContent = "Writing the report";
    return () => {};
  },
};

function onFrame(name, data) {
  if (name === "inngest.stream") {
    const back = take[data.data?.type]?.(data.hashedStepId, data.data);
    if (data.hashedStepId && back) view.pending.set(data.hashedStepId, [...(view.pending.get(data.hashedStepId) ?? []), back]);
  } else if (name === "inngest.commit" || name === "inngest.rollback") {
    const committed = name === "inngest.commit", entry = view.steps.get(data.hashedStepId);
    if (!committed) for (const back of view.pending.get(data.hashedStepId) ?? []) back();
    view.pending.delete(data.hashedStepId);
    if (committed) view.done++;
    else view.retries++;
    if (entry) {
      entry.node.className = committed ? "done" : "retry";
      entry.node.querySelector(".mark").textContent = committed ? "●" : "↻";
      if (!committed) entry.node.querySelector(".what").append(el("small", {}, `attempt ${entry.attempts} failed, trying again`));
    }
  } else if (name === "inngest.response") {
    onResponse(data);
  }
  paint();
}

function onResponse({ status, response }) {
  const body = typeof response.body === "string" ? safeJson(response.body) : response.body;
  view.ended = true;
  if (status === "succeeded" && response.statusCode === 200) {
    view.report = body.report;
    view.cited = body.sources;
    $("run-state").textContent = "Done";
    $("report-actions").hidden = false;
  } else {
    fail(body?.error ?? body?.detail ?? "The research failed.", body?.step);
  }
}

function safeJson(text) {
  try { return JSON.parse(text); } catch { return null; }
}

function fail(text, step) {
  view.ended = true;
  $("run-state").textContent = "Failed";
  $("run-error").replaceChildren(step ? `Step ${step}: ${text} ` : `${text} `, el("a", { href: "./", id: "retry" }, "Start again"));
  $("run-error").hidden = false;
  $("retry").addEventListener("click", forget);
}

function paint() {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    const queries = [...view.levels.values()].reduce((n, l) => n + l.queries.size, 0);
    const levels = view.of ? (view.depth - 1) / view.of : 0, within = view.expected ? view.done / view.expected : 0;
    const percent = view.ended ? 100 : Math.min(97, Math.round(100 * Math.max(levels * 0.9, within * (view.of ? view.depth / view.of : 0.1))));
    $("bar-fill").style.width = `${percent}%`;
    $("bar-fill").parentElement.setAttribute("aria-valuenow", percent);
    $("fact-level").textContent = view.of ? `${view.depth} of ${view.of}` : "–";
    $("fact-queries").textContent = queries;
    $("fact-sources").textContent = view.sources.size;
    $("fact-learnings").textContent = view.learnings;
    $("fact-retries").textContent = view.retries;
    $("report").hidden = !view.report;
    $("report").classList.toggle("writing", !view.ended);
    if (view.report) $("report").innerHTML = render(view.report, view.cited);
  });
}

// ---- Runs that outlive the page ----

function remember(streamUrl) {
  localStorage.setItem(STORE, JSON.stringify({ streamUrl, topic: view.topic }));
  history.replaceState(null, "", `#run=${encodeURIComponent(new URL(streamUrl).pathname.split("/")[3])}`);
}

function forget() {
  localStorage.removeItem(STORE);
  history.replaceState(null, "", location.pathname);
}

async function watch(request) {
  stop.abort();
  stop = new AbortController();
  try {
    await follow(request, { frame: onFrame, connection, known: remember }, stop.signal);
    connection(null);
  } catch (error) {
    connection(null);
    fail(error.message);
    forget();
    paint();
  }
}

function start(clarifications) {
  resetPage(asked.topic);
  const query = new URLSearchParams({ topic: asked.topic, depth: asked.depth, breadth: asked.breadth, clarifications: JSON.stringify(clarifications) });
  for (const name of ["injectFailure", "failureRate"]) {
    const value = new URLSearchParams(location.search).get(name);
    if (value) query.set(name, value);
  }
  watch({ url: `api/research?${query}` });
}

function again() {
  stop.abort();
  forget();
  document.title = "Deep research";
  connection(null);
  show("ask");
}

$("again").addEventListener("click", again);
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(view.report);
  $("copy").textContent = "Copied";
  setTimeout(() => { $("copy").textContent = "Copy as Markdown"; }, 1500);
});
$("download").addEventListener("click", () => {
  const url = URL.createObjectURL(new Blob([view.report], { type: "text/markdown" }));
  el("a", { href: url, download: "report.md" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
});
document.querySelector(".brand").addEventListener("click", (e) => { e.preventDefault(); again(); });

const left = safeJson(localStorage.getItem(STORE) ?? "null");
if (left?.streamUrl && location.hash.startsWith("#run=")) {
  resetPage(left.topic);
  // The stream is asked for where the page came from: the server may have another address by now.
  const url = new URL(left.streamUrl);
  watch({ streamUrl: url.pathname + url.search });
} else {
  $("topic").focus();
}
