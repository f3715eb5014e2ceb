// From a question to a research: the form and the history, the questions back, the plan.
import { h } from "preact";
import htm from "htm";

const html = htm.bind(h);
const submit = (action) => (e) => { e.preventDefault(); action(); };

function Wait({ app, actions }) {
  return html`
    <p id="busy" class="busy" role="status" hidden=${!app.busy}>${app.busy}
      ${app.busy && (app.busy !== "Starting …" || app.connection) && html` <button type="button" class="plain" onClick=${actions.cancelWait}>Cancel</button>`}</p>
    <p id="ask-error" class="error" role="alert" hidden=${!app.error}>${app.error}</p>`;
}

function Slider({ name, text, help, app, actions }) {
  const { least, most } = app.about[name], value = app.draft[name];
  return html`
    <div class="slider">
      <label for=${name}>${text} <output for=${name}>${value}</output></label>
      <input id=${name} type="range" min=${least} max=${most} value=${value} aria-describedby="${name}-help"
        onInput=${(e) => actions.change({ [name]: Number(e.target.value) })} />
      <small id="${name}-help">${help}</small>
    </div>`;
}

const states = { running: "under way", stopped: "paused", done: "done", failed: "failed", cancelled: "stopped", gone: "no longer kept" };

function History({ actions }) {
  const all = actions.kept();
  if (!all.length) return null;
  return html`
    <section class="history" aria-labelledby="history-title">
      <h2 id="history-title">Your researches</h2>
      <p class="soft">Kept in this browser alone. The server keeps the researches themselves for a while.</p>
      <ul id="history">${all.map((entry) => html`
        <li key=${entry.id}>
          <a href=${actions.keptUrl(entry)} onClick=${(e) => actions.openKept(e, entry)}>${entry.title || "A research"}</a>
          <span class="soft"><span class="tag ${entry.state}">${states[entry.state] ?? "under way"}</span> ${new Date(entry.at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}</span>
          <button type="button" class="plain" aria-label="Remove from this list: ${entry.title}" title="Remove from this list" onClick=${() => actions.forgetKept(entry.id)}>✕</button>
        </li>`)}
      </ul>
    </section>`;
}

export function AskView({ app, actions }) {
  const length = [...app.draft.topic.trim()].length, most = app.about.topicMax;
  return html`
    <section id="ask" class="narrow" aria-labelledby="ask-title">
      <h1 id="ask-title" tabindex="-1">What should be researched?</h1>
      <p class="lead">It asks back, shows you its plan, then searches and reads level by level and writes a report with its sources.</p>
      <form id="ask-form" class="card" onSubmit=${submit(actions.clarify)}>
        <label for="topic">Question</label>
        <textarea id="topic" rows="3" aria-describedby="topic-count" placeholder="For example: how does tidal power compare with offshore wind?"
          value=${app.draft.topic} onInput=${(e) => actions.change({ topic: e.target.value })}
          onKeyDown=${(e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) actions.clarify(); }}></textarea>
        <p id="topic-count" class="soft count ${length > most ? "over" : ""}">${length > most * 0.8 ? `${length} of ${most} characters` : ""}</p>
        <div class="controls">
          <${Slider} name="depth" text="Depth" help="levels of searching further" app=${app} actions=${actions} />
          <${Slider} name="breadth" text="Breadth" help="queries of the first level" app=${app} actions=${actions} />
        </div>
        <div class="row"><button type="submit" class="primary" id="ask-button" aria-disabled=${app.busy ? "true" : "false"}>Continue</button></div>
        <${Wait} app=${app} actions=${actions} />
      </form>
      <${History} actions=${actions} />
      ${app.about.model && html`<p class="soft">Answers come from ${app.about.model}.</p>`}
    </section>`;
}

function Question({ i, question, options, app, actions }) {
  const { chosen = {}, other = {} } = app.draft;
  // From the draft as it is by then: another question may have been answered since this was drawn.
  const set = (answer, otherwise) => {
    const { draft } = app;
    actions.change({ chosen: { ...draft.chosen, [i]: answer }, other: { ...draft.other, [i]: otherwise } });
  };
  return html`
    <fieldset>
      <legend>${question}</legend>
      <div class="options">
        ${options.map((option) => html`<label key=${option}><input type="radio" name="q${i}" value=${option} checked=${chosen[i] === option} onChange=${() => set(option, "")} /><span>${option}</span></label>`)}
      </div>
      <input type="text" class="other" aria-label="Another answer: ${question}" placeholder="Another answer" value=${other[i] ?? ""} maxlength="500"
        onInput=${(e) => set(undefined, e.target.value)} />
    </fieldset>`;
}

export function QuestionsView({ app, actions }) {
  return html`
    <section id="clarify" class="narrow" aria-labelledby="clarify-title">
      <h1 id="clarify-title" tabindex="-1">A few questions first</h1>
      <p class="lead" id="clarify-topic">${app.draft.topic}</p>
      <form id="clarify-form" class="card" onSubmit=${submit(actions.plan)}>
        <p class="soft">Answer those that matter to you; any may stay open.</p>
        <div id="questions">${app.draft.questions.map((q, i) => html`<${Question} key=${i} i=${i} ...${q} app=${app} actions=${actions} />`)}</div>
        <div class="row">
          <button type="submit" class="primary" id="plan-button" aria-disabled=${app.busy ? "true" : "false"}>See the plan</button>
          <button type="button" id="skip" aria-disabled=${app.busy ? "true" : "false"} onClick=${actions.start}>Start without a plan</button>
          <button type="button" class="plain" onClick=${() => history.back()}>Back</button>
        </div>
        <${Wait} app=${app} actions=${actions} />
      </form>
    </section>`;
}

// What a research with so many queries asks for at most: as the server counts it.
function mostOf(depth, queries, levelMost) {
  let searches = 0, breadth = queries, level = queries;
  for (; depth > 0; depth--) {
    searches += level;
    breadth = Math.ceil(breadth / 2);
    level = Math.min(level * breadth, levelMost);
  }
  return { searches, modelCalls: searches + 1 };
}

export function PlanView({ app, actions }) {
  const { queries, depth } = app.draft, most = mostOf(depth, queries.length, app.about.levelQueriesMax);
  const edit = (how) => actions.change({ queries: how(app.draft.queries) }); // as they are by then, not as drawn
  const set = (i, query) => edit((all) => all.map((q, k) => (k === i ? { ...q, query } : q)));
  const remove = (i) => edit((all) => (all.length > 1 ? all.filter((_, k) => k !== i) : all));
  return html`
    <section id="plan" class="narrow" aria-labelledby="plan-title">
      <h1 id="plan-title" tabindex="-1">The plan</h1>
      <p class="lead">${app.draft.topic}</p>
      <form id="plan-form" class="card" onSubmit=${submit(actions.start)}>
        <p class="soft">It begins with these queries. Change, remove or add some: nothing has been searched yet.</p>
        <ol id="queries">${queries.map((q, i) => html`
          <li key=${i}>
            <label class="unseen" for="query-${i}">Query ${i + 1}</label>
            <textarea id="query-${i}" rows="2" maxlength=${app.about.queryMax} value=${q.query} onInput=${(e) => set(i, e.target.value)}></textarea>
            <button type="button" class="plain" aria-label="Remove query ${i + 1}" title="Remove" disabled=${queries.length === 1} onClick=${() => remove(i)}>✕</button>
            ${q.reasoning && html`<small class="soft">${q.reasoning}</small>`}
          </li>`)}
        </ol>
        <button type="button" id="add-query" disabled=${queries.length >= app.about.queriesMax} onClick=${() => edit((all) => (all.length < app.about.queriesMax ? [...all, { query: "" }] : all))}>Add a query</button>
        <p class="soft" id="plan-most">With depth ${depth} it makes at most ${most.searches} searches and ${most.modelCalls} model calls.</p>
        <div class="row">
          <button type="submit" class="primary" id="start-button" aria-disabled=${app.busy ? "true" : "false"}>Start the research</button>
          <button type="button" class="plain" onClick=${() => history.back()}>Back</button>
        </div>
        <${Wait} app=${app} actions=${actions} />
      </form>
    </section>`;
}
