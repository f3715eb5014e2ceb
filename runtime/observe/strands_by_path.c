#include "runtime/observe/strands_by_path.h"

#include <stdlib.h>

static int strand_compare(const void *a, const void *b)
{
    const listed_strand *x = a, *y = b;
    if (x->strand->path != y->strand->path) return x->strand->path < y->strand->path ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

bool strands_sort(strands_by_path *t, const survey *of, arena *a)
{
    size_t count = 0;
    *t = (strands_by_path){.list = NULL};
    for (const survey_strand *s = of ? of->strands : NULL; s; s = s->next) count += s->id != NULL;
    if (count == 0) return true;
    t->list = arena_alloc(a, count * sizeof *t->list);
    if (!t->list) return false;
    for (const survey_strand *s = of->strands; s; s = s->next) {
        if (!s->id) continue;
        t->list[t->count] = (listed_strand){s, t->count};
        t->count++;
    }
    qsort(t->list, t->count, sizeof *t->list, strand_compare);
    return true;
}

const survey_strand *strands_find(const strands_by_path *t, uint64_t path)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->list[middle].strand->path < path)
            low = middle + 1;
        else
            high = middle;
    }
    return low < t->count && t->list[low].strand->path == path ? t->list[low].strand : NULL;
}
