/* campaign_ledger: what the world has seen, put together from the ledger's lines: of each request its run, of each of
 * that run's steps how often it ran, the last value it returned, and whether it ran although its result was on disk. */
#ifndef TESTS_CAMPAIGN_LEDGER_H
#define TESTS_CAMPAIGN_LEDGER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/harness/check.h"

enum { RUN_TEXT = 26, STEP_NAME = 12 };

typedef struct seen_step {
    char name[STEP_NAME], key[RUN_TEXT + 1];
    int64_t value; /* of the last attempt that began */
    int began;
    bool on_disk;
} seen_step;

typedef struct seen_run {
    char id[RUN_TEXT + 1]; /* "": none of its steps began */
    seen_step *steps;      /* malloc'd */
    size_t count, room;
    bool answered;
    bool is_on_disk; /* a step of it with .sync began, before which its beginning is on disk */
} seen_run;

typedef struct seen_world {
    seen_run *runs; /* by the request's number */
    size_t count;
    long attempts, steps, repeated; /* repeated: for want of a result on disk */
    long twice;                     /* although its result was on disk */
    long strangers;                 /* a second run of one request, or a step with another key */
    long forgotten;                 /* runs that were killed before anything of them was on disk */
} seen_world;

static bool step_is_sync(const char *name)
{
    return strcmp(name, "w1") == 0 || strcmp(name, "w3") == 0 || strcmp(name, "a") == 0;
}

static seen_step *seen_find(const seen_run *r, const char *name)
{
    for (size_t i = r->count; i > 0; i--)
        if (strcmp(r->steps[i - 1].name, name) == 0) return &r->steps[i - 1];
    return NULL;
}

static seen_step *seen_add(seen_run *r, const char *name, const char *key)
{
    if (r->count == r->room) {
        r->room = r->room ? r->room * 2 : 8;
        CHECK((r->steps = realloc(r->steps, r->room * sizeof *r->steps)) != NULL);
    }
    seen_step *s = &r->steps[r->count++];
    *s = (seen_step){.began = 0};
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(s->key, sizeof s->key, "%s", key);
    return s;
}

static void seen_began(seen_world *w, seen_run *r, const char *name, const char *key, int64_t value)
{
    seen_step *s = seen_find(r, name);
    if (!s) {
        s = seen_add(r, name, key);
        w->steps++;
    }
    if (strcmp(s->key, key) != 0) w->strangers++;
    if (s->on_disk || r->answered) {
        printf("# step %s of run %s ran again\n", name, r->id);
        w->twice++;
    }
    if (step_is_sync(name)) r->is_on_disk = true;
    w->attempts++;
    s->began++;
    s->value = value;
}

/* Another run of the same request. Before *started* is on disk a run is forgotten with its process, and a request that
 * is repeated begins a new one: that is why steps that must not be done twice have .sync. */
static void seen_another(seen_world *w, seen_run *r, long long n, const char *id)
{
    if (r->is_on_disk || r->answered) {
        printf("# request %lld has the runs %s and %s\n", n, r->id, id);
        w->strangers++;
        return;
    }
    w->forgotten += r->id[0] != 0;
    free(r->steps);
    *r = (seen_run){.count = 0};
    snprintf(r->id, sizeof r->id, "%s", id);
}

static void seen_line(seen_world *w, const char *line)
{
    char what = 0, id[RUN_TEXT + 1] = "", name[STEP_NAME] = "", key[RUN_TEXT + 1] = "";
    long long n = -1, value = 0;
    int attempt = 0;
    int fields = sscanf(line, "%c %lld %26s %11s %d %26s %lld", &what, &n, id, name, &attempt, key, &value);
    CHECK(fields >= 3 && n >= 0 && (size_t)n < w->count);
    seen_run *r = &w->runs[n];
    if (strcmp(r->id, id) != 0) seen_another(w, r, n, id);
    if (strcmp(r->id, id) != 0) return;
    if (what == 'B') {
        CHECK_INT(fields, 7);
        seen_began(w, r, name, key, value);
    } else if (what == 'C') {
        seen_step *s = seen_find(r, name);
        CHECK(s);
        s->on_disk = true;
    } else {
        r->answered = true;
    }
}

/* Reads the whole ledger; `count` requests were made. */
static void seen_read(seen_world *w, const char *path, size_t count)
{
    char line[256];
    FILE *f = fopen(path, "r");
    *w = (seen_world){.count = count, .runs = calloc(count + 1, sizeof *w->runs)};
    CHECK(f && w->runs);
    while (fgets(line, sizeof line, f)) {
        CHECK(strchr(line, '\n'));
        seen_line(w, line);
    }
    fclose(f);
    for (size_t n = 0; n < count; n++)
        for (size_t i = 0; i < w->runs[n].count; i++) w->repeated += w->runs[n].steps[i].began > 1;
}

static void seen_free(seen_world *w)
{
    for (size_t n = 0; n < w->count; n++) free(w->runs[n].steps);
    free(w->runs);
}

#endif
