#include "tests/simulation/signalled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/memory/memory_core.h"
#include "tests/simulation/asked.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/sent.h"

enum { MAIL_KIND = 4 };

static int number(const run_record *r) { return (int)(r - w->runs); }
static const op *op_of(const run_record *r, int at) { return &w->jobs[r->job].ops[at]; }

/* ---- Which are there ---- */

static bool is_unread(const signal_note *n, const run_record *r, char name)
{
    return n->run == number(r) && n->name == name && n->order > 0 && !n->had && !n->is_gone;
}

static bool has_unread(const run_record *r, char name)
{
    for (unsigned i = 1; i <= w->signal_count; i++)
        if (is_unread(&w->signals[i], r, name)) return true;
    return false;
}

/* The number of the signal that a wait has to take; 0: there is none. */
static uint64_t first_of(const run_record *r, char name)
{
    uint64_t first = 0;
    for (unsigned i = 1; i <= w->signal_count; i++) {
        const signal_note *n = &w->signals[i];
        bool is = is_unread(n, r, name) && !n->handed;
        if (is && (first == 0 || n->order < w->signals[first].order)) first = i;
    }
    return first;
}

/* ---- Sending ---- */

/* The name of a wait of the run's program that is not over, any of them; 0: there is none. */
static char awaited_name(const run_record *r)
{
    unsigned count = w->jobs[r->job].op_count, from = world_below(RANDOM_LIVE, count);
    for (unsigned i = 0; i < count; i++) {
        unsigned at = (from + i) % count;
        const op *o = op_of(r, (int)at);
        if (o->kind == OP_WAIT && !r->ops[at].chosen && !r->ops[at].given_up) return o->name;
    }
    return 0;
}

bool signalled_may_send(const run_record *r)
{
    return r->job >= 0 && w->signal_count + 1 < SIGNALS_MAX && w->jobs[r->job].endpoint != ENDPOINT_HASTY;
}

char signalled_lacks(const run_record *r)
{
    if (!r->on_disk || r->ended || !signalled_may_send(r)) return 0;
    for (unsigned at = 0; at < w->jobs[r->job].op_count; at++) {
        const op *o = op_of(r, (int)at);
        bool waits = o->kind == OP_WAIT && o->ms == 0 && r->ops[at].waits && !r->ops[at].given_up;
        if (waits && first_of(r, o->name) == 0) return o->name;
    }
    return 0;
}

bool signalled_is_awaited(const run_record *r)
{
    return r->job >= 0 && r->on_disk && !r->ended && awaited_name(r) != 0;
}

int16_t signalled_new(const run_record *r, char name)
{
    signal_note *n = &w->signals[++w->signal_count];
    *n = (signal_note){.run = (int16_t)number(r), .name = name};
    if (!name && world_chance(RANDOM_LIVE, 80)) n->name = awaited_name(r);
    if (!n->name && w->question_count > 0 && world_chance(RANDOM_LIVE, 70)) n->name = asked_name(r);
    n->question = asked_question(r, n->name);
    bool is_early = !n->question && asked_has(r, n->name) && n->name != name;
    if (!n->name || is_early) n->name = (char)('a' + world_below(RANDOM_LIVE, SIGNAL_NAMES));
    n->has_key = n->question == 0 && world_chance(RANDOM_LIVE, 60);
    return (int16_t)w->signal_count;
}

/* Answers to one question are one signal. */
bool signalled_may_repeat(int16_t signal)
{
    const signal_note *n = &w->signals[signal];
    return (n->has_key || n->question > 0) && w->letter_count < LETTERS_MAX / 2;
}

int16_t signalled_again(void)
{
    if (w->signal_count == 0) return -1;
    unsigned from = world_below(RANDOM_LIVE, w->signal_count);
    for (unsigned i = 0; i < w->signal_count; i++) {
        unsigned at = 1 + (from + i) % w->signal_count;
        if (signalled_may_repeat((int16_t)at)) return (int16_t)at;
    }
    return -1;
}

bool signalled_key(int16_t signal, char out[SIGNALLED_KEY_MAX])
{
    w->signals[signal].sent++;
    (void)snprintf(out, SIGNALLED_KEY_MAX, "signal-%d", signal);
    return w->signals[signal].has_key;
}

/* 202: it is on disk. 404 and 409: there is no such run, or it has ended. */
void signalled_told(const client *c, const run_record *r)
{
    const signal_note *n = &w->signals[c->signal];
    if (n->question > 0) {
        asked_told(c, r);
        return;
    }
    bool has_ended = r->ended || r->reopened > c->reopened_before;
    bool good = c->status == 202 ? n->order > 0 : c->status == 409 ? has_ended : c->status == 404 && !r->on_disk;
    if (c->status == 0 || c->status == 503) return;
    w->met[MET_SIGNAL_LATE] += c->status == 409;
    PROMISE("signal told", good, "the operator was told %d of signal %d to run %d, which has ended %d: %.200s",
            c->status, c->signal, number(r), r->ended, c->answer);
}

/* ---- What handlers do ---- */

void signalled_execution_begins(const run_record *r)
{
    for (unsigned i = 1; i <= w->signal_count; i++)
        if (w->signals[i].run == number(r)) w->signals[i].handed = false;
}

/* A member of a group, which nobody hears of when it takes a signal, waits for one of that name. */
static bool is_stood_for(const run_record *r, char name)
{
    for (unsigned at = 0; at < w->jobs[r->job].op_count; at++) {
        const op *o = op_of(r, (int)at);
        if (o->kind == OP_WAIT && o->parent != NO_OP && o->name == name && !r->ops[at].chosen) return true;
    }
    return false;
}

void signalled_waited(const run_record *r, int at, bool has_come, uint64_t n)
{
    const op *o = op_of(r, at);
    world_note("run %d op %d waited for %c: %llu", number(r), at, o->name, (unsigned long long)n);
    if (r->ops[at].chosen) return; /* it is the recorded one: promise_choice */
    uint64_t first = first_of(r, o->name);
    if (has_come && is_unread(&w->signals[n], r, o->name) && !w->signals[n].handed && is_stood_for(r, o->name))
        first = n;
    if (!has_come && is_stood_for(r, o->name)) first = 0;
    PROMISE("signals in order", first == (has_come ? n : 0),
            "run %d op %d has %s signal %llu, and the first of %c on disk is %llu", number(r), at,
            has_come ? "got" : "timed out, not", (unsigned long long)n, o->name, (unsigned long long)first);
    if (has_come) w->signals[n].handed = true;
    w->met[MET_TIMED_OUT] += !has_come;
}

/* ---- Entries ---- */

int signalled_op(const run_record *r, const entry *e)
{
    char id[8] = "";
    memcpy(id, e->id.data, e->id.len < sizeof id ? e->id.len : 0);
    int at = id[0] == 'w' ? atoi(id + 1) : NO_OP;
    return at >= 0 && at < (int)w->jobs[r->job].op_count && op_of(r, at)->kind == OP_WAIT ? at : NO_OP;
}

/* The number of the signal with this value. */
static uint64_t number_of(const char *data, size_t len)
{
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    bool ok = msgpack_unpack_next(&u, data, len, NULL) == MSGPACK_UNPACK_SUCCESS;
    uint64_t n = ok ? asked_number(&u.data) : 0;
    msgpack_unpacked_destroy(&u);
    return n;
}

static const char *take_signal(const run_record *r, const entry *e)
{
    uint64_t is = number_of(e->value.data, e->value.len);
    if (is == 0 || is > w->signal_count) return "it has a signal that nobody has sent";
    signal_note *n = &w->signals[is];
    if (n->run != number(r) || !entry_text_equal(e->signal, (entry_text){&n->name, 1}))
        return "it has a signal that was sent to another run, or under another name";
    if (n->had) return "it has a signal twice";
    if (n->order == 0 || n->is_gone) return "it has a signal that was not on disk";
    for (unsigned i = 1; i <= w->signal_count; i++)
        if (is_unread(&w->signals[i], r, n->name) && w->signals[i].order < n->order)
            return "it has a signal, and not one that came before";
    n->had = true;
    if (e->letter.len == sizeof n->id) memcpy(n->id, e->letter.data, sizeof n->id);
    w->met[MET_SIGNAL]++;
    w->met[MET_SENT_HAD] += n->sender > 0;
    w->met[MET_SIGNAL_AGAIN] += n->sent > 1;
    return NULL;
}

/* What the wait's entry stands for, as the handler was told it. */
static uint64_t decision_of(const run_record *r, const entry *e)
{
    if (e->kind == ENTRY_TIMED_OUT) return PROGRAM_FAILED;
    for (unsigned i = 1; i <= w->signal_count; i++) {
        const signal_note *n = &w->signals[i];
        bool is = n->run == number(r) && n->had && e->letter.len == sizeof n->id;
        if (is && memcmp(n->id, e->letter.data, sizeof n->id) == 0) return i;
    }
    return 0;
}

const char *signalled_take(run_record *r, const entry *e)
{
    if (e->kind == ENTRY_SIGNAL) return take_signal(r, e);
    int at = signalled_op(r, e);
    if (at == NO_OP) return "it has a wait that its handler has not";
    op_state *s = &r->ops[at];
    if (s->chosen) return "a wait is decided twice, or begins behind that";
    if (e->kind == ENTRY_WAIT) {
        if (s->waits) return "a wait begins twice";
        w->met[MET_SIGNAL_EARLY] += has_unread(r, op_of(r, at)->name); /* its handler may have got that by now */
        s->waits = true;
        return NULL;
    }
    if (!s->waits) return "a wait is decided that has not begun";
    uint64_t is = decision_of(r, e);
    bool is_member = op_of(r, at)->parent != NO_OP; /* its handler is told when the group is over */
    if (is_member) s->choice = is;
    if (is == 0 || (!is_member && s->drawn == 0) || s->choice != is) return "a wait has got what no handler has seen";
    s->chosen = true;
    s->waits = false;
    return NULL;
}

/* ---- Letters ---- */

/* Reads [id, kind, name, value, from]. 0: it is no signal. */
static uint64_t signal_of(const void *data, size_t len, char *name, uint8_t id[16])
{
    msgpack_unpacked u;
    uint64_t n = 0;
    msgpack_unpacked_init(&u);
    bool ok = msgpack_unpack_next(&u, data, len, NULL) == MSGPACK_UNPACK_SUCCESS &&
              u.data.type == MSGPACK_OBJECT_ARRAY && u.data.via.array.size == 5;
    const msgpack_object *f = ok ? u.data.via.array.ptr : NULL;
    if (f && f[1].via.u64 == MAIL_KIND && f[2].via.str.size == 1 && f[0].via.bin.size == 16) {
        *name = f[2].via.str.ptr[0];
        memcpy(id, f[0].via.bin.ptr, 16);
        n = number_of(f[3].via.bin.ptr, f[3].via.bin.size);
    }
    msgpack_unpacked_destroy(&u);
    return n;
}

static letter_note *letter_of(const void *key, size_t len)
{
    for (unsigned i = 0; i < w->letter_count; i++)
        if (len == sizeof w->letters[i].key && memcmp(w->letters[i].key, key, len) == 0) return &w->letters[i];
    return NULL;
}

static void take_letter(const void *key, size_t key_len, const void *value, size_t value_len)
{
    char name = 0;
    uint8_t id[16];
    uint64_t is = signal_of(value, value_len, &name, id);
    if (is == 0 || letter_of(key, key_len)) return;
    PROMISE("signal", is <= w->signal_count && w->signals[is].name == name, "a letter brings signal %llu, named %c",
            (unsigned long long)is, name);
    if (w->letter_count == LETTERS_MAX) abort();
    letter_note *l = &w->letters[w->letter_count++];
    *l = (letter_note){.signal = (int16_t)is, .is_there = true};
    memcpy(l->key, key, key_len);
    signal_note *n = &w->signals[is];
    n->letters++;
    if (n->sender > 0) sent_arrived((int16_t)is);
    if (n->question > 0) asked_answered((int16_t)is);
    if (n->order > 0 && !n->is_gone) return;
    n->is_gone = false;
    n->order = ++w->signal_order;
    memcpy(n->id, id, sizeof n->id);
}

/* The last letter of a signal may go when its run has had the signal, or has ended. */
static void lose_letter(letter_note *l)
{
    signal_note *n = &w->signals[l->signal];
    const run_record *r = &w->runs[n->run];
    l->is_there = false;
    n->is_gone = true;
    for (unsigned i = 0; i < w->letter_count; i++)
        if (w->letters[i].signal == l->signal && w->letters[i].is_there) n->is_gone = false;
    PROMISE("no signal is lost", !n->is_gone || n->had || r->ended || !r->on_disk,
            "signal %d is deleted, and run %d has not had it", l->signal, n->run);
}

static int by_key(const void *a, const void *b)
{
    const store_row *const *one = a, *const *other = b;
    size_t len = (*one)->key.len < (*other)->key.len ? (*one)->key.len : (*other)->key.len;
    return memcmp((*one)->key.data, (*other)->key.data, len);
}

/* Those of one commit are there at one time, and their keys say which is the first. */
static void take_letters(const store_row **rows, size_t count)
{
    if (count == 0) return;
    qsort(rows, count, sizeof *rows, by_key);
    for (size_t i = 0; i < count; i++)
        take_letter(rows[i]->key.data, rows[i]->key.len, rows[i]->value.data, rows[i]->value.len);
}

void signalled_committed(const store_segment *list)
{
    const store_row *put[LETTERS_MAX];
    size_t count = 0;
    for (const store_segment *s = list; s; s = s->next)
        for (const store_row *row = s->outcome == STORE_DONE ? s->rows : NULL; row; row = row->next) {
            if (strcmp(row->table, "inbox") != 0) continue;
            letter_note *l = letter_of(row->key.data, row->key.len);
            if (row->op == STORE_ROW_DELETE && l && l->is_there) lose_letter(l);
            if (row->op == STORE_ROW_PUT && count == LETTERS_MAX) abort();
            if (row->op == STORE_ROW_PUT) put[count++] = row;
        }
    take_letters(put, count);
    sent_committed();
}

static bool table_has(const memory_table *t, const letter_note *l)
{
    for (size_t i = 0; t && i < t->count; i++)
        if (t->rows[i].key_len == sizeof l->key && memcmp(t->rows[i].key, l->key, sizeof l->key) == 0) return true;
    return false;
}

void signalled_found(const memory_table *inbox)
{
    for (size_t i = 0; inbox && i < inbox->count; i++) {
        const memory_row *row = &inbox->rows[i];
        take_letter(row->key, row->key_len, row->key + row->key_len, row->value_len);
    }
    for (unsigned i = 0; i < w->letter_count; i++)
        if (w->letters[i].is_there && !table_has(inbox, &w->letters[i])) lose_letter(&w->letters[i]);
    sent_committed();
}
