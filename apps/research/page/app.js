// The page: which view is shown, and what its buttons do. What a tab shows is said by its URL (a research) or by its entry in
// the browser's history (a question on its way to one), so that reload, Back and other tabs change nothing.
import { h, render } from "preact";
import htm from "htm";
import * as kept from "./history.js";
import { apply, emptyResearch, reportOf, stateOf } from "./research.js";
import { follow, problem } from "./stream.js";
import { AskView, PlanView, QuestionsView } from "./view_ask.js";
import { RunView } from "./view_run.js";
import { goingOn, label, reason, trouble } from "./words.js";

const html = htm.bind(h);
const limits = { depth: { least: 1, most: 5, default: 2 }, breadth: { least: 1, most: 10, default: 3 }, topicMax: 2000, queryMax: 400, queriesMax: 10, levelQueriesMax: 64 };
const freshDraft = () => ({ topic: "", depth: app.about.depth.default, breadth: app.about.breadth.default });

const app = {
  view: "ask", draft: null, about: limits,
  busy: "", error: "", connection: null, said: "", // said: to screen readers
  focus: null, // what gets the focus with the next painting
  run: null, // { id, read, control, research, skew, since, endedAt, refused, notify, asking, note }
};
let work = new AbortController(); // what the view shown waits for
let shown = null;

// ---- Painting ----

let painting = null;
function paint() {
  painting ??= setTimeout(() => {
    painting = null;
    const focused = document.activeElement;
    render(html`<${Page} />`, document.getElementById("page"));
    document.title = title();
    const place = app.view + (app.run?.id ?? "");
    if (place !== shown) focusView(place);
    else if (app.focus) document.querySelector(app.focus)?.focus();
    else if (!focused.isConnected) document.querySelector("main h1")?.focus({ preventScroll: true }); // what had the focus is gone
    app.focus = null;
  }, 16);
}

function title() {
  const topic = app.run && topicOf(app.run);
  return topic ? `${label(app.run.research)}: ${topic}` : "Deep research";
}

function focusView(place) {
  const first = shown === null;
  shown = place;
  if (!first) window.scrollTo(0, 0);
  document.querySelector(app.view === "ask" ? "#topic" : "main h1")?.focus();
}

function Page() {
  const views = { ask: AskView, questions: QuestionsView, plan: PlanView, run: RunView };
  return html`
    <header class="top">
      <a class="brand" href="./" onClick=${(e) => { e.preventDefault(); actions.fresh(); }}><img src="icon.svg" alt="" width="28" height="28" /> Deep research</a>
      <span id="connection" class="connection" role="status" hidden=${!app.connection}>${app.connection}</span>
    </header>
    <main><${views[app.view]} app=${app} actions=${actions} /></main>
    <p id="announce" class="unseen" role="status">${app.said}</p>`;
}

// ---- Where the tab is ----

let saving = null;
function save() {
  clearTimeout(saving);
  saving = null;
  if (app.view === "run") return;
  try {
    history.replaceState({ view: app.view, draft: app.draft }, "");
  } catch { // browsers bear a hundred changes in half a minute
    saving = setTimeout(save, 2000);
  }
}

function change(draft) {
  app.draft = { ...app.draft, ...draft, key: null };
  if (!saving) save();
  paint();
}

function leave() {
  work.abort();
  work = new AbortController();
  Object.assign(app, { busy: "", error: "", connection: null });
}

function go(view, draft, url) {
  save();
  history.pushState({ view, draft }, "", url);
  arrive();
}

function arrive() {
  const link = new URLSearchParams(location.hash.slice(1)), id = link.get("run");
  if (id && app.run?.id === id && app.view === "run") return;
  leave();
  app.run = null;
  if (id) return openRun(id, link.get("token"));
  const { view, draft } = history.state ?? {};
  app.draft = draft ?? freshDraft();
  app.view = (view === "questions" && draft?.questions) || (view === "plan" && draft?.queries) ? view : "ask";
  if (app.view === "ask") lookAfterAll(work.signal);
  paint();
}

// ---- The list of researches ----

// Researches, how many are asked about at once, and how long one's answer may take: it is waited for as long as it runs. A
// browser has six connections to a server.
const LOOKED_AFTER = 10, LOOK_WIDTH = 3, LOOK_MS = 2000;
const isOver = (state) => ["done", "failed", "cancelled"].includes(state); // "gone" may be a server's that is not the right one

async function lookAfterAll(signal) {
  const isGone = (e) => e.state === "gone"; // such come last
  const left = kept.list().filter((e) => !isOver(e.state)).sort((a, b) => isGone(a) - isGone(b)).slice(0, LOOKED_AFTER);
  const next = async () => { while (left.length && !signal.aborted) await lookAfter(left.shift(), signal); };
  await Promise.all(Array.from({ length: LOOK_WIDTH }, next));
}

// What has become of a research that this browser left while it was under way. Proxies answer 500 and 504 too, without the
// run's id.
async function lookAfter({ id, read }, signal) {
  const late = AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]);
  const response = await fetch(runPath(id, "/output", read), { method: "HEAD", redirect: "manual", signal: late }).catch(() => null);
  const state = response?.headers.get("X-Run-Id") === id ? { 200: "done", 410: "cancelled", 500: "failed", 504: "failed" }[response.status]
    : response?.status === 404 ? "gone" : null;
  if (state && kept.find(id)) kept.keep(id, { state });
  if (state && !signal.aborted) paint();
}

// ---- From a question to a research ----

// A request that may be sent again: the server knows it by its key.
const keyed = (body, key) => ({ method: "POST", headers: { "Content-Type": "application/json", "Idempotency-Key": `"${key}"` }, body: JSON.stringify(body) });

// Asks for what is answered within a minute; says meanwhile what is going on.
async function ask(path, body, doing) {
  leave();
  const { signal } = work, research = { ...emptyResearch(), begun: {} };
  app.busy = doing;
  paint();
  try {
    const on = {
      known: () => null, connection: (text) => { app.connection = text; paint(); },
      frame(event, data) {
        apply(research, event, data);
        app.busy = [...research.steps.values()].some((s) => s.state === "waiting") ? goingOn(research, Date.now()) : doing;
        paint();
      },
    };
    await follow({ url: path, init: keyed(body, randomKey()) }, on, signal);
    if (signal.aborted) return null;
    if (research.end.state !== "done") throw new Error(trouble(research).why);
    return research.end.body;
  } catch (error) {
    if (!signal.aborted) app.error = error.message;
    return null;
  } finally {
    if (!signal.aborted) Object.assign(app, { busy: "", connection: null });
    paint();
  }
}

function topicError() {
  const length = [...app.draft.topic.trim()].length;
  if (!length) return "Please write a question.";
  return length > app.about.topicMax ? `The question has ${length} characters: ${app.about.topicMax} are possible.` : "";
}

function clarifications() {
  const answers = {};
  (app.draft.questions ?? []).forEach(({ question }, i) => {
    const answer = app.draft.other?.[i]?.trim() || app.draft.chosen?.[i];
    if (answer) answers[question] = answer;
  });
  return answers;
}

const basis = () => ({ topic: app.draft.topic.trim(), depth: Number(app.draft.depth) });
const randomKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

const actions = {
  change,
  fresh() { go("ask", null, location.pathname + location.search); },
  // The form as it was for this research, to be changed and asked again.
  again() {
    const { begun } = app.run.research, draft = history.state?.draft;
    go("ask", { ...freshDraft(), ...(begun && { topic: begun.topic, depth: begun.depth, breadth: begun.breadth }), ...draft, key: null }, location.pathname + location.search);
  },
  cancelWait() { leave(); paint(); },
  async clarify() {
    if (app.busy) return;
    app.error = topicError();
    if (app.error) return paint();
    const { topic } = basis(), answer = await ask("api/research/clarify", { topic }, "Thinking of questions …");
    if (answer) go("questions", { ...app.draft, questions: answer.questions, chosen: {}, other: {}, key: null }, "#questions");
  },
  async plan() {
    if (app.busy) return;
    app.error = topicError();
    if (app.error) return paint();
    const body = { ...basis(), breadth: Number(app.draft.breadth), clarifications: clarifications() };
    const answer = await ask("api/research/plan", body, "Choosing queries …");
    if (answer) go("plan", { ...app.draft, queries: answer.queries, key: null }, "#plan");
  },
  start() {
    if (app.busy) return;
    const queries = app.view === "plan" ? app.draft.queries.map((q) => ({ ...q, query: q.query.trim() })).filter((q) => q.query) : null;
    if (queries && !queries.length) { app.error = "Please leave at least one query."; return paint(); }
    const body = { ...basis(), clarifications: clarifications(), ...(queries ? { queries } : { breadth: Number(app.draft.breadth) }) };
    const flags = new URLSearchParams(location.search);
    if (flags.get("injectFailure")) body.injectFailure = flags.get("injectFailure");
    if (flags.get("failureRate")) body.failureRate = Number(flags.get("failureRate"));
    beginRun(body);
  },
  openKept(e, entry) { e.preventDefault(); go("run", null, runUrl(entry.id, entry.read)); },
  forgetKept(id) { kept.forget(id); paint(); },
  async stop() { await steer("DELETE", "", "The research could not be stopped"); },
  async release() { await steer("POST", "/release", "The research could not go on"); },
  confirm(asking) {
    app.run.asking = asking;
    app.focus = asking ? "#stop-no" : "#stop";
    paint();
  },
  async notify() {
    app.run.notify = !app.run.notify && (await Notification.requestPermission()) === "granted";
    if (!app.run.notify && Notification.permission === "denied") note("Your browser forbids this page to notify you.");
    paint();
  },
  async copy(text, done) {
    try { await navigator.clipboard.writeText(text); note(done); } catch { note("The browser did not allow it to be copied."); }
  },
  download() {
    const name = topicOf(app.run).toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "report";
    const url = URL.createObjectURL(new Blob([reportOf(app.run.research)], { type: "text/markdown" }));
    Object.assign(document.createElement("a"), { href: url, download: `${name}.md` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  },
  topicOf: (run) => topicOf(run),
  runLink: (run) => new URL(runUrl(run.id, run.read), location.href).href,
  kept: () => kept.list(),
  keptUrl: (entry) => runUrl(entry.id, entry.read),
};

function note(text) {
  const { run } = app;
  run.note = app.said = text;
  paint();
  setTimeout(() => { run.note = ""; paint(); }, 4000);
}

// ---- A research ----

const runUrl = (id, token) => `${location.pathname}${location.search}#${new URLSearchParams({ run: id, token })}`;
const runPath = (id, more, token) => `_sw/runs/${encodeURIComponent(id)}${more}?${new URLSearchParams({ token })}`;
const tokenOf = (url) => new URL(url, location.href).searchParams.get("token");
const topicOf = (run) => run.research.begun?.topic ?? kept.find(run.id)?.title ?? "";
const newRun = (id, read, control) => ({ id, read, control, research: emptyResearch(), skew: 0, since: Date.now(), endedAt: null, refused: "", notify: false, asking: false, note: "" });

// The request has a key: when it was sent and its answer lost, the same request again finds the run that it began. Once the run
// is known the key is spent: who comes back to the form and starts again wants another research.
async function beginRun(body) {
  leave();
  app.draft.key ??= randomKey();
  save();
  app.busy = "Starting …";
  paint();
  await watch({ url: "api/research", init: keyed(body, app.draft.key) }, (data) => {
    const read = tokenOf(data.readUrl);
    app.draft.key = null;
    save();
    app.run = { ...newRun(data.runId, read, tokenOf(data.streamUrl)), since: 0 };
    kept.keep(data.runId, { read, control: app.run.control, title: body.topic, at: Date.now(), state: "running" });
    history.pushState({ view: "run", draft: app.draft }, "", runUrl(data.runId, read));
    Object.assign(app, { view: "run", busy: "" });
    return runPath(data.runId, "/stream", read);
  });
}

function openRun(id, token) {
  const known = kept.find(id), read = token ?? known?.read ?? "";
  app.view = "run";
  app.run = { ...newRun(id, read, known?.control ?? null), endedAt: known?.endedAt ?? null };
  paint();
  return watch({ stream: runPath(id, "/stream", read) }, () => null);
}

async function watch(request, known) {
  const { signal } = work;
  try {
    await follow(request, {
      known, frame: onFrame,
      connection(text) { app.connection = text; if (text) app.said = text; paint(); },
      // Within two seconds it is the same time: the header is of whole seconds.
      date(ms) { const skew = ms - Date.now(); if (app.run) app.run.skew = Math.abs(skew) > 2000 ? skew : 0; },
    }, signal);
  } catch (error) {
    if (signal.aborted) return;
    Object.assign(app, { busy: "", connection: null });
    if (app.view !== "run") app.error = error.message;
    else app.run.refused = [401, 403].includes(error.status) ? "This link is not valid: a part of it is missing or was changed."
      : error.status === 404 ? "This research is no longer kept by the server, or never was." : error.message;
  }
  paint();
}

function onFrame(event, data) {
  const { run } = app, before = stateOf(run.research);
  apply(run.research, event, data);
  const state = stateOf(run.research);
  announce(event, data, run);
  if (state !== before || data.data?.type === "begun") changed(run, state);
  paint();
}

function announce(event, data, { research }) {
  const { type, depth, of, queries } = data.data ?? {};
  if (type === "level") app.said = `Level ${depth} of ${of}, ${queries.length} queries`;
  if (event === "inngest.rollback" && data.attempt) {
    const step = research.steps.get(data.hashedStepId);
    if (step) app.said = `${reason(step.kind, data.error)}${data.nextAt ? ", it is tried again" : ""}`;
  }
}

function changed(run, state) {
  app.said = label(run.research);
  const live = run.since === 0 || Date.now() - run.since > 1500; // else the frames tell of what was before
  if (run.research.end && live) run.endedAt ??= Date.now() + run.skew;
  kept.keep(run.id, { read: run.read, title: topicOf(run), state: run.research.end?.state ?? (state === "stopped" ? "stopped" : "running"), ...(run.endedAt && { endedAt: run.endedAt }) });
  if ((run.research.end || state === "stopped") && run.notify && document.hidden) notify(run);
}

function notify(run) {
  try {
    new Notification(label(run.research), { body: topicOf(run), icon: "icon.svg", tag: run.id }).onclick = () => window.focus();
  } catch { /* browsers of phones have the permission and no such thing: the title says it too */ }
}

async function steer(method, more, failed) {
  const { run } = app;
  run.asking = false;
  app.focus = "#run-title";
  paint();
  try {
    const response = await fetch(runPath(run.id, more, run.control), { method });
    if (!response.ok) note(`${failed}: ${await problem(response)}`);
    else if (more) run.research.stopped = null;
  } catch {
    note(`${failed}: the server cannot be reached.`);
  }
  paint();
}

// ---- Beginning ----

addEventListener("popstate", arrive);
addEventListener("pagehide", save);
setInterval(() => { if (app.run && !app.run.research.end) paint(); }, 1000);
arrive();
fetch("api/research/about").then((r) => r.json()).then((about) => { app.about = { ...limits, ...about }; paint(); }, () => {});
