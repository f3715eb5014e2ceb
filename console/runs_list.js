// The runs that a list shows, newest first, as pages of the server: grows downwards by more(), and follows what happens by
// refresh(). Owns the rows; draws nothing. `ask(query)` resolves to the server's answer, `changed()` is told of each change.
import { isOver } from "./words.js";

export const PAGE = 500; // the most that the server gives at once
const FIRST = 100;

export class RunsList {
  constructor(query, ask, changed = () => {}) {
    Object.assign(this, { query, ask, changed });
    this.rows = [];
    this.byId = new Map();
    this.next = null; // the run before which the next page begins
    this.isWhole = false; // the server has no more
    this.error = null;
    this.loading = null;
    this.growing = null; // while a further page is asked for
    this.inserted = 0; // rows that have come above others since somebody has looked
    this.isLeft = false; // nobody looks any more
  }

  async page(before, limit) {
    const query = new URLSearchParams(this.query);
    query.set("limit", limit);
    if (before) query.set("before", before);
    const { runs, next } = await this.ask(query);
    // Servers without filters name no next page: a page that is full may have one.
    return { runs, next: next ?? (runs.length === limit ? runs.at(-1).runId : null) };
  }

  // One request at a time: two would give rows twice.
  async only(work) {
    while (this.loading) await this.loading;
    this.loading = work().then(() => { this.error = null; }, (error) => { this.error = error; });
    await this.loading;
    this.loading = null;
    this.changed();
  }

  more() {
    if (this.isWhole || this.growing) return this.growing;
    this.growing = this.grow();
    return this.growing;
  }

  async grow() {
    await this.only(async () => {
      let runs = [];
      do { // a page of a server that has looked for long may be empty, with a next one
        const page = await this.page(this.next, this.rows.length === 0 ? FIRST : PAGE);
        runs = page.runs;
        for (const run of runs) this.append(run);
        this.next = page.next;
        this.isWhole = page.next === null;
        if (runs.length === 0) this.changed();
      } while (runs.length === 0 && !this.isWhole && !this.isLeft);
      this.growing = null;
    });
    this.growing = null;
  }

  append(run) {
    if (this.byId.has(run.runId)) return;
    this.byId.set(run.runId, run);
    this.rows.push(run);
  }

  // Takes what the first page says now.
  refresh() {
    if (this.rows.length === 0) return this.isWhole ? this.only(() => this.restart()) : this.more();
    return this.only(async () => {
      const { runs, next } = await this.page(null, FIRST);
      const overlaps = runs.some((run) => this.byId.has(run.runId));
      if (overlaps || next === null) this.merge(runs, null, next);
      else this.replace(runs, next);
    });
  }

  async restart() {
    const { runs, next } = await this.page(null, FIRST);
    this.replace(runs, next);
  }

  replace(runs, next) {
    this.rows = [];
    this.byId.clear();
    for (const run of runs) this.append(run);
    this.next = next;
    this.isWhole = next === null;
  }

  // Takes what the server says now of rows first to last, if one of them may have changed. Rows of the first page are
  // refresh()'s.
  look(first, last) {
    const shown = this.rows.slice(first, last + 1);
    if (first < FIRST || !shown.some((run) => !isOver(run.state))) return null;
    const before = this.rows[first - 1].runId;
    return this.only(async () => {
      const { runs, next } = await this.page(before, Math.min(shown.length, PAGE));
      this.merge(runs, before, next);
    });
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
    if (next === null) {
      this.isWhole = true;
      this.next = null;
    }
  }

  // Takes what a feed tells of a run that is shown. False: it is not.
  tell(event) {
    const run = this.byId.get(event.runId);
    if (!run || run.state === event.state) return Boolean(run);
    const told = { ...run, state: event.state };
    this.byId.set(event.runId, told);
    this.rows[this.rows.indexOf(run)] = told;
    this.changed();
    return true;
  }

  takeInserted() {
    const n = this.inserted;
    this.inserted = 0;
    return n;
  }
}
