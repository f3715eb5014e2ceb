#include "runtime/run/question_seen.h"

#include <assert.h>
#include <stdlib.h>

#include "runtime/base/clock.h"
#include "runtime/base/value.h"
#include "runtime/run/home.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"

typedef struct seen {
    run_id run;
    uint64_t path; /* 0: the place is free */
    uint64_t since_us;
    uint64_t ticket; /* of the first read that may tell of it: those before may not know all that was written */
    bool is_known;   /* else its journal is being read */
    question_found found;
    arena memory; /* of `found` */
} seen;

struct questions_seen {
    seen all[SEEN_MAX];
    uint64_t last_ticket;
};

/* Whether the run may change unseen: it is in memory, or another node may have it. */
static bool run_may_change(const home *h, const run_id *id)
{
    const slot *s = slot_find(&h->slots, id);
    return (s && s->run) || run_find_slotless(h, id) || h->cluster->has_others;
}

static void seen_clear(seen *s)
{
    if (s->path == 0) return;
    arena_free(&s->memory);
    s->path = 0;
}

static seen *seen_find(const home *h, const run_id *of_run, uint64_t path)
{
    seen *all = h->questions_seen ? h->questions_seen->all : NULL;
    for (size_t i = 0; all && i < SEEN_MAX; i++)
        if (all[i].path == path && run_id_equal(&all[i].run, of_run)) return &all[i];
    return NULL;
}

static bool seen_is_over(const seen *s) { return clock_steady_us() - s->since_us >= SEEN_MS * 1000; }

/* A free place, or that of the oldest. */
static seen *seen_place(questions_seen *q)
{
    seen *oldest = &q->all[0];
    for (size_t i = 0; i < SEEN_MAX; i++) {
        if (q->all[i].path == 0) return &q->all[i];
        if (q->all[i].since_us < oldest->since_us) oldest = &q->all[i];
    }
    return oldest;
}

/* False: no memory. */
static bool found_copy(arena *a, const question_found *from, question_found *to)
{
    const char *error = NULL;
    *to = *from;
    to->answer = (entry_text){arena_memdup(a, from->answer.data, from->answer.len), from->answer.len};
    return (to->answer.data || from->answer.len == 0) && value_copy(a, from->asked.url, &to->asked.url, &error) &&
           value_copy(a, from->asked.signal, &to->asked.signal, &error) &&
           value_copy(a, from->asked.text, &to->asked.text, &error) &&
           value_copy(a, from->asked.choices, &to->asked.choices, &error);
}

bool question_seen_find(const home *h, const run_id *of_run, uint64_t path, arena *a, question_found *out)
{
    const seen *s = seen_find(h, of_run, path);
    if (!s || !s->is_known || run_may_change(h, of_run)) return false;
    return !seen_is_over(s) && found_copy(a, &s->found, out);
}

/* Another read may be under way: the first one that comes back tells. */
uint64_t question_seen_begin(home *h, const run_id *of_run, uint64_t path)
{
    assert(path != 0);
    if (run_may_change(h, of_run)) return 0;
    if (!h->questions_seen) h->questions_seen = calloc(1, sizeof *h->questions_seen);
    if (!h->questions_seen) return 0;
    const uint64_t ticket = ++h->questions_seen->last_ticket;
    seen *s = seen_find(h, of_run, path);
    if (s && !s->is_known && !seen_is_over(s)) return ticket;
    if (!s) s = seen_place(h->questions_seen);
    seen_clear(s);
    s->run = *of_run;
    s->path = path;
    s->since_us = clock_steady_us();
    s->ticket = ticket;
    s->is_known = false;
    arena_init(&s->memory, h->arenas);
    return ticket;
}

void question_seen_note(home *h, const run_id *of_run, uint64_t path, uint64_t ticket, const question_found *found)
{
    seen *s = seen_find(h, of_run, path);
    if (!s || s->is_known || ticket < s->ticket) return;
    bool is_kept = found->is_there && found->answer.len <= SEEN_ANSWER_MAX && !run_may_change(h, of_run);
    s->is_known = is_kept && found_copy(&s->memory, found, &s->found);
    if (!s->is_known) seen_clear(s);
}

void question_seen_drop(home *h, const run_id *of_run)
{
    seen *all = h->questions_seen ? h->questions_seen->all : NULL;
    for (size_t i = 0; all && i < SEEN_MAX; i++)
        if (all[i].path && run_id_equal(&all[i].run, of_run)) seen_clear(&all[i]);
}

void question_seen_free(home *h)
{
    for (size_t i = 0; h->questions_seen && i < SEEN_MAX; i++) seen_clear(&h->questions_seen->all[i]);
    free(h->questions_seen);
    h->questions_seen = NULL;
}
