#include "tests/simulation/forked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/step_key.h"
#include "storage/entry_more.h"
#include "storage/kin.h"
#include "storage/memory/memory_core.h"
#include "tests/simulation/called.h"
#include "tests/simulation/client_core.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/forked_order.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/remarked.h"
#include "tests/simulation/selected.h"
#include "tests/simulation/sent.h"
#include "tests/simulation/signalled.h"
#include "tests/simulation/standing.h"

enum { ENTRIES_MAX = 4096 };
static const uint64_t NO_PATH = UINT64_MAX; /* which no journal has */

static int number(const run_record *r) { return (int)(r - w->runs); }
static run_record *origin_of(const run_record *r) { return &w->runs[r->origin]; }

static bool list_has(const path_list *l, uint64_t path)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->paths[i] == path) return true;
    return false;
}

static void list_add(path_list *l, uint64_t path)
{
    if (l->count == PATHS_MAX) abort();
    l->paths[l->count++] = path;
}

/* ---- Asking ---- */

bool forked_may_ask(const run_record *r) { return w->fork_ask_count < FORK_ASKS_MAX && r->job >= 0; }

int16_t forked_ask(const run_record *r)
{
    int16_t at = (int16_t)w->fork_ask_count++;
    fork_ask *a = &w->fork_asks[at];
    *a = (fork_ask){.source = (int16_t)number(r)};
    if (r->path_count > 0 && world_chance(RANDOM_LIVE, 85))
        a->from = r->paths[world_below(RANDOM_LIVE, r->path_count)];
    else if (world_chance(RANDOM_LIVE, 10))
        a->from = NO_PATH;
    if (world_chance(RANDOM_LIVE, 30)) a->salt = (unsigned)at + 1;
    a->has_key = world_chance(RANDOM_LIVE, 50);
    return at;
}

int16_t forked_lost(void)
{
    for (unsigned i = 0; i < w->fork_ask_count; i++) {
        const fork_ask *a = &w->fork_asks[i];
        if (a->has_key && a->sent > 0 && !a->named && !a->is_refused) return (int16_t)i;
    }
    return -1;
}

bool forked_key(int16_t ask, char out[16])
{
    (void)snprintf(out, 16, "fork-%d", ask);
    return w->fork_asks[ask].has_key;
}

void forked_body(int16_t ask, bool is_dry, char out[FORKED_BODY_MAX])
{
    fork_ask *a = &w->fork_asks[ask];
    const run_record *source = &w->runs[a->source];
    char from[24] = "null", body[64] = "null";
    if (a->from) (void)snprintf(from, sizeof from, "\"%016llx\"", (unsigned long long)a->from);
    if (a->salt % 2)
        (void)snprintf(body, sizeof body, "{\"job\":%d,\"salt\":%u}", source->job, a->salt);
    else if (a->salt)
        (void)snprintf(body, sizeof body, "\"{\\\"job\\\":%d,\\\"salt\\\":%u}\"", source->job, a->salt);
    (void)snprintf(out, FORKED_BODY_MAX, "{\"from\":%s,\"body\":%s,\"dryRun\":%s}", from, body,
                   is_dry ? "true" : "false");
    if (is_dry)
        a->known = source->entries;
    else
        a->sent++;
}

/* ---- How many there may be ---- */

static bool asks_same(const fork_ask *a, const fork_ask *b)
{
    return a->source == b->source && a->from == b->from && a->salt == b->salt;
}

/* Of one and the same wish there are as many forks as requests for it, or fewer. */
static void look_at_count(const fork_ask *a)
{
    unsigned forks = 0, requests = 0;
    for (unsigned i = 0; i < w->fork_ask_count; i++)
        requests += asks_same(a, &w->fork_asks[i]) && w->fork_asks[i].sent > 0 && !w->fork_asks[i].is_refused;
    for (unsigned i = 0; i < w->run_count; i++)
        forks += w->runs[i].is_fork && asks_same(a, &w->fork_asks[w->runs[i].fork_ask]);
    PROMISE("forked once", forks <= requests, "run %d has %u forks from %016llx, and %u requests may have begun one",
            a->source, forks, (unsigned long long)a->from, requests);
}

/* ---- What the operator is told ---- */

/* Reads the paths of the list of that name. */
static void read_paths(const char *answer, const char *name, path_list *to)
{
    static const char path[] = "\"path\":\"";
    const char *at = strstr(answer, name), *end = at ? strchr(at, ']') : NULL;
    to->count = 0;
    if (!end) return;
    while ((at = strstr(at, path)) && at < end) {
        at += strlen(path);
        list_add(to, strtoull(at, NULL, 16));
    }
}

static bool named_by(const char *answer, const char *name, char id[RUN_TEXT])
{
    const char *at = strstr(answer, name);
    if (at) (void)snprintf(id, RUN_TEXT, "%.26s", at + strlen(name));
    return at != NULL;
}

/* Of the steps in the list: none follows the one from which the fork goes its own way; and if it has all that is on
 * disk, none that came before is missing. */
static void look_at_order(const run_record *source, const fork_ask *a, const path_list *copied, bool is_whole)
{
    int from = a->from ? promise_op_at(source, a->from) : NO_OP;
    PROMISE("forked", a->from || copied->count == 0, "a fork of the whole of run %d would copy something", a->source);
    for (int at = 0; from != NO_OP && at < OPS_MAX; at++) {
        const op_state *s = &source->ops[at];
        bool has = false;
        for (unsigned i = 0; i < copied->count && !has; i++) has = promise_op_at(source, copied->paths[i]) == at;
        forked_order order = forked_order_of(source->job, at, from);
        bool follows = at == from || order == FORKED_BEHIND;
        PROMISE("forked", !has || !follows, "run %d, forked from op %d: op %d is copied, and follows it",
                number(source), from, at);
        bool missing = order == FORKED_BEFORE && s->done && !has;
        PROMISE("forked", !is_whole || !missing, "run %d, forked from op %d: op %d came before, and is not copied",
                number(source), from, at);
    }
}

static void dry_told(const client *c, const run_record *r, fork_ask *a)
{
    char id[RUN_TEXT] = "";
    const char *entries = strstr(c->answer, "\"entries\":");
    a->entries = entries ? (unsigned)strtoul(entries + strlen("\"entries\":"), NULL, 10) : 0;
    read_paths(c->answer, "\"copied\":[", &a->copied);
    read_paths(c->answer, "\"again\":[", &a->again);
    PROMISE("fork told", named_by(c->answer, "\"forkedFrom\":\"", id) && strcmp(id, r->id) == 0 && a->entries > 0,
            "what a fork of run %d would do: %.400s", number(r), c->answer);
    look_at_order(r, a, &a->copied, r->entries == a->known);
}

static void fork_told(const client *c, const run_record *source, fork_ask *a)
{
    char id[RUN_TEXT] = "";
    const run_record *r = named_by(c->answer, "\"runId\":\"", id) ? world_run(id) : NULL;
    bool there = r && r->on_disk && r->is_fork && asks_same(a, &w->fork_asks[r->fork_ask]);
    bool is_new = there && (a->named ? a->named == (unsigned)number(r) + 1 : !w->fork_asks[r->fork_ask].is_told);
    PROMISE("fork told", is_new,
            "the operator was told of a fork of run %d, and the disk has none, or it was told before: %.200s",
            number(source), c->answer);
    w->fork_asks[r->fork_ask].is_told = true;
    w->met[MET_FORK_AGAIN] += a->sent > 1;
    a->named = (unsigned)number(r) + 1;
}

/* Nothing has begun, and the reason is one that there is. */
static bool is_rightly_refused(const client *c, const run_record *r, const fork_ask *a)
{
    if (c->status == 503) return true;
    if (c->status == 404) return a->from == NO_PATH || !r->on_disk || client_may_be_forgotten(c);
    return c->status == 409 && standing_lacks(r->job) && c->target == TARGET_FORK;
}

void forked_told(const client *c, const run_record *r)
{
    fork_ask *a = &w->fork_asks[c->fork_ask];
    if (c->status == 200 && c->target == TARGET_FORK_DRY) {
        dry_told(c, r, a);
    } else if (c->status == 202 && c->target == TARGET_FORK) {
        fork_told(c, r, a);
    } else if (c->status != 0) {
        PROMISE("fork told", is_rightly_refused(c, r, a), "the operator was told %d by a fork of run %d: %.200s",
                c->status, number(r), c->answer);
        a->is_refused = a->sent <= 1 && !strstr(c->answer, "nobody knows yet");
        look_at_count(a);
    }
}

/* ---- Its start ---- */

/* The value of that name in the entry's `more`. */
static bool more_of(msgpack_unpacked *u, const entry *started, const char *name, msgpack_object *out)
{
    if (msgpack_unpack_next(u, started->more.data, started->more.len, NULL) != MSGPACK_UNPACK_SUCCESS ||
        u->data.type != MSGPACK_OBJECT_MAP)
        return false;
    for (uint32_t i = 0; i < u->data.via.map.size; i++) {
        const msgpack_object_kv *kv = &u->data.via.map.ptr[i];
        if (!entry_text_is((entry_text){kv->key.via.str.ptr, kv->key.via.str.size}, name)) continue;
        *out = kv->val;
        return true;
    }
    return false;
}

bool forked_is(const entry *started)
{
    msgpack_unpacked u;
    msgpack_object value;
    msgpack_unpacked_init(&u);
    bool is = started->more.len > 0 && more_of(&u, started, "forked_from", &value);
    msgpack_unpacked_destroy(&u);
    return is;
}

static void read_origin(const entry *started, char id[RUN_TEXT], uint64_t *from)
{
    msgpack_unpacked u;
    msgpack_object value;
    msgpack_unpacked_init(&u);
    if (more_of(&u, started, "forked_from", &value) && value.type == MSGPACK_OBJECT_STR)
        (void)snprintf(id, RUN_TEXT, "%.*s", (int)value.via.str.size, value.via.str.ptr);
    msgpack_unpacked_destroy(&u);
    msgpack_unpacked_init(&u);
    *from = more_of(&u, started, "forked_at", &value) ? value.via.u64 : NO_PATH;
    msgpack_unpacked_destroy(&u);
}

static unsigned salt_of(const entry *started)
{
    int salt = program_asked(started, "salt");
    return salt > 0 ? (unsigned)salt : 0;
}

/* A request that has begun no fork yet. -1: there is none. */
static int16_t ask_of(const fork_ask *wish)
{
    for (unsigned i = 0; i < w->fork_ask_count; i++) {
        bool is_free = w->fork_asks[i].sent > 0 && asks_same(wish, &w->fork_asks[i]);
        for (unsigned k = 0; k < w->run_count && is_free; k++)
            is_free = !w->runs[k].is_fork || w->runs[k].fork_ask != (int16_t)i;
        if (is_free) return (int16_t)i;
    }
    return -1;
}

const char *forked_begins(run_record *r, const entry *started)
{
    char id[RUN_TEXT] = "";
    fork_ask wish = {.salt = salt_of(started)};
    read_origin(started, id, &wish.from);
    const run_record *source = world_run(id);
    if (!source || !source->on_disk) return "it is a fork of a run that is not there";
    wish.source = (int16_t)number(source);
    if (wish.salt == source->salt) wish.salt = 0;
    r->fork_ask = ask_of(&wish);
    if (r->fork_ask < 0) return "it is a fork, and nobody has asked for it, or it has begun already";
    r->is_fork = true;
    r->origin = wish.source;
    r->salt = salt_of(started);
    const char *key = w->jobs[r->job].key;
    if (*key && started->headers.len > 0 && memmem(started->headers.data, started->headers.len, key, strlen(key)))
        return "it is a fork, and has the original's Idempotency-Key";
    look_at_count(&wish);
    w->met[MET_FORKED]++;
    w->met[MET_FORK_LIVE] += !source->ended;
    return r->job == source->job ? NULL : "it is a fork, and of another job";
}

/* ---- What it has copied ---- */

/* Gives the fork's step the key that it has to have. */
static const char *copy_step(run_record *r, const run_record *source, const entry *e, int *at)
{
    run_id id;
    *at = promise_op_at(source, e->path);
    if (*at == NO_OP) return "it copies something of a step of which no attempt began";
    if (!run_id_parse(r->id, strlen(r->id), &id)) return "its id is none";
    step_key(&id, e->path, r->ops[*at].key);
    return NULL;
}

static const char *take_done(run_record *r, const run_record *source, const entry *e)
{
    int at;
    const char *wrong = copy_step(r, source, e, &at);
    if (wrong) return wrong;
    op_state *s = &r->ops[at];
    if (s->copied) return "it copies a step twice";
    if (!source->ops[at].done) return "it copies a step that is not done";
    s->done = s->copied = true;
    s->nonce = source->ops[at].nonce;
    s->chunks = 0;
    return NULL;
}

static const char *take_failed(run_record *r, const run_record *source, const entry *e)
{
    int at;
    const char *wrong = copy_step(r, source, e, &at);
    if (wrong) return wrong;
    op_state *s = &r->ops[at];
    if (s->copied) return "it copies a step twice";
    if (!source->ops[at].failed || e->due_ms != 0) return "it copies a failure that was not the last";
    if (source->causes >> at & 1) return "it copies a failure that has ended or stopped the original";
    s->failed = s->copied = true;
    s->fatal = e->fatal;
    s->failures = e->attempt;
    return NULL;
}

static const char *take_chunk(run_record *r, const run_record *source, const entry *e)
{
    int at;
    if (e->id.len == 0) return NULL; /* of the handler, or a branch */
    const char *wrong = copy_step(r, source, e, &at);
    if (wrong) return wrong;
    r->ops[at].chunks++;
    return source->ops[at].done ? NULL : "it copies a chunk of a step that is not done";
}

static void choose(run_record *r, const run_record *source, int at)
{
    op_state *s = &r->ops[at];
    s->chosen = s->copied = true;
    s->choice = source->ops[at].choice;
    s->drawn = ++r->draws;
}

static const char *take_value(run_record *r, const run_record *source, const entry *e)
{
    for (int at = 0; at < OPS_MAX; at++) {
        const op_state *s = &source->ops[at];
        if (!s->chosen || s->value_path != e->path || r->ops[at].chosen) continue;
        choose(r, source, at);
        r->ops[at].value_path = e->path;
        return NULL;
    }
    return "it copies a choice that the original has not made, or twice";
}

static const char *take_patch(run_record *r, const run_record *source, const entry *e)
{
    int at = e->id.len > 1 && e->id.len < 4 ? atoi(e->id.data + 1) : NO_OP;
    if (at < 0 || at >= OPS_MAX || !source->ops[at].chosen || r->ops[at].chosen)
        return "it copies an answer of sw_patch that the original has not, or twice";
    choose(r, source, at);
    return NULL;
}

/* What has become of a wait. */
static const char *take_decision(run_record *r, const run_record *source, const entry *e)
{
    int at = signalled_op(r, e);
    if (at == NO_OP || !source->ops[at].chosen || r->ops[at].chosen)
        return "it copies what has become of a wait that is not decided, or twice";
    choose(r, source, at);
    w->met[MET_FORK_WAITS]++;
    return NULL;
}

static const char *take_sent(run_record *r, const run_record *source, const entry *e)
{
    int at = sent_op(r, e);
    if (at == NO_OP || !source->ops[at].chosen || r->ops[at].chosen)
        return "it copies a signal that the original has not sent, or twice";
    choose(r, source, at);
    return NULL;
}

/* Who has won a group. */
static const char *take_won(run_record *r, const run_record *source, const entry *e)
{
    int at = selected_op(r, e);
    if (at == NO_OP || !source->ops[at].chosen || r->ops[at].chosen || source->ops[at].choice != e->member)
        return "it copies a decision of a group that the original has not made, or twice";
    choose(r, source, at);
    selected_give_up(r, at);
    w->met[MET_FORK_WON]++;
    return NULL;
}

/* What an attempt has said goes with its result. */
static const char *take_remark(run_record *r, const run_record *source, const entry *e)
{
    int at;
    const char *wrong = e->attempt > 0 ? copy_step(r, source, e, &at) : "it copies what was said outside steps";
    return wrong ? wrong : remarked_take(r, e, at);
}

static unsigned bit_of(const char *id, size_t len) { return len == 2 && id[0] == 's' ? 1U << ((id[1] - '0') & 7) : 0; }

const char *forked_take(run_record *r, const entry *e)
{
    const run_record *source = origin_of(r);
    switch (e->kind) {
    case ENTRY_STEP_DONE:
        return take_done(r, source, e);
    case ENTRY_STEP_FAILED:
        return take_failed(r, source, e);
    case ENTRY_CHUNK:
        return take_chunk(r, source, e);
    case ENTRY_VALUE:
        return take_value(r, source, e);
    case ENTRY_PATCH:
        return take_patch(r, source, e);
    case ENTRY_SLEEP:
        r->slept |= bit_of(e->id.data, e->id.len);
        return NULL;
    case ENTRY_BRANCH:
    case ENTRY_WAIT:
    case ENTRY_SIGNAL:
        return NULL;
    case ENTRY_TAKEN:
    case ENTRY_TIMED_OUT:
        return take_decision(r, source, e);
    case ENTRY_SENT:
        return take_sent(r, source, e);
    case ENTRY_CALLED:
    case ENTRY_RETURNED:
        return called_copy(r, source, e);
    case ENTRY_WON:
        return take_won(r, source, e);
    case ENTRY_LABEL:
    case ENTRY_STATUS:
        return take_remark(r, source, e);
    default:
        return "it copies what says nothing of what it has done";
    }
}

/* A failure that it has copied may be what stops or ends the fork too: a release or resume has the step made again. */
static bool holds_copy(const op_state *s) { return s->copied && (s->done || s->failed); }

bool forked_has_copied(const char *key)
{
    for (unsigned i = 0; i < w->run_count; i++)
        for (unsigned o = 0; w->runs[i].is_fork && o < OPS_MAX; o++)
            if (holds_copy(&w->runs[i].ops[o]) && strcmp(w->runs[i].ops[o].key, key) == 0) return true;
    return false;
}

bool forked_has_slept(const run_record *r, int at)
{
    const char *id = w->jobs[r->job].ops[at].id;
    return (r->slept & bit_of(id, strlen(id))) != 0;
}

/* ---- Its first segment, and the original's journal ---- */

/* Two journals side by side. */
typedef struct comparing {
    const run_record *fork, *source;
    store_journal journal;            /* of the source */
    uint32_t limit;                   /* entries of it that the ledger knows */
    uint32_t seen;                    /* of them */
    size_t at;                        /* in it */
    uint32_t places[ENTRIES_MAX + 1]; /* how many copies come before each of its entries */
    path_list copied, all;            /* what an answer would name */
    uint32_t first;                   /* place of the first entry of what the fork goes its own way from; 0: none */
    int16_t late[OPS_MAX];            /* operations whose end is copied, and came behind that */
    unsigned late_count;
} comparing;

static bool is_told(const entry *e, bool is_copied)
{
    bool is_one = e->kind == ENTRY_STEP_DONE || e->kind == ENTRY_STEP_FAILED || e->kind == ENTRY_SLEEP ||
                  e->kind == ENTRY_WAIT || e->kind == ENTRY_CALLED || e->kind == ENTRY_VALUE || e->kind == ENTRY_SENT;
    return is_one || (!is_copied && (e->kind == ENTRY_ROLLBACK || (e->kind == ENTRY_CHUNK && e->id.len > 0)));
}

/* But for how many entries its run had when it began. */
static bool is_same(const entry *a, const entry *b)
{
    msgpack_sbuffer bytes[2];
    entry both[2] = {*a, *b};
    for (int i = 0; i < 2; i++) {
        msgpack_sbuffer_init(&bytes[i]);
        both[i].began = 0;
        if (entry_encode(&bytes[i], &both[i]) != 0) abort();
    }
    bool same =
        entry_text_equal((entry_text){bytes[0].data, bytes[0].size}, (entry_text){bytes[1].data, bytes[1].size});
    msgpack_sbuffer_destroy(&bytes[0]);
    msgpack_sbuffer_destroy(&bytes[1]);
    return same;
}

/* Reads on in the original. False: there is no more that the ledger knows. */
static bool next_of_source(comparing *c, entry *e, uint32_t copies)
{
    const char *error = NULL;
    if (c->seen == c->limit || c->seen == ENTRIES_MAX) return false;
    size_t n = entry_decode(c->journal.data + c->at, c->journal.len - c->at, e, &error);
    if (n == 0) abort();
    c->places[c->seen++] = copies;
    if (c->first == 0 && e->path != 0 && e->path == w->fork_asks[c->fork->fork_ask].from) c->first = c->seen - 1;
    c->at += n;
    if (is_told(e, false) && !list_has(&c->all, e->path)) list_add(&c->all, e->path);
    return true;
}

/* The operation that the entry ends. */
static int op_ended(const run_record *r, const entry *e)
{
    switch (e->kind) {
    case ENTRY_STEP_DONE:
        return promise_op_at(r, e->path);
    case ENTRY_TAKEN:
    case ENTRY_TIMED_OUT:
        return signalled_op(r, e);
    case ENTRY_RETURNED:
        return called_op(r, e);
    default:
        return NO_OP;
    }
}

static void note_copy(comparing *c, const entry *e)
{
    int at = op_ended(c->source, e);
    if (c->first == 0 || at == NO_OP || c->late_count == OPS_MAX) return;
    c->late[c->late_count++] = (int16_t)at;
}

static bool find_copy(comparing *c, const entry *e, uint32_t copies)
{
    entry of;
    while (next_of_source(c, &of, copies)) {
        if (of.kind != e->kind || of.path != e->path || !is_same(&of, e)) continue;
        note_copy(c, &of);
        uint32_t began = of.began > 0 ? 1 + c->places[of.began < c->seen ? of.began : c->seen - 1] : 0;
        return e->began == began;
    }
    return false;
}

static bool same_request(const comparing *c, const entry *start, const entry *of)
{
    bool same = entry_text_equal(start->function, of->function) && entry_text_equal(start->method, of->method) &&
                entry_text_equal(start->target, of->target) && entry_text_equal(start->params, of->params);
    bool edited = w->fork_asks[c->fork->fork_ask].salt != 0;
    entry_text input = entry_more_find(start->more, "input"), had = entry_more_find(of->more, "input");
    return same && (edited || (entry_text_equal(start->body, of->body) && entry_text_equal(input, had)));
}

/* Each entry of the fork is one of the original's, in their order. */
static uint32_t compare_entries(comparing *c, const char *data, size_t len)
{
    uint32_t copies = 0;
    const char *error = NULL;
    entry e, of;
    for (size_t at = 0, n; at < len; at += n, copies++) {
        n = entry_decode(data + at, len - at, &e, &error);
        bool same = at > 0 ? find_copy(c, &e, copies - 1) : next_of_source(c, &of, 0) && same_request(c, &e, &of);
        PROMISE("forked", same, "entry %u of run %d (kind %d) is not as run %d has it", copies, number(c->fork), e.kind,
                number(c->source));
        if (is_told(&e, true)) list_add(&c->copied, e.path);
    }
    while (next_of_source(c, &of, copies - 1)) continue;
    return copies;
}

/* What the operator was told, when the original had what it has now. But that a sleep may be over since, or not yet
 * again where somebody has set the clock. */
static void compare_told(const comparing *c, uint32_t entries)
{
    const fork_ask *a = &w->fork_asks[c->fork->fork_ask];
    uint32_t later = 0, sooner = 0;
    for (unsigned i = 0; i < c->copied.count; i++) later += !list_has(&a->copied, c->copied.paths[i]);
    for (unsigned i = 0; i < a->copied.count; i++) sooner += !list_has(&c->copied, a->copied.paths[i]);
    PROMISE("as it was told", entries + sooner == a->entries + later && (sooner == 0 || w->plan.sets_clock),
            "run %d begins with %u entries, of which %u were to be done again; its operator was told %u",
            number(c->fork), entries, later, a->entries);
    for (unsigned i = 0; i < c->copied.count; i++)
        PROMISE("as it was told", list_has(&a->copied, c->copied.paths[i]) || list_has(&a->again, c->copied.paths[i]),
                "run %d has copied %016llx, and nobody has said so", number(c->fork),
                (unsigned long long)c->copied.paths[i]);
    for (unsigned i = 0; i < c->all.count; i++)
        PROMISE("as it was told", list_has(&a->copied, c->all.paths[i]) != list_has(&a->again, c->all.paths[i]),
                "of %016llx of run %d nobody was told whether it is copied", (unsigned long long)c->all.paths[i],
                number(c->source));
}

/* What had lost is to have its chance again: of what has won against it nothing is copied that came later. */
static void look_at_rivals(const comparing *c, const fork_ask *a)
{
    int from = a->from ? promise_op_at(c->source, a->from) : NO_OP;
    if (from == NO_OP || !c->source->ops[from].given_up) return;
    w->met[MET_FORK_RACED]++;
    for (unsigned i = 0; i < c->late_count; i++)
        PROMISE("forked", !selected_has_beaten(c->source, c->late[i], from),
                "run %d goes its own way from op %d, and has the end of op %d, which has won against that",
                number(c->fork), from, c->late[i]);
}

void forked_compare(const run_record *r, const char *data, size_t len)
{
    static comparing c;
    c = (comparing){.fork = r, .source = origin_of(r), .limit = origin_of(r)->entries};
    const fork_ask *a = &w->fork_asks[r->fork_ask];
    bool is_calm = c.source->entries == a->known;
    disk_journal(c.source, &c.journal);
    promise_kept(c.source, c.journal.data, c.journal.len);
    uint32_t entries = compare_entries(&c, data, len);
    if (is_calm) compare_told(&c, entries);
    look_at_order(c.source, a, &c.copied, is_calm);
    if (is_calm) look_at_rivals(&c, a);
    PROMISE("forked", !called_copy_lacks_result(r), "run %d has copied a call that has no result", number(r));
    free(c.journal.data);
}

/* ---- How its original leads to it ---- */

unsigned forked_count(const run_record *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->run_count; i++) n += w->runs[i].is_fork && w->runs[i].origin == number(r);
    return n;
}

static void look_for_rows(const memory_table *kin, const run_record *r)
{
    run_id fork, source;
    kin_pair pair;
    if (!run_id_parse(r->id, RUN_ID_TEXT, &fork) || !run_id_parse(origin_of(r)->id, RUN_ID_TEXT, &source)) abort();
    kin_pair_fill(&pair, &source, KIN_FORK, &fork);
    bool leads = kin && memory_get(kin, pair.keys[0], KIN_KEY_BYTES),
         back = kin && memory_get(kin, pair.keys[1], KIN_KEY_BYTES);
    PROMISE("kin", leads && back, "run %d is a fork of run %d, and the disk has no row that leads %s", number(r),
            r->origin, leads ? "back" : "to it");
}

void forked_found(const memory_table *kin)
{
    size_t forks = 0;
    for (unsigned i = 0; i < w->run_count; i++) {
        if (!w->runs[i].is_fork) continue;
        look_for_rows(kin, &w->runs[i]);
        forks++;
    }
    size_t pairs = forks + called_count();
    PROMISE("kin", (kin ? kin->count : 0) == 2 * pairs, "there are %zu forks and runs that were called, and %zu rows",
            pairs, kin ? kin->count : 0);
}

void forked_page_told(const client *c, const run_record *r)
{
    static const char run[] = "\"runId\":\"";
    const char *at = strstr(c->answer, "\"forks\":["), *end = at ? strchr(at, ']') : NULL;
    unsigned named = 0;
    for (char id[RUN_TEXT]; end && (at = strstr(at, run)) && at < end; named++) {
        at += strlen(run);
        (void)snprintf(id, sizeof id, "%.26s", at);
        const run_record *fork = world_run(id);
        PROMISE("kin", fork && fork->is_fork && fork->origin == number(r), "the page of run %d names %s as a fork",
                number(r), id);
    }
    PROMISE("kin", named >= c->forks_before || strstr(c->answer, "\"forksUnread\":"),
            "run %d had %u forks, and its page names %u", number(r), c->forks_before, named);
    w->met[MET_FORK_NAMED] += named > 0;
}

/* ---- The rest ---- */

void forked_note(run_record *r, const entry *e)
{
    bool has_own = e->kind == ENTRY_STEP_DONE || e->kind == ENTRY_STEP_FAILED || e->kind == ENTRY_ROLLBACK ||
                   e->kind == ENTRY_SLEEP || e->kind == ENTRY_WAIT || e->kind == ENTRY_CALLED ||
                   e->kind == ENTRY_BRANCH || (e->kind == ENTRY_CHUNK && e->id.len > 0);
    if (!has_own || e->path == 0 || r->path_count == PATHS_MAX) return;
    for (unsigned i = 0; i < r->path_count; i++)
        if (r->paths[i] == e->path) return;
    r->paths[r->path_count++] = e->path;
}

/* One has done, failed or chosen something, and the other has not, or otherwise. */
static bool differs(const op_state *a, const op_state *b)
{
    return a->done != b->done || a->nonce != b->nonce || a->failed != b->failed || a->chosen != b->chosen ||
           (a->chosen && a->choice != b->choice);
}

void forked_ended(const run_record *r)
{
    const run_record *source = r->is_fork ? origin_of(r) : NULL;
    if (!source || r->outcome != ENTRY_SUCCEEDED) return;
    w->met[MET_FORK_DONE]++;
    w->met[MET_FORK_UNTOLD] += !w->fork_asks[r->fork_ask].is_told;
    if (!source->ended || source->outcome != ENTRY_SUCCEEDED || source->salt != r->salt) return;
    for (unsigned o = 0; o < OPS_MAX; o++)
        if (differs(&r->ops[o], &source->ops[o])) return;
    w->met[MET_FORK_SAME]++;
    PROMISE("same answer",
            r->status == source->status && r->body_len == source->body_len &&
                memcmp(r->body, source->body, r->body_len) == 0,
            "run %d has done what run %d has, and answers %d %.*s", number(r), r->origin, r->status, (int)r->body_len,
            r->body);
}
