#include "runtime/probe/tape.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/probe/call_fact.h"

enum { CELLS_FIRST = 1024 };
_Static_assert((CELLS_FIRST & (CELLS_FIRST - 1)) == 0, "a hash is masked by the number of cells");

static size_t tape_cell_of(const tape *t, const fact *f)
{
    assert(t->count < t->cell_count); /* an empty cell ends the search */
    uint64_t h = f->run ^ f->path ^ (uint64_t)f->kind << 56 ^ (uint64_t)f->attempt << 32 ^ f->number;
    h *= 0x9e3779b97f4a7c15u;
    size_t i = (size_t)(h >> 20) & (t->cell_count - 1);
    while (t->cells[i] && !fact_is(t->cells[i], f)) i = (i + 1) & (t->cell_count - 1);
    return i;
}

static void tape_put(tape *t, const fact *f)
{
    size_t i = tape_cell_of(t, f);
    t->count += t->cells[i] == NULL;
    t->cells[i] = f;
    assert(t->count * 2 <= t->cell_count);
}

static bool tape_grow(tape *t, size_t more)
{
    size_t cells = t->cell_count ? t->cell_count : CELLS_FIRST;
    while ((t->count + more) * 2 > cells) cells *= 2;
    if (cells == t->cell_count) return true;
    const fact **old = t->cells, **made = calloc(cells, sizeof *made);
    size_t old_count = t->cell_count;
    if (!made) return false;
    t->cells = made;
    t->cell_count = cells;
    t->count = 0;
    for (size_t i = 0; i < old_count; i++)
        if (old[i]) tape_put(t, old[i]);
    assert(t->count <= old_count / 2);
    free(old);
    return true;
}

bool tape_add(tape *t, const fact *facts, size_t count)
{
    const fact **calls = realloc(t->calls, (t->call_count + count + 1) * sizeof *calls);
    if (calls) t->calls = calls;
    bool *taken = realloc(t->taken, t->call_count + count + 1);
    if (taken) t->taken = taken;
    if (!calls || !taken || !tape_grow(t, count)) return false;
    for (size_t i = 0; i < count; i++) {
        tape_put(t, &facts[i]);
        if (facts[i].kind != FACT_CALL) continue;
        t->taken[t->call_count] = false;
        t->calls[t->call_count++] = &facts[i];
    }
    return true;
}

void tape_free(tape *t)
{
    free(t->cells);
    free(t->calls);
    free(t->taken);
    *t = (tape){.cells = NULL};
}

const fact *tape_find(const tape *t, const fact *wanted)
{
    return t->cell_count ? t->cells[tape_cell_of(t, wanted)] : NULL;
}

/* ---- Calls ---- */

typedef enum likeness { UNLIKE, SAME_RESOURCE, SAME_URL } likeness;

/* Compares two calls by method and URL. A query may hold a time or a key that each execution draws anew, so that calls
 * of one resource are alike, too. */
static likeness calls_compare(arena *a, const fact *x, const fact *y)
{
    call_asked q, r;
    if (!call_asked_read(a, x->data, &q) || !call_asked_read(a, y->data, &r)) return UNLIKE;
    size_t len = strcspn(q.url, "?#");
    if (strcmp(q.method, r.method) != 0) return UNLIKE;
    if (strcmp(q.url, r.url) == 0) return SAME_URL;
    return strcspn(r.url, "?#") == len && memcmp(q.url, r.url, len) == 0 ? SAME_RESOURCE : UNLIKE;
}

static const fact *tape_call_of_attempt(const tape *t, arena *a, const fact *asked, uint32_t attempt)
{
    fact wanted = *asked;
    wanted.attempt = attempt;
    const fact *f = tape_find(t, &wanted);
    return f && calls_compare(a, f, asked) != UNLIKE ? f : NULL;
}

static const fact *tape_call_anywhere(const tape *t, arena *a, const fact *asked, likeness least)
{
    for (size_t i = 0; i < t->call_count; i++)
        if (!t->taken[i] && calls_compare(a, t->calls[i], asked) >= least) return t->calls[i];
    return NULL;
}

const fact *tape_call(tape *t, const fact *asked)
{
    arena a;
    assert(asked->kind == FACT_CALL);
    arena_init(&a, NULL);
    const fact *f = tape_call_of_attempt(t, &a, asked, asked->attempt);
    for (uint32_t attempt = asked->attempt; !f && attempt-- > 1;) f = tape_call_of_attempt(t, &a, asked, attempt);
    if (!f) f = tape_call_anywhere(t, &a, asked, SAME_URL);
    if (!f) f = tape_call_anywhere(t, &a, asked, SAME_RESOURCE);
    for (size_t i = 0; i < t->call_count; i++)
        if (t->calls[i] == f) t->taken[i] = true;
    arena_free(&a);
    return f;
}
