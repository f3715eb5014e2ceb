#include "runtime/ties.h"

#include <assert.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "runtime/clock.h"
#include "runtime/log.h"

/* In the file `end`, behind its first line: while it says that the folder is in use, a line "since N"; then this line,
 * and behind it lines with a run's id and what is known of it. */
static const char HEADING[] = "tied runs:\n", SINCE[] = "since ";

static const char *const words[] = {[FORMER_UNKNOWN] = "unknown", [FORMER_AWAITED] = "awaited"};

typedef struct former_run {
    run_id id;
    former_tie tie;
    bool settled;
} former_run;

struct ties {
    char *folder;     /* owned */
    folder_end end;   /* of the last process */
    bool listed;      /* it has left a list */
    int64_t since_ms; /* if it died while it served: of older runs it knew that they are not tied, but for the list */
    former_run *was;  /* owned; that list, by id */
    size_t count;
    uv_mutex_t lock;
    msgpack_sbuffer left; /* owned, under `lock`: lines for the next process */
    bool short_of_memory; /* under `lock`: there are not all of them */
};

/* ---- Reading ---- */

static int compare(const void *a, const void *b)
{
    return memcmp(((const former_run *)a)->id.bytes, ((const former_run *)b)->id.bytes, RUN_ID_BYTES);
}

static bool read_line(const char *line, size_t len, former_run *out)
{
    if (len < RUN_ID_TEXT + 2 || line[RUN_ID_TEXT] != ' ' || !run_id_parse(line, RUN_ID_TEXT, &out->id)) return false;
    const char *word = line + RUN_ID_TEXT + 1;
    size_t word_len = len - RUN_ID_TEXT - 1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!words[i] || strlen(words[i]) != word_len || memcmp(words[i], word, word_len) != 0) continue;
        out->tie = (former_tie)i;
        return true;
    }
    return false; /* a later version's */
}

/* What is behind that line. */
static const char *read_since(ties *t, const char *text)
{
    char *end;
    if (strncmp(text, SINCE, sizeof SINCE - 1) != 0) return text;
    t->since_ms = strtoll(text + sizeof SINCE - 1, &end, 10);
    return *end == '\n' ? end + 1 : end;
}

/* False: no memory. */
static bool read_list(ties *t, const char *text)
{
    size_t lines = 0, heading = sizeof HEADING - 1;
    if (strncmp(text, HEADING, heading) != 0) return true;
    text += heading;
    for (const char *at = text; (at = strchr(at, '\n')); at++) lines++;
    t->listed = true;
    t->was = calloc(lines + 1, sizeof *t->was);
    if (!t->was) return false;
    for (const char *end; (end = strchr(text, '\n')); text = end + 1)
        if (read_line(text, (size_t)(end - text), &t->was[t->count])) t->count++;
    qsort(t->was, t->count, sizeof *t->was, compare);
    return true;
}

static void ties_free(ties *t)
{
    free(t->folder);
    free(t->was);
    msgpack_sbuffer_destroy(&t->left);
    uv_mutex_destroy(&t->lock);
    free(t);
}

/* What the last process left is not to be forgotten if this one dies before its end: the next one finds it once more,
 * for the runs that are older than this process. Half a drain has left nothing to go by. */
static bool mark_in_use(const ties *t, const char *list)
{
    int64_t since_ms = t->end == FOLDER_IN_USE ? t->since_ms : clock_wall_ms();
    char *text = NULL;
    int len = asprintf(&text, "%s%lld\n%s", SINCE, (long long)since_ms, t->end == FOLDER_LEAVING ? "" : list);
    if (len < 0) return false;
    (void)folder_mark_end(t->folder, FOLDER_IN_USE, text, (size_t)len); /* else the next process is less careful */
    free(text);
    return true;
}

static bool ties_read(ties *t)
{
    char *left = NULL;
    t->end = folder_read_end(t->folder, &left);
    const char *list = left ? read_since(t, left) : NULL;
    bool ok = left && read_list(t, list) && mark_in_use(t, list);
    free(left);
    return ok;
}

ties *ties_open(const char *folder)
{
    ties *t = calloc(1, sizeof *t);
    if (!t || uv_mutex_init(&t->lock) != 0) {
        free(t);
        return NULL;
    }
    msgpack_sbuffer_init(&t->left);
    t->folder = strdup(folder);
    if (t->folder && ties_read(t) && msgpack_sbuffer_write(&t->left, HEADING, sizeof HEADING - 1) == 0) return t;
    ties_free(t);
    return NULL;
}

folder_end ties_former_end(const ties *t) { return t->end; }

static former_run *find(const ties *t, const run_id *id)
{
    const former_run wanted = {.id = *id};
    return t->count > 0 ? bsearch(&wanted, t->was, t->count, sizeof wanted, compare) : NULL;
}

former_tie ties_find(const ties *t, const run_id *id)
{
    const former_run *r = find(t, id);
    if (r) return r->tie;
    if (t->end == FOLDER_IN_USE) return run_id_time_ms(id) < t->since_ms ? FORMER_PRESUMED : FORMER_UNKNOWN;
    return t->listed ? FORMER_ALONE : FORMER_PRESUMED;
}

void ties_settle(ties *t, const run_id *id)
{
    former_run *r = find(t, id);
    if (r) r->settled = true;
}

/* ---- Leaving ---- */

void ties_leaving(ties *t) { (void)folder_mark_end(t->folder, FOLDER_LEAVING, "", 0); }

void ties_leave(ties *t, const run_id *id, former_tie tie)
{
    char line[RUN_ID_TEXT + 16];
    assert(words[tie]);
    run_id_format(id, line);
    int len = RUN_ID_TEXT + snprintf(line + RUN_ID_TEXT, sizeof line - RUN_ID_TEXT, " %s\n", words[tie]);
    uv_mutex_lock(&t->lock);
    if (msgpack_sbuffer_write(&t->left, line, (size_t)len) != 0) t->short_of_memory = true;
    uv_mutex_unlock(&t->lock);
}

void ties_close(ties *t, bool well)
{
    if (!t) return;
    for (size_t i = 0; i < t->count && well; i++)
        if (!t->was[i].settled) ties_leave(t, &t->was[i].id, t->was[i].tie);
    size_t len = t->short_of_memory ? 0 : t->left.size; /* half a list would be a wrong one */
    if (well && !folder_mark_end(t->folder, FOLDER_ENDED, t->left.data, len))
        log_line(LOG_WARN, NULL,
                 "the end could not be noted in the data folder: the next process lets runs with "
                 "SW_CANCEL go on although their clients have gone");
    ties_free(t);
}
