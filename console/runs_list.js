// The runs that a list shows, newest first, as pages of the server: grows downwards by more(), and follows what happens by
// refresh() and look(). Owns the rows, which are always sorted and without a gap between the first and the last; draws
// nothing. `ask(query, signal)` resolves to the server's answer, `changed()` is told of each change.
import { isOver } from "./words.js";

export const PAGE = 500; // the most that the server gives at once
const FIRST = 100;
const CATCH_UP = 10; // pages that a refresh looks for what was the newest row

export class RunsList {
  constructor(query, ask, changed = () => {}) {
    Object.assign(this, { query, ask, changed });
    this.rows = [];
    this.byId = new Map();
    this.next = null; // the run before which the next page begins
    this.isWhole = false; // the server has no more
    this.error = null;
    this.loading = false;
    this.queue = Promise.resolve(); // ends with the last request that was asked for
    this.waiting = new Map(); // what waits for its turn, by name
    this.inserted = 0; // rows that have come above others since somebody has looked
    this.isBehind = false; // so many have come above that they are not here
    this.isHeld = () => false; // whether somebody would miss the rows if all of them went
    this.sight = [0, 0]; // the rows that look() is asked for
    this.enter();
  }

  enter() {
    this.over = new AbortController();
  }

  // Nobody looks any more: what is under way is given up, and the rows stay as they are.
  leave() {
    this.over.abort();
    this.waiting.clear();
  }

  async page(before, limit) {
    const query = new URLSearchParams(this.query);
    query.set("limit", limit);
    if (before) query.set("before", before);
    const { runs, next = null } = await this.ask(query, this.over.signal);
    return { runs, next };
  }

  // One request at a time: two would give rows twice. Of what waits for its turn there is one of a kind: it will see what
  // the other would.
  only(name, work) {
    if (this.waiting.has(name)) return this.waiting.get(name);
    const { over } = this;
    const turn = this.queue.then(async () => {
      if (this.waiting.get(name) === turn) this.waiting.delete(name);
      if (over.signal.aborted) return;
      this.loading = true;
      try {
        await work();
        this.error = null;
      } catch (error) {
        if (!over.signal.aborted) this.error = error;
      }
      this.loading = false;
      this.changed();
    });
    this.waiting.set(name, turn);
    this.queue = turn;
    return turn;
  }

  more() {
    if (this.isWhole) return null;
    return this.only("more", async () => {
      let runs = [];
      while (runs.length === 0 && !this.isWhole) { // a page of a server that has looked for long may be empty, with a next one
        const page = await this.page(this.next, this.rows.length === 0 ? FIRST : PAGE);
        runs = page.runs;
        for (const run of runs) this.append(run);
        this.next = page.next;
        this.isWhole = page.next === null;
        if (runs.length === 0) this.changed();
      }
    });
  }

  append(run) {
    if (this.byId.has(run.runId)) return;
    this.byId.set(run.runId, run);
    this.rows.push(run);
  }

  // Takes what the first pages say now, down to what was the newest row. When too many have come for that the list begins
  // anew, or, when somebody holds its rows, stays as it is and isBehind.
  refresh() {
    if (this.rows.length === 0 && !this.isWhole) return this.more();
    return this.only("refresh", async () => {
      if (this.rows.length === 0) return this.beginAnew(await this.page(null, FIRST));
      if (this.isBehind && this.isHeld()) return undefined; // letting go of the rows, or the button, begins anew
      let { runs, next } = await this.page(null, FIRST);
      for (let n = 0; n < CATCH_UP && !this.meets(next); n++) {
        const page = await this.page(next, PAGE);
        runs = [...runs, ...page.runs];
        next = page.next;
      }
      if (this.meets(next)) return this.merge(runs, null, next);
      if (this.isHeld()) this.isBehind = true;
      else if (runs.length > 0) this.beginAnew({ runs, next });
      return undefined;
    });
  }

  // Goes to the newest rows, whoever holds the present ones.
  restart() {
    return this.only("restart", async () => this.beginAnew(await this.page(null, FIRST)));
  }

  // Whether all runs down to the newest row are known when all from `next` on are.
  meets(next) {
    return next === null || next <= this.rows[0].runId;
  }

  beginAnew({ runs, next }) {
    this.rows = [];
    this.byId.clear();
    for (const run of runs) this.append(run);
    this.next = next;
    this.isWhole = next === null;
    this.isBehind = false;
  }

  // Takes what the server says now of rows first to last, if one of them may have changed. Rows of the first page are
  // refresh()'s.
  look(first, last) {
    this.sight = [first, last];
    if (!this.inSight()) return null;
    return this.only("look", async () => {
      const sight = this.inSight(); // now: the rows may have moved since
      if (!sight) return;
      const { runs, next } = await this.page(sight.before, sight.count);
      this.merge(runs, sight.before, next);
    });
  }

  inSight() {
    const [first, last] = this.sight, from = Math.max(first, this.isBehind ? 1 : FIRST);
    const shown = this.rows.slice(from, Math.min(last + 1, from + PAGE));
    const mayChange = shown.some((run) => run.isTold || !isOver(run.state));
    return mayChange ? { before: this.rows[from - 1].runId, count: shown.length } : null;
  }

  // Where the rows begin that are older than `before`; null: at the top.
  indexBelow(before) {
    let low = 0, high = before === null ? 0 : this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].runId >= before) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // `runs` are all that the server has between `before` (null: the newest) and `next` (null: the oldest). Looks at no other
  // rows: a list may have 100,000.
  merge(runs, before, next) {
    const end = next ?? "", top = this.rows[0]?.runId ?? "";
    const from = this.indexBelow(before);
    let to = from;
    while (to < this.rows.length && this.rows[to].runId >= end) to++;
    const given = new Set(runs.map((run) => run.runId));
    for (const run of this.rows.slice(from, to)) if (!given.has(run.runId)) this.byId.delete(run.runId);
    for (const run of runs) this.byId.set(run.runId, run);
    this.rows = [...this.rows.slice(0, from), ...runs, ...this.rows.slice(to)];
    this.inserted += runs.filter((run) => run.runId > top).length;
    if (before === null) this.isBehind = false;
    if (next === null) {
      this.isWhole = true;
      this.next = null;
    } else if (this.next !== null && next < this.next) {
      this.next = next;
    }
  }

  // Takes what a feed tells of a run that is shown, until the server is asked what else has become of it. False: it is not
  // shown.
  tell({ runId, state, reason, at }) {
    const run = this.byId.get(runId);
    if (!run || run.state === state) return Boolean(run);
    const { error, endedAt, ...rest } = run;
    const told = { ...rest, state, reason, isTold: true, ...(isOver(state) && { endedAt: at }) };
    this.byId.set(runId, told);
    this.rows[this.indexBelow(runId) - 1] = told;
    this.changed();
    return true;
  }

  takeInserted() {
    const n = this.inserted;
    this.inserted = 0;
    return n;
  }
}
