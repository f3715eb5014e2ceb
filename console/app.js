// The console: which view is shown, who has signed in, and the keys that work everywhere.
import { render } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { ask, session } from "./api.js";
import { EndpointsView } from "./endpoints_view.js";
import { ErrorsView } from "./errors_view.js";
import { HelpDialog } from "./help.js";
import { Link, html } from "./parts.js";
import { go, onMove, readPlace } from "./place.js";
import { ProcessView } from "./process_view.js";
import { RunView } from "./run_view.js";
import { RunsView } from "./runs_view.js";
import { SchedulesView } from "./schedules_view.js";
import { SignIn } from "./sign_in.js";

const VIEWS = {
  runs: { label: "Runs", view: RunsView, key: "r" },
  endpoints: { label: "Endpoints", view: EndpointsView, key: "e" },
  schedules: { label: "Schedules", view: SchedulesView, key: "s" },
  errors: { label: "Errors", view: ErrorsView, key: "x" },
  process: { label: "Process", view: ProcessView, key: "p" },
};
const NAMES = Object.keys(VIEWS);
const SAID_MS = 6000;

function Top({ view, leave }) {
  return html`
    <header class="top"><${Link} class="brand" to=${{}}><img src="icon.svg" alt="" width="24" height="24" /> Stepwell<//>
      <nav aria-label="views">${NAMES.map((name) => html`<${Link} to=${{ view: name }}
        aria-current=${view === name || (view === "run" && name === "runs") ? "page" : undefined}>${VIEWS[name].label}<//>`)}</nav>
      ${session.token && html`<button type="button" class="plain" id="sign-out" onClick=${leave}>sign out</button>`}
    </header>`;
}

// ---- Keys ----

// "g" and then a letter goes to a view, "/" to the filters, "?" says all keys.
function useKeys(help) {
  useEffect(() => {
    let gone = 0;
    const down = (e) => {
      const typing = e.target.closest?.("input, select, textarea, dialog");
      if (typing || e.ctrlKey || e.metaKey || e.altKey) return;
      const isSecond = Date.now() - gone < 1500, view = NAMES.find((name) => VIEWS[name].key === e.key);
      gone = e.key === "g" ? Date.now() : 0;
      if (isSecond && view) {
        e.stopPropagation(); // the list has keys of these letters
        go({ view });
      }
      else if (e.key === "?") help();
      else if (e.key === "/") document.getElementById("filter-endpoint")?.focus();
      else return;
      e.preventDefault();
    };
    addEventListener("keydown", down, true);
    return () => removeEventListener("keydown", down, true);
  }, []);
}

function useSaid() {
  const [said, set] = useState(""), timer = useRef(null);
  const tell = (text) => {
    clearTimeout(timer.current);
    set(text);
    timer.current = setTimeout(() => set(""), SAID_MS);
  };
  return [said, tell];
}

// ---- The link that --dev prints has a code in its fragment, which no server and no log sees ----

const codeOfLink = () => new URLSearchParams(location.hash.slice(1)).get("code");

// Resolves to what the server has refused; null: there was no code, or it was good.
async function takeCode() {
  const code = codeOfLink();
  if (!code) return null;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    session.keep((await ask("POST", "_sw/session", code)).token);
  } catch (error) {
    return error;
  }
  return null;
}

// Who opens the link in a tab that has the page already only changes its fragment.
function useCode(enter, refuse) {
  useEffect(() => {
    const changed = async () => {
      if (!codeOfLink()) return;
      const refused = await takeCode();
      if (refused) refuse(refused);
      else enter();
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
}

// `refused`: why the code of the link was not taken. That may not matter: the tab has a token, or needs none.
function App({ refused }) {
  const [place, setPlace] = useState(readPlace()), [refusal, setRefusal] = useState(null), [said, tell] = useSaid();
  const ofCode = useRef(null);
  const [round, again] = useReducer((n) => n + 1, 0), [help, setHelp] = useState(false);
  const enter = () => { ofCode.current = null; setRefusal(null); again(); };
  useEffect(() => onMove(() => setPlace(readPlace())), []);
  useKeys(() => setHelp(true));
  const refuseCode = (error) => {
    ofCode.current = error;
    tell(error.message);
    setRefusal((former) => former && error);
  };
  useEffect(() => { if (refused) refuseCode(refused); }, []);
  useCode(enter, refuseCode);
  useEffect(() => {
    document.title = place.view === "run" ? `${place.run} · Stepwell` : `${VIEWS[place.view]?.label ?? "Runs"} · Stepwell`;
    scrollTo(0, 0);
  }, [place.view, place.run]);
  const onRefusal = (error) => { if (error.needsSignIn) setRefusal((former) => former ?? ofCode.current ?? error); };
  const leave = () => { session.forget(); location.reload(); };
  const View = place.view === "run" ? RunView : (VIEWS[place.view] ?? VIEWS.runs).view;
  return html`
    <a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.querySelector("main h1")?.focus(); }}>to the content</a>
    <${Top} view=${place.view} leave=${leave} />
    <main id="main">${refusal ? html`<${SignIn} key=${refusal.message} refusal=${refusal} enter=${enter} />`
      : html`<${View} key=${`${place.view} ${place.run ?? ""} ${round}`} place=${place} onRefusal=${onRefusal} tell=${tell} />`}</main>
    <p class=${`said${said ? " shown" : ""}`} id="said" role="status">${said}</p>
    ${help && html`<${HelpDialog} close=${() => setHelp(false)} />`}`;
}

render(html`<${App} refused=${await takeCode()} />`, document.getElementById("page"));
