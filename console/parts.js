// Small things that several views draw.
import { h } from "preact";
import htm from "htm";
import { useCallback, useEffect, useReducer, useRef, useState } from "preact/hooks";
import { follow, urlOf } from "./place.js";
import { serverNow } from "./api.js";
import { exactTime, time } from "./words.js";

export const html = htm.bind(h);

export const Link = ({ to, children, ...rest }) =>
  html`<a href=${urlOf(to)} onClick=${(e) => follow(e, to)} ...${rest}>${children}</a>`;

export const State = ({ state }) => html`<span class=${`state ${state}`}>${state}</span>`;

export const Time = ({ at }) => (at == null ? null
  : html`<time dateTime=${exactTime(at)} title=${exactTime(at)}>${time(at)}</time>`);

export const Trouble = ({ error, children }) => (error
  ? html`<p class="trouble" role="alert">${error.message ?? String(error)} ${children}</p>` : null);

// Paints again each `ms` while the tab is seen; gives the server's time.
export function useClock(ms) {
  const [, tick] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    if (!ms) return undefined;
    const timer = setInterval(() => { if (!document.hidden) tick(); }, ms);
    return () => clearInterval(timer);
  }, [ms]);
  return serverNow();
}

// Calls `work(signal)` now, each `ms` after it has ended while the tab is seen, when the tab is seen again, and when
// somebody calls what this returns: at once, or after the call under way, which is not given up for that. Nothing but
// other keys, and leaving, ends the signal.
export function useRepeat(work, ms, keys) {
  const latest = useRef({}), wake = useRef(() => {}), rest = useRef(() => {});
  latest.current = { work, ms };
  useEffect(() => {
    const over = new AbortController();
    let timer = null, isAtWork = false, isWanted = false;
    const wait = () => {
      clearTimeout(timer);
      if (!isAtWork && !over.signal.aborted && latest.current.ms) timer = setTimeout(turn, latest.current.ms);
    };
    const turn = async () => {
      isWanted = true;
      if (isAtWork) return;
      isAtWork = true;
      try {
        while (isWanted && !document.hidden && !over.signal.aborted) {
          isWanted = false;
          await latest.current.work(over.signal);
        }
      } finally {
        isAtWork = false;
        wait();
      }
    };
    const seen = () => { if (!document.hidden) turn(); };
    document.addEventListener("visibilitychange", seen);
    wake.current = turn;
    rest.current = wait;
    turn();
    return () => {
      over.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, keys);
  useEffect(() => rest.current(), [ms]);
  return useCallback(() => wake.current(), []);
}

// What an asynchronous `load(signal)` gives, with its error: {value, error, again()}.
export function useAnswer(load, ms, keys) {
  const [answer, set] = useState({ value: null, error: null });
  useEffect(() => set({ value: null, error: null }), keys);
  const again = useRepeat(async (signal) => {
    try {
      const value = await load(signal);
      if (!signal.aborted) set({ value, error: null });
    } catch (error) {
      if (!signal.aborted) set((old) => ({ value: old.value, error }));
    }
  }, ms, keys);
  return { ...answer, again };
}

// Puts the focus on what this ref is given to, when the view is entered.
export function useFocus() {
  const ref = useRef(null);
  useEffect(() => ref.current?.focus({ preventScroll: true }), []);
  return ref;
}

// Whether this has left the page: asked by what goes on when something was waited for.
export function useLeft() {
  const left = useRef(false);
  useEffect(() => () => { left.current = true; }, []);
  return useCallback(() => left.current, []);
}

export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement("textarea"), { value: text }); // http of another machine has no clipboard
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// Offers the text as a file. Its type is none that a browser would show.
export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
