#include "tests/simulation/asked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulation/program.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/selected.h"

static int number(const run_record *r) { return (int)(r - w->runs); }
static const op *op_of(const run_record *r, int at) { return &w->jobs[r->job].ops[at]; }

/* ---- Asking ---- */

static question_note *note_of(const run_record *r, int at)
{
    for (unsigned i = 1; i <= w->question_count; i++)
        if (w->questions[i].run == number(r) && w->questions[i].op == at) return &w->questions[i];
    return NULL;
}

static uint64_t hash_of(const char *url, size_t len) { return promise_hash(1, url, len); }

void asked_by_handler(run_record *r, int at, const char *url)
{
    question_note *q = note_of(r, at);
    promise_choice(r, at, hash_of(url, strlen(url)));
    if (q || w->question_count + 1 == QUESTIONS_MAX) return;
    q = &w->questions[++w->question_count];
    *q = (question_note){.run = (int16_t)number(r), .op = (int16_t)at};
    if (snprintf(q->url, sizeof q->url, "%s", url) >= (int)sizeof q->url) abort();
}

bool asked_is(const entry *e) { return e->kind == ENTRY_VALUE && e->id.len > 1 && e->id.data[0] == 'q'; }

int asked_op(const run_record *r, const entry *e)
{
    char id[8] = "";
    if (!asked_is(e)) return NO_OP;
    memcpy(id, e->id.data, e->id.len < sizeof id ? e->id.len : 0);
    int at = atoi(id + 1);
    return at < (int)w->jobs[r->job].op_count && op_of(r, at)->kind == OP_ASK ? at : NO_OP;
}

/* The hash of the URL in the entry's map. */
static uint64_t url_hash(const entry_text *value)
{
    msgpack_unpacked u;
    uint64_t hash = 0;
    msgpack_unpacked_init(&u);
    bool ok = msgpack_unpack_next(&u, value->data, value->len, NULL) == MSGPACK_UNPACK_SUCCESS &&
              u.data.type == MSGPACK_OBJECT_MAP;
    for (uint32_t i = 0; ok && i < u.data.via.map.size; i++) {
        const msgpack_object_kv *kv = &u.data.via.map.ptr[i];
        bool is_url = kv->key.via.str.size == 3 && memcmp(kv->key.via.str.ptr, "url", 3) == 0;
        if (is_url) hash = hash_of(kv->val.via.str.ptr, kv->val.via.str.size);
    }
    msgpack_unpacked_destroy(&u);
    return hash;
}

const char *asked_take(run_record *r, const entry *e)
{
    int at = asked_op(r, e);
    if (at == NO_OP) return "it has a question that its handler has not";
    op_state *s = &r->ops[at];
    question_note *q = note_of(r, at);
    if (s->chosen) return "a question is asked twice";
    if (s->drawn == 0 || s->choice != url_hash(&e->value)) return "a question has a URL that no handler has seen";
    s->chosen = true;
    s->value_path = e->path;
    if (q) q->on_disk = true;
    w->met[MET_ASKED]++;
    return NULL;
}

/* ---- Which there are ---- */

unsigned asked_question(const run_record *r, char name)
{
    for (unsigned i = 1; i <= w->question_count; i++) {
        const question_note *q = &w->questions[i];
        if (q->run == number(r) && q->on_disk && op_of(r, q->op)->name == name) return i;
    }
    return 0;
}

char asked_name(const run_record *r)
{
    unsigned from = world_below(RANDOM_LIVE, w->question_count);
    for (unsigned i = 0; i < w->question_count; i++) {
        const question_note *q = &w->questions[1 + (from + i) % w->question_count];
        if (q->run == number(r) && q->on_disk) return op_of(r, q->op)->name;
    }
    return 0;
}

bool asked_has(const run_record *r, char name)
{
    for (unsigned at = 0; at < w->jobs[r->job].op_count; at++)
        if (op_of(r, (int)at)->kind == OP_ASK && op_of(r, (int)at)->name == name) return true;
    return false;
}

/* ---- Answers ---- */

/* It counts: it is on its way to its run, or its run has had it. */
static bool counts(const signal_note *n) { return n->had || (n->order > 0 && !n->is_gone); }

void asked_answered(int16_t signal)
{
    unsigned question = w->signals[signal].question;
    for (unsigned i = 1; i <= w->signal_count && question > 0; i++)
        PROMISE("first answer", i == (unsigned)signal || w->signals[i].question != question || !counts(&w->signals[i]),
                "signal %d answers question %u, and signal %u has answered it before", signal, question, i);
}

static unsigned decision_in(const char *answer)
{
    static const char name[] = "\"decision\":";
    const char *at = strstr(answer, name);
    return at ? (unsigned)strtoul(at + strlen(name), NULL, 10) : 0;
}

static bool has_timed_out(const run_record *r, const question_note *q)
{
    for (unsigned at = 0; at < w->jobs[r->job].op_count; at++) {
        bool is_its = op_of(r, (int)at)->kind == OP_WAIT && op_of(r, (int)at)->name == op_of(r, q->op)->name;
        if (is_its && r->ops[at].drawn > 0 && r->ops[at].choice == PROGRAM_FAILED) return true;
    }
    return false;
}

/* 202: it is the answer, and on disk. 200: another was before, as everybody was told. 409: nobody waits any more, or
 * what waits has lost its group. */
void asked_told(const client *c, const run_record *r)
{
    const signal_note *n = &w->signals[c->signal];
    question_note *q = &w->questions[n->question];
    unsigned is = decision_in(c->answer);
    bool has_ended = r->ended || r->reopened > c->reopened_before;
    bool is_known = is > 0 && is <= w->signal_count && w->signals[is].question == n->question;
    bool is_kept = is_known && w->signals[is].order > 0;
    bool good = c->status == 202 ? is_kept && is == (unsigned)c->signal
                : c->status == 200
                    ? is_kept && (is == (unsigned)c->signal || w->signals[is].sent > 0)
                    : c->status == 409 && (has_ended || has_timed_out(r, q) || selected_may_have_lost(r, q->op));
    if (c->status == 0 || c->status == 503 || c->status == 429) return;
    PROMISE("answer told", good, "who answered question %u with %d was told %d, run %d has ended %d: %.200s",
            n->question, c->signal, c->status, number(r), r->ended, c->answer);
    w->met[MET_ANSWERED] += c->status == 202;
    w->met[MET_ANSWERED_TWICE] += c->status == 200 && is != (unsigned)c->signal;
    w->met[MET_ANSWERED_LATE] += c->status == 409;
    if (!is_known) return;
    bool is_dropped = q->told > 0 && !counts(&w->signals[q->told]); /* its run has ended without it */
    PROMISE("first answer", q->told == 0 || q->told == is || is_dropped,
            "question %u was answered with %u, as somebody was told, and now with %u", n->question, q->told, is);
    q->told = is;
}
