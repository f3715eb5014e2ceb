#include "runtime/run/path.h"

#include <assert.h>
#include <string.h>

/* FNV-1a, 64 bits: offset basis and prime from draft-eastlake-fnv. */

const uint64_t PATH_ROOT = 0xcbf29ce484222325u;

static uint64_t path_hash(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t path_hash_u32(uint64_t hash, uint32_t n)
{
    unsigned char bytes[4] = {(unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16),
                              (unsigned char)(n >> 24)};
    return path_hash(hash, bytes, sizeof bytes);
}

_Static_assert((RUN_PATH_CELLS_INLINE & (RUN_PATH_CELLS_INLINE - 1)) == 0, "path_cell_find masks with it");

/* Returns the cell of the key, or the free cell where it belongs. */
static path_cell *path_cell_find(path_cell *table, size_t room, uint64_t key)
{
    assert(key != 0); /* the mark of a free cell */
    assert((room & (room - 1)) == 0);
    size_t i = (size_t)key & (room - 1);
    while (table[i].key && table[i].key != key) i = (i + 1) & (room - 1);
    return &table[i];
}

static bool path_cells_grow(run *r)
{
    size_t room = r->path_cell_room * 2;
    path_cell *bigger = arena_zalloc(&r->task.arena, room * sizeof *bigger);
    if (!bigger) return false;
    for (size_t i = 0; i < r->path_cell_room; i++)
        if (r->path_cells[i].key) *path_cell_find(bigger, room, r->path_cells[i].key) = r->path_cells[i];
    r->path_cells = bigger;
    r->path_cell_room = room;
    return true;
}

/* Returns the cell of `key`, which is taken if it is free. The table has room. */
static path_cell *path_cell_take(run *r, uint64_t key)
{
    path_cell *n = path_cell_find(r->path_cells, r->path_cell_room, key);
    if (!n->key) {
        n->key = key;
        r->path_cell_count++;
        assert(r->path_cell_count * 2 <= r->path_cell_room); /* a free cell ends each search */
    }
    return n;
}

static void path_cells_make_room(sw_ctx *c)
{
    run *r = c->run;
    if ((r->path_cell_count + 2) * 2 > r->path_cell_room && !path_cells_grow(r)) ctx_fail_memory(c);
}

/* The id is hashed with a zero byte behind it. */
static uint64_t path_base(uint64_t branch, path_kind kind, const void *id, size_t len)
{
    const char tag = (char)kind, zero = 0;
    uint64_t base = path_hash(path_hash(path_hash(branch, &tag, 1), id, len), &zero, 1);
    return base ? base : 1;
}

uint64_t path_of(uint64_t branch, path_kind kind, entry_text id, uint32_t occurrence)
{
    return path_hash_u32(path_base(branch, kind, id.data, id.len), occurrence);
}

uint64_t path_of_patch(sw_ctx *c, const char *id, uint32_t **asked)
{
    path_cells_make_room(c);
    uint64_t path = path_of(PATH_ROOT, PATH_PATCH, entry_text_of(id), 0);
    if (path == 0) path = 1;
    *asked = &path_cell_take(c->run, path)->count;
    return path;
}

uint64_t path_count(sw_ctx *c, path_kind kind, const char *id, uint32_t *occurrence)
{
    run *r = c->run;
    uint64_t base = path_base(c->path, kind, id, strlen(id));
    path_cells_make_room(c);
    *occurrence = path_cell_take(r, base)->count++;
    return base;
}

uint64_t path_next(sw_ctx *c, path_kind kind, const char *id, uint32_t *occurrence)
{
    run *r = c->run;
    uint64_t base = path_count(c, kind, id, occurrence), path = path_hash_u32(base, *occurrence);
    if (kind == PATH_CHUNK) return path; /* chunks are very many: they are counted, and their paths not checked */
    if (path_cell_take(r, path ? path : 1)->count++ > 0)
        ctx_fail_misuse(c, "\"%s\" has the same hash as another id of this run: give it another id", id);
    return path;
}

const char *path_label(run *r, const char *branch_label, const char *id, uint32_t occurrence)
{
    const char *slash = *branch_label ? "/" : "";
    char *text = occurrence ? arena_printf(&r->task.arena, "%s%s%s:%u", branch_label, slash, id, occurrence)
                            : arena_printf(&r->task.arena, "%s%s%s", branch_label, slash, id);
    if (text) return text;
    run_lose_for_memory(r);
    return id;
}
