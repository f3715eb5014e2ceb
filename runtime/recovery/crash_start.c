/* What a start makes of the crashes of former processes. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coro/seeded_bug.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/utf8.h"
#include "runtime/recovery/crash_file.h"
#include "runtime/recovery/settle.h"
#include "storage/entry.h"
#include "storage/store.h"

enum {
    RECORDS_MAX = 4096,
    CAUSE_BYTES = 32,
    SPARE_RECORDS = 16, /* for which there is room on a full disk */
    PATH_BYTES = 4200,
    TEXT_BYTES = 512
};

/* The records of all crashes, and the run whose journal is being completed. */
typedef struct reckoning {
    settling *store;
    const crash_record *records;
    size_t count;
    bool *done;     /* of each record: it is in its run's journal; owned */
    uint64_t epoch; /* of this process's store */
    run_id run;
    msgpack_sbuffer entries; /* to be added to its journal */
    bool unread;             /* a run's journal could not be read: its records stay in the file */
    bool failed;
} reckoning;

/* ---- One run ---- */

static bool crash_is_of_current(const reckoning *s, size_t i)
{
    return memcmp(s->records[i].run, s->run.bytes, RUN_ID_BYTES) == 0;
}

/* Marks the record of an entry as done: a start that ended between the commit and the emptying of the file has made it.
 * The time alone does not tell two ends apart: clocks are set back. */
static void crash_strike_out(reckoning *s, const entry *crashed)
{
    for (size_t i = 0; i < s->count; i++) {
        const crash_record *c = &s->records[i];
        bool same = c->epoch == crashed->epoch && c->at_ms == crashed->at_ms && c->path == crashed->path;
        if (crash_is_of_current(s, i) && same) s->done[i] = true;
    }
}

/* Counts entries, and crashes since the last progress. False: the journal cannot be read, or has ended. */
static bool crash_read_journal(reckoning *s, const store_journal *j, uint32_t *entries, unsigned *in_a_row)
{
    const char *error = j->error;
    bool has_ended = false;
    assert(run_id_equal(&j->run, &s->run));
    *entries = *in_a_row = 0;
    if (error || !j->found || !j->live) return false;
    for (size_t at = 0, n; at < j->len; at += n) {
        entry e;
        n = entry_decode(j->data + at, j->len - at, &e, &error);
        if (n == 0) return false;
        (*entries)++;
        has_ended = e.kind == ENTRY_ENDED;
        if (e.kind == ENTRY_CRASHED) {
            crash_strike_out(s, &e);
            (*in_a_row)++;
        } else if (entry_is_progress(e.kind)) {
            *in_a_row = 0;
        }
    }
    return !has_ended;
}

static bool crash_add_entry(reckoning *s, const entry *e) { return entry_encode(&s->entries, e) == 0; }

static const char *crash_cause(const crash_record *c, char text[CAUSE_BYTES])
{
    if (c->number == CRASH_BY_EXIT) return "a call of exit()";
    (void)snprintf(text, CAUSE_BYTES, "signal %u", c->number);
    return text;
}

static bool crash_add_crashed(reckoning *s, const crash_record *c, unsigned in_a_row)
{
    char id[RUN_ID_TEXT + 1], cause[CAUSE_BYTES];
    assert(in_a_row > 0);
    run_id_format(&s->run, id);
    log_line(LOG_WARN, id, "the process died of it by %s%s%s%s (%u in a row)", crash_cause(c, cause),
             *c->step ? ", in step \"" : ", outside steps", c->step, *c->step ? "\"" : "", in_a_row);
    return crash_add_entry(s, &(entry){.kind = ENTRY_CRASHED,
                                       .path = c->path,
                                       .id = {c->step, strnlen(c->step, sizeof c->step)},
                                       .attempt = c->attempt,
                                       .status = (int)c->number,
                                       .at_ms = c->at_ms,
                                       .epoch = c->epoch});
}

static bool crash_add_stopped(reckoning *s, const crash_record *c, unsigned in_a_row)
{
    char text[TEXT_BYTES], cause[CAUSE_BYTES];
    assert(in_a_row >= CRASHES_MAX);
    int len =
        snprintf(text, sizeof text, "the server died %u times in a row of this run, by %s%s%s%s", in_a_row,
                 crash_cause(c, cause), *c->step ? " in step \"" : " outside steps", c->step, *c->step ? "\"" : "");
    assert(len > 0 && (size_t)len < sizeof text);
    return crash_add_entry(s, &(entry){.kind = ENTRY_STOPPED,
                                       .status = ENTRY_STOP_CRASHES,
                                       .at_ms = clock_wall_ms(),
                                       .epoch = entry_epoch(s->epoch, 0),
                                       .path = c->path,
                                       .error = {text, (size_t)len}});
}

static bool crash_add_entries(reckoning *s, unsigned in_a_row, bool *stops)
{
    const crash_record *last = NULL;
    bool ok = true;
    for (size_t i = 0; i < s->count && ok; i++) {
        if (!crash_is_of_current(s, i) || s->done[i]) continue;
        last = &s->records[i];
        ok = crash_add_crashed(s, last, ++in_a_row);
    }
    *stops = last && in_a_row >= CRASHES_MAX && !BUG(CRASH_FOR_EVER);
    return ok && (!*stops || crash_add_stopped(s, last, in_a_row));
}

static void crash_commit(reckoning *s, uint32_t entries, bool stops)
{
    store_segment segment = {.run = s->run,
                             .seq = entries,
                             .live = stops ? STORE_LIVE_SET : STORE_LIVE_UNCHANGED,
                             .due_ms = STORE_DUE_STOPPED,
                             .retain_ms = -1,
                             .data = s->entries.data,
                             .len = s->entries.size};
    const char *error = settle_append(s->store, &segment);
    if (!error) return;
    s->failed = true;
    log_line(LOG_ERROR, NULL, "crashes could not be journaled, which the next start tries again: %s", error);
}

/* What the run's journal is to get. */
typedef struct addition {
    reckoning *of;
    uint32_t entries; /* that the journal has */
    bool stops;
} addition;

static void crash_on_journal(void *arg, const store_journal *j)
{
    addition *a = arg;
    reckoning *s = a->of;
    unsigned in_a_row;
    if (j->error) s->unread = true;
    s->entries.size = 0;
    if (!crash_read_journal(s, j, &a->entries, &in_a_row))
        return; /* ended, deleted, or found unreadable when it is loaded */
    if (!crash_add_entries(s, in_a_row, &a->stops)) s->failed = true;
}

static void crash_settle_run(reckoning *s)
{
    addition a = {.of = s};
    settle_load(s->store, &s->run, crash_on_journal, &a);
    if (!s->failed && s->entries.size > 0 && !BUG(LOSE_CRASH)) crash_commit(s, a.entries, a.stops);
    for (size_t i = 0; i < s->count; i++)
        if (crash_is_of_current(s, i)) s->done[i] = true;
}

/* ---- All of them ---- */

static bool crash_names_run(const crash_record *c)
{
    static const run_id nobody;
    return memcmp(c->run, nobody.bytes, sizeof c->run) != 0;
}

/* False: some records are not in their journals. */
static bool crash_settle_all(store *journals, const crash_record *records, size_t count)
{
    assert(count > 0 && count <= RECORDS_MAX);
    reckoning s = {
        .records = records, .count = count, .done = calloc(count, sizeof(bool)), .epoch = store_epoch(journals)};
    s.store = s.done ? settle_open(journals) : NULL;
    s.failed = !s.store;
    msgpack_sbuffer_init(&s.entries);
    for (size_t i = 0; i < count && !s.failed; i++) {
        if (s.done[i] || !crash_names_run(&records[i])) continue;
        memcpy(s.run.bytes, records[i].run, RUN_ID_BYTES);
        crash_settle_run(&s);
    }
    settle_close(s.store);
    msgpack_sbuffer_destroy(&s.entries);
    free(s.done);
    return !s.failed && !s.unread;
}

/* Counts the records of the process before: an older one's may still be there, if they could not be journaled. */
static crash_ends crash_count_ends(const crash_record *records, size_t count, uint64_t epoch)
{
    crash_ends ends = {.known = 0};
    for (size_t i = 0; i < count; i++) {
        if (records[i].epoch != epoch) continue;
        if (crash_names_run(&records[i]) || records[i].path != 0) {
            ends.known++;
            ends.of_runs += crash_names_run(&records[i]);
        } else {
            ends.unknown++;
            ends.number = records[i].number;
        }
    }
    assert(ends.known + ends.unknown <= count && ends.of_runs <= ends.known);
    return ends;
}

/* Cuts a step's long id at a whole character: the signal handler cuts it anywhere. */
static crash_record crash_mend_record(crash_record c)
{
    c.step[utf8_whole(c.step, strnlen(c.step, sizeof c.step - 1))] = 0;
    return c;
}

/* Reads whole records, the last RECORDS_MAX; a write that was cut off at a full disk leaves less than one. */
static size_t crash_read_records(int fd, crash_record records[RECORDS_MAX])
{
    struct stat st;
    if (fstat(fd, &st) != 0) return 0;
    off_t whole = st.st_size / (off_t)sizeof *records, from = whole > RECORDS_MAX ? whole - RECORDS_MAX : 0;
    ssize_t n = pread(fd, records, RECORDS_MAX * sizeof *records, from * (off_t)sizeof *records);
    size_t count = 0;
    for (size_t i = 0; n > 0 && i < (size_t)n / sizeof *records; i++)
        if (memcmp(records[i].magic, crash_magic, sizeof crash_magic) == 0)
            records[count++] = crash_mend_record(records[i]);
    assert(count <= RECORDS_MAX);
    return count;
}

crash_ends crash_start(store *journals, const char *data)
{
    char path[PATH_BYTES];
    crash_ends ends = {.known = 0};
    (void)snprintf(path, sizeof path, "%s/crashes", data);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool is_fixed = fd < 0 && errno == EROFS; /* it cannot be emptied: presence_go_on tries again */
    if (is_fixed) fd = open(path, O_RDONLY | O_CLOEXEC);
    crash_record *records = fd >= 0 ? malloc(RECORDS_MAX * sizeof *records) : NULL;
    if (records) {
        size_t count = crash_read_records(fd, records);
        ends = crash_count_ends(records, count, store_epoch(journals) - 1);
        if (count == 0 || (store_takes_writes(journals) && crash_settle_all(journals, records, count))) {
            if (!is_fixed && ftruncate(fd, 0) != 0)
                log_line(LOG_WARN, NULL, "%s cannot be emptied: %s", path, strerror(errno));
        }
        free(records);
        (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SPARE_RECORDS * (off_t)sizeof *records);
    } else if (!is_fixed || errno != ENOENT) {
        log_line(LOG_WARN, NULL, "%s cannot be used: runs of which the process dies are not known: %s", path,
                 strerror(errno));
    }
    crash_set_file(fd, store_epoch(journals));
    return ends;
}
