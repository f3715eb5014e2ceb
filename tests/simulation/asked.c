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

const char *asked_choice(const run_record *r, int at, int choice, char out[ASKED_CHOICE_MAX])
{
    (void)snprintf(out, ASKED_CHOICE_MAX, "%d.%d.%d", number(r), at, choice);
    return out;
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

static const op *op_asked(const signal_note *n)
{
    const question_note *q = &w->questions[n->question];
    return op_of(&w->runs[q->run], q->op);
}

/* The last choice of the question that has had a signal. */
static int16_t last_choice(unsigned question, int16_t *signal)
{
    int16_t last = 0;
    for (unsigned i = 1; i <= w->signal_count; i++) {
        const signal_note *n = &w->signals[i];
        if (n->question != question || n->choice <= last) continue;
        last = n->choice;
        *signal = (int16_t)i;
    }
    return last;
}

int16_t asked_draw(int16_t signal)
{
    signal_note *n = &w->signals[signal];
    int16_t earlier = 0;
    if (n->question == 0) return signal;
    n->by_form = world_chance(RANDOM_LIVE, 40);
    if (op_asked(n)->choices == 0) return signal;
    n->choice = last_choice(n->question, &earlier) + 1;
    if (world_chance(RANDOM_LIVE, 10)) n->choice = -1;
    if (n->choice <= op_asked(n)->choices) return signal;
    w->signal_count--;
    return earlier;
}

client_target asked_first(const client *c)
{
    const signal_note *n = &w->signals[c->signal];
    bool looks = n->question > 0 && n->by_form && world_chance(RANDOM_LIVE, 80); /* else it has another page's form */
    return looks ? TARGET_QUESTION : TARGET_SIGNAL;
}

const char *asked_path(int16_t signal) { return strstr(w->questions[w->signals[signal].question].url, "/_sw/"); }

const char *asked_body(const client *c, char out[ASKED_BODY_MAX])
{
    const signal_note *n = &w->signals[c->signal];
    const question_note *q = &w->questions[n->question];
    char text[ASKED_CHOICE_MAX] = "none.of.them";
    if (n->choice > 0) (void)asked_choice(&w->runs[q->run], q->op, n->choice, text);
    if (n->choice == 0) (void)snprintf(text, sizeof text, "%d", c->signal);
    const char *quote = n->choice != 0 ? "\"" : "";
    if (n->by_form)
        (void)snprintf(out, ASKED_BODY_MAX, "form=%s&answer=%s", c->form, text);
    else
        (void)snprintf(out, ASKED_BODY_MAX, "%s%s%s", quote, text, quote);
    return n->by_form ? "application/x-www-form-urlencoded" : "application/json";
}

/* Of a choice, or of a number that a form has made a text. */
static uint64_t number_of_text(const char *text)
{
    int run, at, choice;
    if (sscanf(text, "%d.%d.%d", &run, &at, &choice) != 3) return strtoull(text, NULL, 10);
    for (unsigned i = 1; i <= w->signal_count; i++) {
        const question_note *q = &w->questions[w->signals[i].question];
        if (w->signals[i].question > 0 && q->run == run && q->op == at && w->signals[i].choice == choice) return i;
    }
    return 0;
}

uint64_t asked_number(const msgpack_object *value)
{
    char text[ASKED_CHOICE_MAX];
    if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER) return value->via.u64;
    if (value->type != MSGPACK_OBJECT_STR || value->via.str.size >= sizeof text) return 0;
    (void)snprintf(text, sizeof text, "%.*s", (int)value->via.str.size, value->via.str.ptr);
    return number_of_text(text);
}

/* It counts: it is on its way to its run, or its run has had it. */
static bool counts(const signal_note *n) { return n->had || (n->order > 0 && !n->is_gone); }

void asked_answered(int16_t signal)
{
    unsigned question = w->signals[signal].question;
    for (unsigned i = 1; i <= w->signal_count && question > 0; i++)
        PROMISE("first answer", i == (unsigned)signal || w->signals[i].question != question || !counts(&w->signals[i]),
                "signal %d answers question %u, and signal %u has answered it before", signal, question, i);
}

/* ---- What somebody is told ---- */

static const char taken[] = "Your answer has been taken:", answered[] = "This question has been answered:";

/* The signal that the answer, or the page, says to have decided; 0: it says none. */
static unsigned decision_in(const char *answer)
{
    static const char name[] = "\"decision\":", strong[] = "<strong>";
    bool is_page = strstr(answer, taken) || strstr(answer, answered);
    const char *at = is_page ? strstr(answer, strong) : strstr(answer, name);
    if (!at) return 0;
    at += is_page ? strlen(strong) : strlen(name);
    return (unsigned)number_of_text(*at == '"' ? at + 1 : at);
}

static bool has_timed_out(const run_record *r, const question_note *q)
{
    for (unsigned at = 0; at < w->jobs[r->job].op_count; at++) {
        bool is_its = op_of(r, (int)at)->kind == OP_WAIT && op_of(r, (int)at)->name == op_of(r, q->op)->name;
        if (is_its && r->ops[at].drawn > 0 && r->ops[at].choice == PROGRAM_FAILED) return true;
    }
    return false;
}

/* Nobody waits for an answer any more, or what waits has lost its group. */
static bool may_be_late(const client *c, const run_record *r, const question_note *q)
{
    bool has_ended = r->ended || r->reopened > c->reopened_before;
    return has_ended || has_timed_out(r, q) || selected_may_have_lost(r, q->op);
}

static bool is_known(unsigned signal, unsigned question)
{
    return signal > 0 && signal <= w->signal_count && w->signals[signal].question == question;
}

/* All are told the same, unless the run has ended without it. */
static void look_at_decision(unsigned question, unsigned is)
{
    question_note *q = &w->questions[question];
    if (!is_known(is, question)) return;
    bool is_dropped = q->told > 0 && !counts(&w->signals[q->told]);
    PROMISE("first answer", q->told == 0 || q->told == is || is_dropped,
            "question %u was answered with %u, as somebody was told, and now with %u", question, q->told, is);
    q->told = is;
}

/* Its form is of no page of the question, or of one that came an hour ago. */
static bool is_foreign(const client *c, const signal_note *n) { return n->by_form && c->form_question != n->question; }

static bool is_older(const client *c, const signal_note *n, int64_t ms)
{
    return n->by_form && w->steady_ns - c->form_ns >= ms * 1000000;
}

/* 202: it is the answer, and on disk. 200: another was before, as everybody was told. 409, 410: it is too late. 400: it
 * cannot be one. */
static bool is_right(const client *c, const run_record *r, int status)
{
    const signal_note *n = &w->signals[c->signal];
    unsigned is = decision_in(c->answer);
    bool is_kept = is_known(is, n->question) && w->signals[is].order > 0;
    bool is_none = n->choice < 0 || is_foreign(c, n);
    switch (status) {
    case 202:
        return is_kept && is == (unsigned)c->signal && !is_none &&
               (w->plan.sets_clock || !is_older(c, n, ASKED_FORM_DEAD_MS));
    case 200:
        return is_kept && (is == (unsigned)c->signal || w->signals[is].sent > 0);
    case 409:
    case 410:
        return may_be_late(c, r, &w->questions[n->question]);
    default:
        return status == 400 && (is_none || is_older(c, n, w->plan.sets_clock ? 0 : ASKED_FORM_OLD_MS));
    }
}

static int status_of(const client *c)
{
    bool is_page = w->signals[c->signal].by_form && c->status == 200;
    return !is_page ? c->status : strstr(c->answer, taken) ? 202 : strstr(c->answer, answered) ? 200 : -1;
}

void asked_told(const client *c, const run_record *r)
{
    const signal_note *n = &w->signals[c->signal];
    int status = status_of(c);
    unsigned is = decision_in(c->answer);
    if (status == 0 || status == 503 || status == 429) return;
    PROMISE("answer told", is_right(c, r, status),
            "who answered question %u with %d was told %d, run %d has ended %d: %.200s", n->question, c->signal, status,
            number(r), r->ended, c->answer);
    w->met[MET_ANSWERED] += status == 202;
    w->met[MET_CHOSEN] += status == 202 && n->choice > 0;
    w->met[MET_CHOSEN_NONE] += status == 400 && n->choice < 0;
    w->met[MET_FORM] += status == 202 && n->by_form;
    w->met[MET_FORM_FOREIGN] += status == 400 && is_foreign(c, n);
    w->met[MET_ANSWERED_TWICE] += status == 200 && is != (unsigned)c->signal;
    w->met[MET_ANSWERED_LATE] += status == 409;
    look_at_decision(n->question, is);
}

/* The page has a form, or says what was decided, or that it is too late. */
void asked_page_told(client *c, const run_record *r)
{
    static const char hidden[] = "name=\"form\" value=\"";
    unsigned question = w->signals[c->signal].question, is = decision_in(c->answer);
    const char *form = strstr(c->answer, hidden);
    bool has_form = c->status == 200 && form, has_decision = c->status == 200 && is_known(is, question);
    c->form_question = 0;
    c->form[0] = 0;
    if (c->status == 0 || c->status == 503 || c->status == 429) return;
    PROMISE("answer told", has_form || has_decision || (c->status == 410 && may_be_late(c, r, &w->questions[question])),
            "the page of question %u is %d, run %d has ended %d: %.200s", question, c->status, number(r), r->ended,
            c->answer);
    if (has_form) {
        form += strlen(hidden);
        (void)snprintf(c->form, sizeof c->form, "%.*s", (int)strcspn(form, "\""), form);
        c->form_question = question;
        c->form_ns = w->steady_ns;
    }
    look_at_decision(question, is);
}
