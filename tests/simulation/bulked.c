#include "tests/simulation/bulked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/entry.h"
#include "storage/memory/memory_core.h"
#include "tests/simulation/client_core.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/standing.h"

enum { TEXT_MAX = 1024, NAME_MAX_BYTES = 48 };
static const char route[] = "POST /_sw/bulk";
static const char *const deeds[DEEDS] = {"cancel", "stop", "release", "resume"};
static const char *const barred[] = {"no endpoint", "unreadable", "cannot be resumed"};

static int number(const bulk_record *b) { return (int)(b - w->bulks); }
static bulk_ask *ask_of(const bulk_record *b) { return &w->bulk_asks[b->ask]; }

static bulk_record *bulk_with(const char *id)
{
    for (unsigned i = 0; i < w->bulk_count; i++)
        if (strcmp(w->bulks[i].id, id) == 0) return &w->bulks[i];
    return NULL;
}

static bulk_record *bulk_of(const run_id *id)
{
    char text[RUN_ID_TEXT + 1];
    run_id_format(id, text);
    return bulk_with(text);
}

bool bulked_has(const run_id *id) { return bulk_of(id) != NULL; }

/* ---- Whom it means ---- */

static int64_t id_time_ms(const char *id)
{
    run_id of;
    if (!run_id_parse(id, strlen(id), &of)) abort();
    return run_id_time_ms(&of);
}

/* It is on disk, and the filter takes it. */
static bool is_meant(const bulk_ask *a, const run_record *r, int64_t as_of_ms)
{
    bool fits = a->endpoint < 0 || (r->on_disk && (int)w->jobs[r->job].endpoint == a->endpoint);
    return r->on_disk && fits && id_time_ms(r->id) <= as_of_ms;
}

/* As the runtime has it (runtime/admin/bulk_plan.h): NULL: it is acted on; else why not. */
static const char *verdict_of(const bulk_ask *a, const run_record *r, int64_t as_of_ms)
{
    bool is_live = !r->ended, lacks = standing_lacks(r->job);
    if (r->ended && r->ended_ms > as_of_ms) return "ended after asOf";
    if (a->deed == DEED_RESUME && is_live) return "not ended";
    if (a->deed == DEED_RESUME && r->outcome == ENTRY_SUCCEEDED) return "succeeded";
    if (a->deed == DEED_RESUME) return lacks ? "no endpoint" : NULL;
    if (!is_live) return "ended";
    if (a->deed == DEED_STOP) return r->stop != 0 ? "stopped already" : NULL;
    if (a->deed == DEED_RELEASE && !standing(r)) return "not stopped";
    return a->deed == DEED_RELEASE && lacks ? "no endpoint" : NULL;
}

/* Runs on disk that the action's filter takes, bulk actions among them. */
static int64_t meant_now(const bulk_record *b)
{
    const bulk_ask *a = ask_of(b);
    int64_t n = 0;
    for (unsigned i = 0; i < w->run_count; i++) n += is_meant(a, &w->runs[i], b->as_of_ms);
    for (unsigned i = 0; i < w->bulk_count && a->endpoint < 0; i++) n += id_time_ms(w->bulks[i].id) <= b->as_of_ms;
    return n;
}

/* ---- Asking ---- */

bool bulked_may_ask(void) { return w->bulk_ask_count < BULKS_MAX && w->run_count > 0; }

int16_t bulked_ask(void)
{
    int16_t at = (int16_t)w->bulk_ask_count++;
    bool is_slow = world_chance(RANDOM_LIVE, 50);
    w->bulk_asks[at] =
        (bulk_ask){.deed = (deed)world_below(RANDOM_LIVE, DEEDS),
                   .endpoint = (int16_t)(world_chance(RANDOM_LIVE, 80) ? -1 : (int)world_below(RANDOM_LIVE, ENDPOINTS)),
                   .per_second = 1 + (unsigned)at + BULKS_MAX * (is_slow ? 0 : world_below(RANDOM_LIVE, 1000)),
                   .max = world_chance(RANDOM_LIVE, 80) ? 0 : 1 + world_below(RANDOM_LIVE, 6),
                   .has_key = world_chance(RANDOM_LIVE, 50)};
    return at;
}

int16_t bulked_lost(void)
{
    for (unsigned i = 0; i < w->bulk_ask_count; i++) {
        const bulk_ask *a = &w->bulk_asks[i];
        if (a->has_key && a->sent > 0 && !a->is_told && !a->is_refused) return (int16_t)i;
    }
    return -1;
}

bool bulked_key(int16_t ask, char out[16])
{
    (void)snprintf(out, 16, "bulk-%d", ask);
    return w->bulk_asks[ask].has_key;
}

static void note_runs(bulk_ask *a)
{
    for (unsigned i = 0; i < w->run_count; i++) {
        const run_record *r = &w->runs[i];
        a->before[i] = (bulk_target){
            .is_there = r->on_disk, .is_live = !r->ended, .stop = r->stop, .stops = r->stops, .reopened = r->reopened};
    }
}

void bulked_body(int16_t ask, bool is_dry, char out[BULKED_BODY_MAX])
{
    bulk_ask *a = &w->bulk_asks[ask];
    char filter[NAME_MAX_BYTES] = "", as_of[NAME_MAX_BYTES] = "", max[NAME_MAX_BYTES] = "";
    if (a->endpoint >= 0) (void)snprintf(filter, sizeof filter, "\"endpoint\":\"%s\"", program_routes[a->endpoint]);
    if (a->max > 0) (void)snprintf(max, sizeof max, ",\"max\":%u", a->max);
    if (is_dry) a->commits = w->commits;
    if (!is_dry && a->sent++ == 0) {
        a->has_as_of = a->as_of_ms > 0 && world_chance(RANDOM_LIVE, 60);
        note_runs(a);
    }
    if (a->has_as_of) (void)snprintf(as_of, sizeof as_of, ",\"asOf\":%lld", (long long)a->as_of_ms);
    (void)snprintf(out, BULKED_BODY_MAX, "{\"action\":\"%s\",\"filter\":{%s},\"perSecond\":%u%s%s,\"dryRun\":%s}",
                   deeds[a->deed], filter, a->per_second, max, as_of, is_dry ? "true" : "false");
}

static bool is_held(const bulk_record *b)
{
    return !b->ended && (b->stop != 0 || (w->plan.epoch[w->epoch].no_resume && b->is_former && !b->released_here));
}

int16_t bulked_in_need(void)
{
    for (unsigned i = 0; i < w->bulk_count; i++)
        if (is_held(&w->bulks[i])) return (int16_t)i;
    return -1;
}

/* ---- What it says ---- */

static int64_t number_in(const char *text, const char *name)
{
    char quoted[NAME_MAX_BYTES];
    (void)snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *at = strstr(text, quoted);
    return at ? strtoll(at + strlen(quoted), NULL, 10) : 0;
}

/* Reads {"done":n,"pending":n,"skipped":{why:n,...}}. */
static bulk_sum sum_of(const char *text)
{
    bulk_sum s = {.done = number_in(text, "done"), .pending = number_in(text, "pending")};
    const char *at = strstr(text, "\"skipped\":{"), *end = at ? strchr(at, '}') : NULL;
    if (!end) return s;
    for (at += strlen("\"skipped\":{"); (at = strstr(at, "\":")) && at < end; at += 2)
        s.skipped += strtoll(at + 2, NULL, 10);
    s.vain = number_in(text, "changed meanwhile");
    for (size_t i = 0; i < sizeof barred / sizeof *barred; i++) s.barred += number_in(text, barred[i]);
    return s;
}

static void text_of(entry_text t, char out[TEXT_MAX])
{
    (void)snprintf(out, TEXT_MAX, "%.*s", (int)(t.len < TEXT_MAX ? t.len : TEXT_MAX - 1), t.len ? t.data : "");
}

static int64_t map_int(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        if (entry_text_is((entry_text){kv->key.via.str.ptr, kv->key.via.str.size}, name)) return kv->val.via.i64;
    }
    return 0;
}

/* Of a status: msgpack. */
static bulk_sum sum_of_status(const entry *e)
{
    msgpack_unpacked u;
    bulk_sum s = {0};
    msgpack_unpacked_init(&u);
    if (msgpack_unpack_next(&u, e->value.data, e->value.len, NULL) == MSGPACK_UNPACK_SUCCESS &&
        u.data.type == MSGPACK_OBJECT_MAP) {
        s.done = map_int(&u.data, "done");
        s.pending = map_int(&u.data, "pending");
        for (uint32_t i = 0; i < u.data.via.map.size; i++) {
            const msgpack_object *skipped = &u.data.via.map.ptr[i].val;
            for (uint32_t k = 0; skipped->type == MSGPACK_OBJECT_MAP && k < skipped->via.map.size; k++)
                s.skipped += skipped->via.map.ptr[k].val.via.i64;
            s.vain += map_int(skipped, "changed meanwhile");
        }
    }
    msgpack_unpacked_destroy(&u);
    return s;
}

/* Letters that are on disk by what the action says. One that resumes is not there if it was in vain. */
static int64_t letters_of(const bulk_record *b, const bulk_sum *s)
{
    return s->done + s->pending + (ask_of(b)->deed == DEED_RESUME ? 0 : s->vain);
}

static void look_at_progress(bulk_record *b, const entry *e)
{
    bulk_sum s = sum_of_status(e);
    bool grows = s.done + s.pending >= b->told.done + b->told.pending && s.skipped >= b->told.skipped;
    PROMISE(
        "bulk sum", grows && letters_of(b, &s) <= (int64_t)b->marks,
        "bulk %d says %lld done, %lld pending, %lld skipped, and has %u letters on disk; before it said %lld, %lld, "
        "%lld",
        number(b), (long long)s.done, (long long)s.pending, (long long)s.skipped, b->marks, (long long)b->told.done,
        (long long)b->told.pending, (long long)b->told.skipped);
    b->told = s;
}

/* Each run that was there when it began is counted once, and none that was not there at its end. */
static void look_at_answer(bulk_record *b, const entry *e)
{
    char text[TEXT_MAX];
    int64_t least = 0, most = meant_now(b);
    const bulk_ask *a = ask_of(b);
    if (e->status != 200) return;
    text_of(e->body, text);
    b->told = sum_of(text);
    for (unsigned i = 0; i < w->run_count; i++) least += a->before[i].is_there && is_meant(a, &w->runs[i], b->as_of_ms);
    int64_t all = b->told.done + b->told.pending + b->told.skipped;
    PROMISE("bulk sum", letters_of(b, &b->told) == (int64_t)b->marks, "bulk %d has %u letters on disk, and says %s",
            number(b), b->marks, text);
    PROMISE("bulk sum",
            all <= most && (all >= least || (a->max > 0 && b->told.done + b->told.pending + b->told.vain >= a->max)),
            "of %lld to %lld runs bulk %d says %s", (long long)least, (long long)most, number(b), text);
    PROMISE("bulk sum", a->max == 0 || letters_of(b, &b->told) <= (int64_t)a->max,
            "bulk %d writes %u letters at most: %s", number(b), a->max, text);
    w->met[MET_BULK_VAIN] += (uint64_t)b->told.vain;
}

/* ---- Who is left out ---- */

/* It could be acted on when the action began, and has not moved since. */
static bool has_waited(const bulk_record *b, unsigned i)
{
    const bulk_target *t = &ask_of(b)->before[i];
    const run_record *r = &w->runs[i];
    if (!t->is_there || !is_meant(ask_of(b), r, b->as_of_ms) || t->is_live == r->ended || t->reopened != r->reopened)
        return false;
    switch (ask_of(b)->deed) {
    case DEED_CANCEL:
        return t->is_live;
    case DEED_STOP:
        return t->is_live && t->stop == 0 && r->stop == 0 && t->stops == r->stops;
    case DEED_RELEASE:
        return t->is_live && t->stop != 0 && r->stop != 0 && t->stops == r->stops;
    default:
        return r->ended && r->outcome != ENTRY_SUCCEEDED && r->ended_ms <= b->as_of_ms;
    }
}

/* But for those that the action could not act on, as it says. */
static void look_for_left_out(const bulk_record *b)
{
    int64_t left_out = 0;
    unsigned last = 0;
    for (unsigned i = 0; i < w->run_count; i++) {
        if (!has_waited(b, i) || b->marked[i]) continue;
        left_out++;
        last = i;
    }
    bool is_full = ask_of(b)->max > 0 && b->told.done + b->told.pending + b->told.vain >= ask_of(b)->max;
    PROMISE("bulk: nobody is left out", is_full || left_out <= b->told.barred,
            "bulk %d (%s) is over, and has written nothing to %lld runs, of which run %u is one", number(b),
            deeds[ask_of(b)->deed], (long long)left_out, last);
}

/* ---- Its letters ---- */

static void id_text(const uint8_t *bytes, char out[RUN_ID_TEXT + 1])
{
    run_id id;
    memcpy(id.bytes, bytes, RUN_ID_BYTES);
    run_id_format(&id, out);
}

/* What the letter wants, its run may do from now on. */
static void want(run_record *r, deed what)
{
    if (what == DEED_CANCEL) r->asked_to_cancel = true;
    if (what == DEED_STOP) r->asked_to_stop++;
    if (what == DEED_RELEASE) r->asked_to_release = true;
    if (what == DEED_RESUME) r->asked_to_reopen = true;
}

static void take_mark(const void *key, size_t len, bool is_new)
{
    char sender[RUN_ID_TEXT + 1], to[RUN_ID_TEXT + 1];
    if (len != 2 * RUN_ID_BYTES) abort();
    id_text(key, sender);
    id_text((const uint8_t *)key + RUN_ID_BYTES, to);
    bulk_record *b = bulk_with(sender);
    run_record *r = world_run(to);
    PROMISE("bulk once", b && r, "there is a letter of %s to %s, one of which is not on disk", sender, to);
    unsigned i = (unsigned)(r - w->runs);
    if (!is_new && b->marked[i]) return;
    PROMISE("bulk once", !b->marked[i], "bulk %d has written two letters to run %u", number(b), i);
    PROMISE("bulk: nobody else", is_meant(ask_of(b), r, b->as_of_ms),
            "bulk %d writes to run %u, and its filter does not", number(b), i);
    b->marked[i] = true;
    b->marks++;
    want(r, ask_of(b)->deed);
    w->met[MET_BULK_LETTER]++;
    world_note("bulk %d has a letter to run %u on disk", number(b), i);
}

static void take_marks(const store_segment *s)
{
    for (const store_row *row = s->outcome == STORE_DONE ? s->rows : NULL; row; row = row->next)
        if (strcmp(row->table, "bulk") == 0 && row->op != STORE_ROW_DELETE)
            take_mark(row->key.data, row->key.len, true);
}

void bulked_marks_found(const memory_table *marks)
{
    for (size_t i = 0; marks && i < marks->count; i++) take_mark(marks->rows[i].key, marks->rows[i].key_len, false);
}

/* ---- Its journal ---- */

static void take_started(bulk_record *b, const entry *e)
{
    char body[TEXT_MAX];
    text_of(e->body, body);
    b->ask = (int16_t)((number_in(body, "perSecond") - 1) % BULKS_MAX);
    b->as_of_ms = number_in(body, "asOf");
    const bulk_ask *a = ask_of(b);
    PROMISE("bulk once", a->sent > 0 && !a->is_refused, "bulk %d begins, and nobody has asked for it: %s", number(b),
            body);
    for (unsigned i = 0; i < w->bulk_count; i++)
        PROMISE("bulk once", &w->bulks[i] == b || w->bulks[i].ask != b->ask, "bulk %d begins, and bulk %u is the same",
                number(b), i);
    PROMISE("bulk once", !a->has_as_of || a->as_of_ms == b->as_of_ms, "bulk %d begins as of another moment: %s",
            number(b), body);
}

static void take_ended(bulk_record *b, const entry *e)
{
    b->ended = true;
    b->outcome = e->status;
    PROMISE("bulk ends", b->outcome == ENTRY_SUCCEEDED || b->stops > 0, "bulk %d has ended with %d: %.*s", number(b),
            b->outcome, (int)e->error.len, e->error.data);
    if (b->outcome != ENTRY_SUCCEEDED) return;
    look_for_left_out(b);
    w->met[MET_BULK]++;
}

static void take_entry(bulk_record *b, const entry *e)
{
    PROMISE("journal", (e->kind == ENTRY_STARTED) == (b->entries == 0) && !b->ended, "bulk %d entry %u: kind %d",
            number(b), b->entries, e->kind);
    world_note("bulk %d entry %u: kind %d", number(b), b->entries, e->kind);
    if (e->kind == ENTRY_STARTED) take_started(b, e);
    if (e->kind == ENTRY_STATUS) look_at_progress(b, e);
    if (e->kind == ENTRY_RESPONSE) look_at_answer(b, e);
    if (e->kind == ENTRY_ENDED) take_ended(b, e);
    if (e->kind == ENTRY_STOPPED) b->stops++;
    if (e->kind == ENTRY_STOPPED) b->stop = e->status;
    if (e->kind == ENTRY_RELEASED) b->stop = 0;
    if (e->kind == ENTRY_RELEASED) b->released_here = true;
    b->entries++;
}

static void take_entries(bulk_record *b, const char *data, size_t len)
{
    const char *error = NULL;
    entry e;
    for (size_t at = 0, n; at < len; at += n) {
        n = entry_decode(data + at, len - at, &e, &error);
        PROMISE("journal", n > 0, "bulk %d entry %u: %s", number(b), b->entries, error);
        take_entry(b, &e);
    }
    b->entries_hash = promise_hash(b->entries_hash, data, len);
}

/* Finds it, or makes one of a journal that begins so. NULL: it is another run's. */
static bulk_record *bulk_made(const run_id *id, const char *data, size_t len)
{
    const char *error = NULL;
    entry e;
    bulk_record *b = bulk_of(id);
    if (b || entry_decode(data, len, &e, &error) == 0 || e.kind != ENTRY_STARTED) return b;
    if (!entry_text_is(e.function, route)) return NULL;
    PROMISE("bulk once", w->bulk_count < BULKS_MAX, "there are more bulk actions than were asked for");
    b = &w->bulks[w->bulk_count++];
    run_id_format(id, b->id);
    return b;
}

void bulked_committed(const store_segment *list)
{
    w->commits++;
    for (const store_segment *s = list; s; s = s->next) take_marks(s);
    for (const store_segment *s = list; s; s = s->next) {
        bulk_record *b = s->outcome == STORE_DONE && s->len > 0 ? bulk_made(&s->run, s->data, s->len) : NULL;
        if (!b) continue;
        PROMISE("order", s->seq == b->entries, "bulk %d: a segment from entry %u, the disk has %u", number(b), s->seq,
                b->entries);
        take_entries(b, s->data, s->len);
    }
}

bool bulked_found(const store_journal *j)
{
    bulk_record *b = j->len > 0 ? bulk_made(&j->run, j->data, j->len) : NULL;
    if (!b) return false;
    size_t known = promise_known(j->data, j->len, b->entries, b->entries_hash);
    PROMISE("nothing lost", known <= j->len, "bulk %d has not all of the %u entries that were on disk, or others",
            number(b), b->entries);
    take_entries(b, j->data + known, j->len - known);
    PROMISE("live rows", j->live == !b->ended, "bulk %d %s, and its row in the live table is %s", number(b),
            b->ended ? "has ended" : "has not ended", j->live ? "there" : "not there");
    return true;
}

/* ---- What the operator is told ---- */

/* The ledger's count of the runs that would be acted on, or left out for that reason. */
static int64_t count_verdicts(const bulk_ask *a, const char *why)
{
    int64_t n = 0;
    for (unsigned i = 0; i < w->run_count; i++) {
        const run_record *r = &w->runs[i];
        if (!is_meant(a, r, a->as_of_ms)) continue;
        const char *is = verdict_of(a, r, a->as_of_ms);
        n += is && why ? strcmp(is, why) == 0 : is == why;
    }
    return n;
}

/* Nothing has come to the disk since the question was sent, and all of the disk could be read. */
static bool is_calm(const bulk_ask *a)
{
    const epoch_plan *e = &w->plan.epoch[w->epoch];
    for (unsigned i = 0; i < e->event_count; i++)
        if (e->events[i].kind == EVENT_READ_FAULT || e->events[i].kind == EVENT_NO_MEMORY) return false;
    return a->commits == w->commits;
}

static void dry_told(const client *c, bulk_ask *a)
{
    static const char *const reasons[] = {"ended",       "not ended",   "succeeded",       "stopped already",
                                          "not stopped", "no endpoint", "ended after asOf"};
    int64_t matches = number_in(c->answer, "matches");
    a->as_of_ms = number_in(c->answer, "asOf");
    PROMISE("bulk told", a->as_of_ms > 0, "a dry run says %.300s", c->answer);
    if (!is_calm(a)) return;
    int64_t expected = count_verdicts(a, NULL);
    bool is_cut = a->max > 0 && expected > a->max;
    PROMISE("bulk counts", matches == (is_cut ? a->max : expected),
            "a dry run (%s) counts %lld runs, there are %lld: %.300s", deeds[a->deed], (long long)matches,
            (long long)expected, c->answer);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons && !is_cut; i++)
        PROMISE("bulk counts", number_in(c->answer, reasons[i]) == count_verdicts(a, reasons[i]),
                "of the runs that are left out as \"%s\" there are %lld: %.300s", reasons[i],
                (long long)count_verdicts(a, reasons[i]), c->answer);
    w->met[MET_BULK_COUNTED]++;
}

static void begun_told(const client *c, bulk_ask *a)
{
    const bulk_record *b = bulk_with(c->run_id);
    PROMISE("bulk told", b && ask_of(b) == a, "the operator was told of bulk action %s, and the disk has none",
            c->run_id);
    a->is_told = true;
}

void bulked_told(const client *c)
{
    if (c->status == 0 || c->target == TARGET_BULK_RELEASE) return;
    bulk_ask *a = &w->bulk_asks[c->bulk];
    if (c->status == 200 && c->target == TARGET_BULK_DRY)
        dry_told(c, a);
    else if (c->status == 202 && c->target == TARGET_BULK)
        begun_told(c, a);
    else
        PROMISE("bulk told", c->status == 503 || c->status == 500, "the operator was told %d by a bulk action: %.300s",
                c->status, c->answer);
    a->is_refused = c->status == 503 && c->target == TARGET_BULK && a->sent == 1 && !strstr(c->answer, "nobody knows");
}

/* ---- The process ---- */

void bulked_begin(void)
{
    for (unsigned i = 0; i < w->bulk_count; i++) {
        bulk_record *b = &w->bulks[i];
        b->is_former = true;
        b->released_here = false;
        if (b->ended) continue;
        b->stops += is_held(b);
        w->met[MET_BULK_CUT]++;
    }
}

bool bulked_over(void)
{
    for (unsigned i = 0; i < w->bulk_count; i++)
        if (!w->bulks[i].ended) return false;
    return true;
}

bool bulked_at_rest(void)
{
    for (unsigned i = 0; i < w->bulk_count; i++)
        if (!w->bulks[i].ended && !is_held(&w->bulks[i])) return false;
    return true;
}

void bulked_left(size_t marks)
{
    bool all_done = true;
    for (unsigned i = 0; i < w->bulk_count; i++) all_done &= w->bulks[i].outcome == ENTRY_SUCCEEDED;
    PROMISE("nothing is left", marks == 0 || !all_done, "%zu marks of letters are left, and all bulk actions are over",
            marks);
}
