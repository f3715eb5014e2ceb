#include "runtime/probe/tape.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/probe/call_fact.h"

enum { SLOTS_FIRST = 1024 };

static size_t place_of(const tape *t, const fact *f)
{
    uint64_t h = f->path ^ (uint64_t)f->kind << 56 ^ (uint64_t)f->attempt << 32 ^ f->number;
    h *= 0x9e3779b97f4a7c15u;
    size_t i = (size_t)(h >> 20) & (t->slot_count - 1);
    while (t->slots[i] && !fact_is(t->slots[i], f)) i = (i + 1) & (t->slot_count - 1);
    return i;
}

static void put(tape *t, const fact *f)
{
    size_t i = place_of(t, f);
    t->count += t->slots[i] == NULL;
    t->slots[i] = f;
}

static bool grow(tape *t, size_t more)
{
    size_t slots = t->slot_count ? t->slot_count : SLOTS_FIRST;
    while ((t->count + more) * 2 > slots) slots *= 2;
    if (slots == t->slot_count) return true;
    const fact **old = t->slots, **made = calloc(slots, sizeof *made);
    size_t old_count = t->slot_count;
    if (!made) return false;
    t->slots = made;
    t->slot_count = slots;
    t->count = 0;
    for (size_t i = 0; i < old_count; i++)
        if (old[i]) put(t, old[i]);
    free(old);
    return true;
}

bool tape_add(tape *t, const fact *facts, size_t count)
{
    const fact **calls = realloc(t->calls, (t->call_count + count + 1) * sizeof *calls);
    if (calls) t->calls = calls;
    bool *taken = realloc(t->taken, t->call_count + count + 1);
    if (taken) t->taken = taken;
    if (!calls || !taken || !grow(t, count)) return false;
    for (size_t i = 0; i < count; i++) {
        put(t, &facts[i]);
        if (facts[i].kind != FACT_CALL) continue;
        t->taken[t->call_count] = false;
        t->calls[t->call_count++] = &facts[i];
    }
    return true;
}

void tape_free(tape *t)
{
    free(t->slots);
    free(t->calls);
    free(t->taken);
    *t = (tape){.slots = NULL};
}

const fact *tape_find(const tape *t, fact_kind kind, uint64_t path, uint32_t attempt, uint32_t number)
{
    const fact wanted = {.kind = kind, .path = path, .attempt = attempt, .number = number};
    return t->slot_count ? t->slots[place_of(t, &wanted)] : NULL;
}

/* ---- Calls ---- */

typedef enum likeness { UNLIKE, SAME_PLACE, SAME_URL } likeness;

/* A query may hold a time or a key that each execution has anew. */
static likeness compare(arena *a, const fact *x, const fact *y)
{
    call_asked q, r;
    if (!call_asked_read(a, x->data, &q) || !call_asked_read(a, y->data, &r)) return UNLIKE;
    size_t len = strcspn(q.url, "?#");
    if (strcmp(q.method, r.method) != 0) return UNLIKE;
    if (strcmp(q.url, r.url) == 0) return SAME_URL;
    return strcspn(r.url, "?#") == len && memcmp(q.url, r.url, len) == 0 ? SAME_PLACE : UNLIKE;
}

static const fact *in_place(const tape *t, arena *a, const fact *asked, uint32_t attempt)
{
    const fact *f = tape_find(t, FACT_CALL, asked->path, attempt, asked->number);
    return f && compare(a, f, asked) != UNLIKE ? f : NULL;
}

static const fact *anywhere(const tape *t, arena *a, const fact *asked, likeness least)
{
    for (size_t i = 0; i < t->call_count; i++)
        if (!t->taken[i] && compare(a, t->calls[i], asked) >= least) return t->calls[i];
    return NULL;
}

const fact *tape_call(tape *t, const fact *asked)
{
    arena a;
    arena_init(&a, NULL);
    const fact *f = in_place(t, &a, asked, asked->attempt);
    for (uint32_t attempt = asked->attempt; !f && attempt-- > 1;) f = in_place(t, &a, asked, attempt);
    if (!f) f = anywhere(t, &a, asked, SAME_URL);
    if (!f) f = anywhere(t, &a, asked, SAME_PLACE);
    for (size_t i = 0; i < t->call_count; i++)
        if (t->calls[i] == f) t->taken[i] = true;
    arena_free(&a);
    return f;
}
