#include "runtime/run/ties.h"

#include <assert.h>
#include <errno.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

/* The file `end`, behind its first line: SINCE and a number, while the first line says that the folder is in use; then
 * HEADING; behind it lines with a run's id and what is known of it, of which the last one of a run counts, and a line
 * of SENT_ON and a number, which older versions pass over as one of no run. */
static const char HEADING[] = "tied runs:\n", SINCE[] = "since ", SENT_ON[] = "sent on after ";

static const char *const words[] = {
    [FORMER_UNKNOWN] = "unknown", [FORMER_AWAITED] = "awaited", [FORMER_ALONE] = "alone"};

enum {
    LINE_BYTES = RUN_ID_TEXT + 16,
    NUMBER_BYTES = 24,      /* of a line with a number: the number, the line's end and the final zero */
    APPENDED_MAX = 1 << 20, /* lines: about 34 MB */
    EARLY_MAX = 1 << 16     /* lines: about 2 MB */
};
_Static_assert(LINE_BYTES > RUN_ID_TEXT + sizeof " unknown\n", "the longest word fits a line");
_Static_assert(sizeof words / sizeof *words == FORMER_ALONE + 1, "a word for each, but FORMER_PRESUMED");

typedef struct former_run {
    run_id id;
    former_tie tie;
    bool settled;
    uint32_t line; /* of the file */
} former_run;

struct ties {
    char *folder;             /* owned */
    folder_end end;           /* of the last process */
    bool has_list;            /* it has left a list */
    int64_t since_ms;         /* Unix: older runs are not tied, but for those of the list */
    int64_t sent_on_after_ms; /* see ties_sent_on_after_ms */
    bool is_marked;           /* the file says, or should say, that the folder is in use */
    former_run *was;          /* owned; that list, by id */
    size_t count;
    uv_mutex_t lock;
    msgpack_sbuffer left;  /* owned, under `lock`: lines for the next process */
    bool is_incomplete;    /* under `lock`: some lines are not in `left` */
    int end_fd;            /* under `lock`: the file `end`, for adding lines; -1: none */
    uint32_t appended;     /* under `lock`: lines, in the file or in `early` */
    bool is_torn;          /* under `lock`: the file ends with half a line */
    bool append_fails;     /* under `lock`: the last line could not be added, which has been logged */
    msgpack_sbuffer early; /* owned, under `lock`: lines for the file, until it says that the folder is in use */
    bool leaves_unknown;   /* under `lock`: of some runs in `left` only the journal can tell */
};

/* ---- Reading ---- */

static int ties_compare_ids(const void *a, const void *b)
{
    return run_id_compare(&((const former_run *)a)->id, &((const former_run *)b)->id);
}

static int ties_compare(const void *a, const void *b)
{
    const former_run *x = a, *y = b;
    int order = ties_compare_ids(a, b);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static bool ties_read_line(const char *line, size_t len, former_run *out)
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

/* Reads the line SINCE, if it is there. Returns what is behind it. */
static const char *ties_read_since(ties *t, const char *text)
{
    char *end;
    if (strncmp(text, SINCE, sizeof SINCE - 1) != 0) return text;
    t->since_ms = strtoll(text + sizeof SINCE - 1, &end, 10);
    return *end == '\n' ? end + 1 : end;
}

/* Reads a line SENT_ON: how the last process, or one that was killed before it, dealt with its clients. */
static void ties_read_sent_on(ties *t, const char *line)
{
    if (strncmp(line, SENT_ON, sizeof SENT_ON - 1) != 0) return;
    int64_t after_ms = strtoll(line + sizeof SENT_ON - 1, NULL, 10);
    if (after_ms >= 0 && after_ms < t->sent_on_after_ms) t->sent_on_after_ms = after_ms;
}

/* Leaves the last line of each run. */
static void ties_drop_overruled(ties *t)
{
    size_t left = 0;
    for (size_t i = 0; i < t->count; i++)
        if (i + 1 == t->count || ties_compare_ids(&t->was[i], &t->was[i + 1]) != 0) t->was[left++] = t->was[i];
    t->count = left;
}

/* False: no memory. */
static bool ties_read_list(ties *t, const char *text)
{
    size_t lines = 0, heading = sizeof HEADING - 1;
    assert(!t->was && t->count == 0);
    if (strncmp(text, HEADING, heading) != 0) return true;
    text += heading;
    for (const char *at = text; (at = strchr(at, '\n')); at++) lines++;
    t->has_list = true;
    t->was = calloc(lines + 1, sizeof *t->was);
    if (!t->was) return false;
    for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
        ties_read_sent_on(t, text);
        t->was[t->count].line = (uint32_t)t->count;
        if (ties_read_line(text, (size_t)(end - text), &t->was[t->count])) t->count++;
    }
    assert(t->count <= lines);
    qsort(t->was, t->count, sizeof *t->was, ties_compare);
    ties_drop_overruled(t);
    return true;
}

static size_t ties_format_line(char line[LINE_BYTES], const run_id *id, former_tie tie)
{
    assert(tie <= FORMER_ALONE && words[tie]);
    run_id_format(id, line);
    return RUN_ID_TEXT + (size_t)snprintf(line + RUN_ID_TEXT, LINE_BYTES - RUN_ID_TEXT, " %s\n", words[tie]);
}

static void ties_free(ties *t)
{
    free(t->folder);
    free(t->was);
    msgpack_sbuffer_destroy(&t->left);
    msgpack_sbuffer_destroy(&t->early);
    uv_mutex_destroy(&t->lock);
    if (t->end_fd >= 0) close(t->end_fd);
    free(t);
}

static bool ties_put(msgpack_sbuffer *to, const char *text, size_t len)
{
    return msgpack_sbuffer_write(to, text, len) == 0;
}

static bool ties_put_sent_on(msgpack_sbuffer *to, int64_t after_ms)
{
    char line[sizeof SENT_ON + NUMBER_BYTES];
    assert(after_ms >= 0);
    int len = snprintf(line, sizeof line, "%s%lld\n", SENT_ON, (long long)after_ms);
    return ties_put(to, line, (size_t)len);
}

/* Writes what the file `end` says behind its first line while the folder is in use: what the last process left, and
 * what this one has appended so far. False: no memory. */
static bool ties_write_marked(const ties *t, msgpack_sbuffer *to)
{
    char line[sizeof SINCE + NUMBER_BYTES + sizeof HEADING];
    _Static_assert(sizeof line >= LINE_BYTES, "a run's line fits too");
    size_t len = (size_t)snprintf(line, sizeof line, "%s%lld\n%s", SINCE, (long long)t->since_ms, HEADING);
    bool ok = ties_put(to, line, len) && ties_put_sent_on(to, t->sent_on_after_ms);
    for (size_t i = 0; i < t->count && ok; i++)
        ok = ties_put(to, line, ties_format_line(line, &t->was[i].id, t->was[i].tie));
    return ok && (t->early.size == 0 || ties_put(to, t->early.data, t->early.size));
}

/* Logs what the next process makes of runs with SW_CANCEL if this one is killed and its file could not be written. */
static void ties_warn_of_file(const ties *t, bool is_written)
{
    bool ends_them =
        is_written || t->end == FOLDER_IN_USE; /* else the file goes on saying that the last one ended well */
    log_line(LOG_WARN, NULL,
             "the data folder's file `end` cannot be written: if this process is killed, the next one %s",
             ends_them ? "ends runs with SW_CANCEL whose clients were sent on"
                       : "goes on with runs with SW_CANCEL whose clients were lost");
}

/* Marks the folder as in use. What the last process left stays in the file: should this process die before its end, the
 * next one finds it once more, for the runs that are older than this process, and behind it what this one appends.
 * False: no memory. */
static bool ties_mark_in_use(ties *t)
{
    msgpack_sbuffer text;
    msgpack_sbuffer_init(&text);
    bool ok = ties_write_marked(t, &text);
    t->is_marked = true;
    bool is_written = ok && folder_mark_end(t->folder, FOLDER_IN_USE, text.data, text.size);
    msgpack_sbuffer_destroy(&text);
    if (t->end_fd >= 0) close(t->end_fd);
    t->end_fd = is_written ? folder_open_end(t->folder) : -1;
    if (ok && t->end_fd < 0) ties_warn_of_file(t, is_written);
    return ok;
}

static bool ties_read(ties *t, bool mark)
{
    char *left = NULL;
    t->end = folder_read_end(t->folder, &left);
    bool ok = left && ties_read_list(t, ties_read_since(t, left));
    free(left);
    if (t->end != FOLDER_IN_USE) t->since_ms = clock_wall_ms();
    return ok && (!mark || ties_mark_in_use(t));
}

void ties_mark(ties *t)
{
    uv_mutex_lock(&t->lock);
    bool is_written = t->end_fd >= 0; /* the file may have lines already, which writing it anew would lose */
    if (!is_written && !ties_mark_in_use(t))
        log_line(LOG_WARN, NULL, "the data folder's file `end` is not written: out of memory");
    msgpack_sbuffer_destroy(&t->early);
    msgpack_sbuffer_init(&t->early);
    uv_mutex_unlock(&t->lock);
}

ties *ties_open(const char *folder, int64_t redirect_after_ms, bool mark)
{
    assert(folder && redirect_after_ms >= 0);
    ties *t = calloc(1, sizeof *t);
    if (!t || uv_mutex_init(&t->lock) != 0) {
        free(t);
        return NULL;
    }
    msgpack_sbuffer_init(&t->left);
    msgpack_sbuffer_init(&t->early);
    t->end_fd = -1;
    t->sent_on_after_ms = redirect_after_ms;
    t->folder = strdup(folder);
    if (t->folder && ties_read(t, mark) && msgpack_sbuffer_write(&t->left, HEADING, sizeof HEADING - 1) == 0) return t;
    ties_free(t);
    return NULL;
}

bool ties_filter(ties *t, bool (*is_there)(void *arg, const run_id *run), void *arg)
{
    size_t left = 0;
    assert(t->left.size == sizeof HEADING - 1); /* no loop has begun */
    for (size_t i = 0; i < t->count; i++)
        if (is_there(arg, &t->was[i].id)) t->was[left++] = t->was[i];
    bool news = left < t->count;
    t->count = left;
    return !news || !t->is_marked || ties_mark_in_use(t);
}

bool ties_has_runs(const ties *t) { return t->count > 0; }
int64_t ties_sent_on_after_ms(const ties *t) { return t->sent_on_after_ms; }
folder_end ties_former_end(const ties *t) { return t->end; }

static former_run *ties_find_former(const ties *t, const run_id *id)
{
    const former_run wanted = {.id = *id};
    return t->count > 0 ? bsearch(&wanted, t->was, t->count, sizeof wanted, ties_compare_ids) : NULL;
}

former_tie ties_find(const ties *t, const run_id *id)
{
    const former_run *r = ties_find_former(t, id);
    if (r) return r->tie;
    if (t->end == FOLDER_IN_USE) return run_id_time_ms(id) < t->since_ms ? FORMER_PRESUMED : FORMER_UNKNOWN;
    return t->has_list ? FORMER_ALONE : FORMER_PRESUMED;
}

former_tie ties_find_next(const ties *t, const run_id *id)
{
    const former_run *r = ties_find_former(t, id);
    if (r) return r->tie;
    return run_id_time_ms(id) < t->since_ms ? FORMER_PRESUMED : FORMER_UNKNOWN;
}

void ties_settle(ties *t, const run_id *id)
{
    former_run *r = ties_find_former(t, id);
    if (r) r->settled = true;
}

/* ---- Appending ---- */

/* Why the line is not saved for ties_mark; NULL: it is. */
static const char *ties_save_early(ties *t, const char *line, size_t len)
{
    assert(!t->is_marked);
    if (t->appended >= EARLY_MAX) return "there are too many while the disk is full";
    if (!ties_put(&t->early, line, len)) return "out of memory";
    t->appended++;
    return NULL;
}

/* Why the line is not in the file; NULL: it is. A torn line is ended first: it is no line of a run. */
static const char *ties_append_line(ties *t, const char *line, size_t len)
{
    assert(t->is_marked);
    if (t->end_fd < 0) return "it is not open";
    if (t->appended >= APPENDED_MAX) return "there are too many";
    if (t->is_torn && write(t->end_fd, "\n", 1) != 1) return strerror(errno);
    ssize_t n = write(t->end_fd, line, len);
    t->is_torn = n > 0 && (size_t)n < len;
    if (n != (ssize_t)len) return n < 0 ? strerror(errno) : "the disk is full";
    t->appended++;
    return NULL;
}

void ties_append(ties *t, const run_id *id, former_tie tie)
{
    char line[LINE_BYTES];
    assert(tie == FORMER_ALONE || tie == FORMER_AWAITED);
    size_t len = ties_format_line(line, id, tie);
    uv_mutex_lock(&t->lock);
    const char *error = t->is_marked ? ties_append_line(t, line, len) : ties_save_early(t, line, len);
    bool is_said = t->is_marked && t->end_fd < 0; /* at the start */
    bool news = error && !t->append_fails && !is_said;
    t->append_fails = error != NULL;
    uv_mutex_unlock(&t->lock);
    if (news)
        log_line(LOG_WARN, NULL,
                 "that clients of runs with SW_CANCEL are sent on cannot be noted in the data folder (%s): if this "
                 "process is killed, the next one ends those runs",
                 error);
}

/* ---- Leaving ---- */

void ties_leave(ties *t, const run_id *id, former_tie tie)
{
    char line[LINE_BYTES];
    assert(tie == FORMER_UNKNOWN || tie == FORMER_AWAITED);
    size_t len = ties_format_line(line, id, tie);
    uv_mutex_lock(&t->lock);
    t->leaves_unknown |= tie == FORMER_UNKNOWN;
    if (!ties_put(&t->left, line, len)) t->is_incomplete = true;
    uv_mutex_unlock(&t->lock);
}

void ties_leave_unfound(ties *t)
{
    uv_mutex_lock(&t->lock);
    t->is_incomplete = true;
    uv_mutex_unlock(&t->lock);
}

/* In a list that says that this process has ended, a run that is missing is not tied: half a list would be wrong. What
 * a killed process appended is right with whatever part there is. */
static bool ties_write_left(const ties *t)
{
    size_t heading = sizeof HEADING - 1;
    assert(t->left.size >= heading);
    if (!t->is_incomplete) return folder_mark_end(t->folder, FOLDER_ENDED, t->left.data, t->left.size);
    return t->end_fd >= 0 && (!t->is_torn || write(t->end_fd, "\n", 1) == 1) &&
           write(t->end_fd, t->left.data + heading, t->left.size - heading) == (ssize_t)(t->left.size - heading);
}

void ties_close(ties *t, bool well)
{
    if (!t) return;
    for (size_t i = 0; i < t->count && well; i++)
        if (!t->was[i].settled && t->was[i].tie != FORMER_ALONE) ties_leave(t, &t->was[i].id, t->was[i].tie);
    if (t->leaves_unknown && !ties_put_sent_on(&t->left, t->sent_on_after_ms)) t->is_incomplete = true;
    if (well && !ties_write_left(t))
        log_line(LOG_WARN, NULL,
                 "the end could not be noted in the data folder: the next process takes this one for killed");
    ties_free(t);
}
