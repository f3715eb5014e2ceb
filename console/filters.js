// What a list shows, as the URL says it. A server whose list takes no filters gets none.
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "./api.js";
import { html } from "./parts.js";
import { go } from "./place.js";
import { STATES } from "./words.js";

// Whether the server's list takes filters: an unknown parameter is refused.
let taken = null;
const takesFilters = () => (taken ??= ask("GET", "_sw/runs?limit=1&state=failed").then(() => true, (error) => {
  if (error.status !== 400) taken = null; // it was not asked
  return false;
}));

// The endpoints to choose from, by those that the server has.
let endpoints = null;
const knownEndpoints = () => (endpoints ??= ask("GET", "_sw/endpoints")
  .then((a) => a.endpoints.filter((e) => e.kind !== "plain").map((e) => e.endpoint), () => { endpoints = null; return []; }));

const TYPING_MS = 350;
const isoOf = (local) => (local ? new Date(local).toISOString() : "");
function localOf(iso) {
  const at = new Date(/^\d+$/.test(iso ?? "") ? Number(iso) : (iso ?? ""));
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

function StateChips({ chosen, set }) {
  const toggle = (state) => set(STATES.filter((s) => chosen.includes(s) !== (s === state)).join(","));
  return html`
    <fieldset class="chips"><legend class="unseen">states</legend>
      ${STATES.map((state) => html`
        <label class=${`chip ${state}`}><input type="checkbox" checked=${chosen.includes(state)}
          onChange=${() => toggle(state)} /><span>${state}</span></label>`)}
    </fieldset>`;
}

function Field({ name, label, filters, set, hidden, ...rest }) {
  const value = [filters[name] ?? []].flat().join(" "), [text, setText] = useState(value);
  useEffect(() => setText((old) => (old.trim() === value ? old : value)), [value]);
  const type = (e) => { setText(e.currentTarget.value); set(name, e.currentTarget.value); };
  return html`
    <label class="field"><span class=${hidden ? "unseen" : ""}>${label}</span>
      <input id=${`filter-${name}`} name=${name} type="search" value=${text} autocomplete="off" spellcheck=${false}
        onInput=${type} ...${rest} /></label>`;
}

function Day({ name, label, filters, set }) {
  return html`
    <label class="field"><span>${label}</span>
      <input id=${`filter-${name}`} type="datetime-local" step="1" value=${localOf(filters[name])}
        onChange=${(e) => set(name, isoOf(e.currentTarget.value), 0)} /></label>`;
}

export function Filters({ filters }) {
  const [has, setHas] = useState(false), [names, setNames] = useState([]), typing = useRef(null), typed = useRef({});
  const latest = useRef(filters);
  latest.current = filters;
  useEffect(() => {
    takesFilters().then((is) => { setHas(is); if (is) knownEndpoints().then(setNames); });
    return () => clearTimeout(typing.current);
  }, []);
  // What is typed goes into the URL when the keys rest; each of these is no step of the browser's history.
  const set = (name, value, wait = TYPING_MS) => {
    clearTimeout(typing.current);
    typed.current[name] = name === "label" ? value.split(/\s+/).filter(Boolean) : value.trim();
    typing.current = setTimeout(() => {
      go({ filters: { ...latest.current, ...typed.current } }, { replace: wait > 0 });
      typed.current = {};
    }, wait);
  };
  if (!has) return null;
  const more = ["version", "label", "id", "error", "from", "to"].some((name) => filters[name]);
  const states = (filters.state ?? "").split(",").filter(Boolean), any = Object.keys(filters).length > 0;
  return html`
    <form class="filters" role="search" aria-label="filter the runs" onSubmit=${(e) => e.preventDefault()}>
      <${StateChips} chosen=${states} set=${(value) => set("state", value, 0)} />
      <${Field} name="endpoint" label="endpoint" filters=${filters} set=${set} list="endpoints" hidden placeholder="endpoint" />
      <datalist id="endpoints">${names.map((name) => html`<option value=${name} />`)}</datalist>
      <details class="more" open=${more}><summary>more filters</summary><div class="fields">
        <${Field} name="error" label="text in the error" filters=${filters} set=${set} />
        <${Field} name="id" label="run id begins with" filters=${filters} set=${set} />
        <${Field} name="label" label="labels" filters=${filters} set=${set} placeholder="name:value" />
        <${Field} name="version" label="version" filters=${filters} set=${set} />
        <${Day} name="from" label="began from" filters=${filters} set=${set} />
        <${Day} name="to" label="began before" filters=${filters} set=${set} />
      </div></details>
      ${any && html`<button type="button" class="plain" onClick=${() => go({})}>clear filters</button>`}
    </form>`;
}
