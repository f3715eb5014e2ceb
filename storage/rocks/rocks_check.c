#include "storage/rocks/rocks_check.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storage/folder.h"
#include "storage/rocks/rocks_edit.h"
#include "storage/rocks/rocks_log.h"
#include "storage/rocks/rocks_synced.h"
#include "storage/run_id.h"

enum {
    LOGS_MAX = 4096,
    RUNS_MAX = 1024,
    WHY_MAX = 640,
    BATCH_HEADER_BYTES = 12, /* sequence number (u64), count (u32) */
    SEGMENTS_TABLE = 1,      /* families are numbered as they were made, see own_names in rocks_tables.c */
    SEGMENT_KEY_BYTES = RUN_ID_BYTES + 4
};
_Static_assert((int)SEGMENTS_TABLE < (int)ROCKS_EDIT_TABLES, "rocks_edit knows its logs");

/* Tags of the rows of a batch, db/dbformat.h. */
enum { ROW_TABLE_DELETE = 4, ROW_TABLE_PUT = 5, ROW_DELETE = 0, ROW_PUT = 1 };

/* What lies behind the damage and would be lost with it. */
typedef struct stake {
    uint64_t commits;
    size_t runs; /* distinct, RUNS_MAX at most */
    run_id ids[RUNS_MAX];
} stake;

typedef struct check {
    const char *path;
    rocks_synced synced;
    char manifest[ROCKS_SYNCED_NAME];
    uint64_t first_log; /* logs with a lower number are not needed */
    bool first_known;   /* else a log that is missing may be one that is not needed */
    uint64_t logs[LOGS_MAX];
    size_t log_count;
    uint64_t next_sequence; /* the sequence number behind the last whole record; 0: no record yet */
    bool torn;              /* a log before this one ended in an incomplete record, see check_sequence */
    char torn_name[ROCKS_SYNCED_NAME];
    size_t torn_at;
    stake stake;
    char why[WHY_MAX]; /* what is wrong; empty: nothing */
} check;

/* Says what is wrong. Returns false. */
static __attribute__((format(printf, 2, 3))) bool check_fail(check *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->why, sizeof c->why, format, args);
    va_end(args);
    return false;
}

static void journal_file_name(const check *c, char out[FOLDER_PATH_MAX + 64], const char *name)
{
    (void)snprintf(out, FOLDER_PATH_MAX + 64, "%s/journal/%s", c->path, name);
}

static bool file_is_there(const char *path, const char *name)
{
    char file[FOLDER_PATH_MAX + 64];
    (void)snprintf(file, sizeof file, "%s/%s", path, name);
    return access(file, F_OK) == 0;
}

/* ---- What is at stake ---- */

static void count_run(stake *s, const uint8_t *id)
{
    for (size_t i = 0; i < s->runs; i++)
        if (memcmp(s->ids[i].bytes, id, RUN_ID_BYTES) == 0) return;
    assert(s->runs <= RUNS_MAX);
    if (s->runs < RUNS_MAX) memcpy(s->ids[s->runs++].bytes, id, RUN_ID_BYTES);
}

/* Counts the commit in the record, if it has segments, and their runs. */
static void count_commit(stake *s, const uint8_t *record, size_t len)
{
    const uint8_t *at = record + BATCH_HEADER_BYTES, *end = record + len, *key, *value;
    size_t key_len, value_len;
    bool of_runs = false;
    if (len <= BATCH_HEADER_BYTES) return;
    while (at < end) {
        uint8_t tag = *at++;
        uint64_t table = 0;
        if (tag != ROW_PUT && tag != ROW_DELETE && tag != ROW_TABLE_PUT && tag != ROW_TABLE_DELETE) return;
        if (tag >= ROW_TABLE_DELETE && !rocks_varint(&at, end, &table)) return;
        if (!rocks_prefixed(&at, end, &key, &key_len)) return;
        if ((tag == ROW_PUT || tag == ROW_TABLE_PUT) && !rocks_prefixed(&at, end, &value, &value_len)) return;
        if (table != SEGMENTS_TABLE || key_len != SEGMENT_KEY_BYTES) continue;
        s->commits += !of_runs;
        of_runs = true;
        count_run(s, key);
    }
}

/* Counts what lies behind the damage in this log. */
static void count_rest(check *c, rocks_log *g)
{
    const uint8_t *record;
    size_t len, at;
    while (rocks_log_resume(g))
        while (rocks_log_next(g, &record, &len, &at) == ROCKS_LOG_RECORD) count_commit(&c->stake, record, len);
}

static void count_log(check *c, uint64_t number)
{
    char name[ROCKS_SYNCED_NAME], file[FOLDER_PATH_MAX + 64];
    const uint8_t *record;
    size_t len, at;
    rocks_log g;
    (void)snprintf(name, sizeof name, "%06" PRIu64 ".log", number);
    journal_file_name(c, file, name);
    if (!rocks_log_open(&g, file)) return;
    while (rocks_log_next(&g, &record, &len, &at) == ROCKS_LOG_RECORD) count_commit(&c->stake, record, len);
    count_rest(c, &g);
    rocks_log_close(&g);
}

/* The log is damaged at `at`: says so, and what is behind it in this log and in those from next_log on. Returns false.
 */
static bool check_fail_log(check *c, const char *name, size_t at, size_t next_log)
{
    char ids[3 * (RUN_ID_TEXT + 2) + 1] = "", id[RUN_ID_TEXT + 1];
    assert(next_log <= c->log_count);
    for (size_t i = next_log; i < c->log_count; i++) count_log(c, c->logs[i]);
    for (size_t i = 0; i < c->stake.runs && i < 3; i++) {
        run_id_format(&c->stake.ids[i], id);
        (void)snprintf(ids + strlen(ids), sizeof ids - strlen(ids), "%s%s", i ? ", " : "", id);
    }
    return check_fail(c,
                      "journal/%s is damaged at byte %zu: the commit there is lost, and %" PRIu64
                      " later commits, of %zu%s "
                      "runs%s%s%s, would be passed over",
                      name, at, c->stake.commits, c->stake.runs, c->stake.runs == RUNS_MAX ? " or more" : "",
                      *ids ? " (" : "", ids, *ids ? (c->stake.runs > 3 ? ", ...)" : ")") : "");
}

/* ---- Files ---- */

static int compare_log_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool check_list_logs(check *c)
{
    char folder[FOLDER_PATH_MAX + 16];
    (void)snprintf(folder, sizeof folder, "%s/journal", c->path);
    DIR *d = opendir(folder);
    if (!d) return check_fail(c, "journal cannot be read: %s", strerror(errno));
    size_t found = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char *end;
        uint64_t number = strtoull(e->d_name, &end, 10);
        if (end == e->d_name || strcmp(end, ".log") != 0 || number < c->first_log) continue;
        if (found < LOGS_MAX) c->logs[c->log_count++] = number;
        found++;
    }
    (void)closedir(d);
    if (found > LOGS_MAX)
        return check_fail(
            c, "journal has %zu write-ahead logs, and more than %d cannot be checked: are these files its own?", found,
            LOGS_MAX);
    qsort(c->logs, c->log_count, sizeof *c->logs, compare_log_numbers);
    return true;
}

/* True: there is a log, a table or a blob file. RocksDB makes the first of these when it has written CURRENT. */
static bool journal_has_files(const check *c)
{
    char folder[FOLDER_PATH_MAX + 16];
    bool found = false;
    (void)snprintf(folder, sizeof folder, "%s/journal", c->path);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        const char *end = strrchr(e->d_name, '.');
        found = end && (strcmp(end, ".log") == 0 || strcmp(end, ".sst") == 0 || strcmp(end, ".blob") == 0);
    }
    if (d) (void)closedir(d);
    return found;
}

/* Each file that is still needed must be as long as the file `synced` says. */
static bool check_synced(check *c)
{
    for (unsigned i = 0; i < c->synced.count; i++) {
        const char *name = c->synced.files[i].name;
        char file[FOLDER_PATH_MAX + 64];
        struct stat st;
        bool log = name[0] != 'M';
        if (log ? !c->first_known || strtoull(name, NULL, 10) < c->first_log : strcmp(name, c->manifest) != 0) continue;
        journal_file_name(c, file, name);
        if (stat(file, &st) != 0)
            return check_fail(c, "journal/%s is missing: %" PRIu64 " bytes of it were on disk", name,
                              c->synced.files[i].bytes);
        if ((uint64_t)st.st_size < c->synced.files[i].bytes)
            return check_fail(c, "journal/%s ends at byte %lld: %" PRIu64 " bytes of it were on disk", name,
                              (long long)st.st_size, c->synced.files[i].bytes);
    }
    return true;
}

/* The newest log is there from the moment the database is made, so there is always one; with the
 * file `synced`, it is the newest that is named there or a later one. */
static bool check_newest(check *c)
{
    uint64_t synced = 0;
    for (unsigned i = 0; i < c->synced.count; i++) {
        uint64_t number = strtoull(c->synced.files[i].name, NULL, 10);
        if (number > synced) synced = number;
    }
    uint64_t newest = c->log_count > 0 ? c->logs[c->log_count - 1] : 0;
    if (newest >= synced) return true;
    return check_fail(c, "journal/%06" PRIu64 ".log is missing: what was committed last was in it", synced);
}

/* ---- MANIFEST ---- */

static bool check_current(check *c)
{
    char file[FOLDER_PATH_MAX + 64], text[64] = "";
    journal_file_name(c, file, "CURRENT");
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    int reason = errno;
    if (fd >= 0) close(fd);
    if (n < 0) return check_fail(c, "journal/CURRENT cannot be read: %s", strerror(reason));
    text[n] = 0;
    size_t len = strcspn(text, "\n");
    if (strncmp(text, "MANIFEST-", 9) != 0 || len >= ROCKS_SYNCED_NAME || text[len] != '\n')
        return check_fail(c, "journal/CURRENT is damaged: it does not name a MANIFEST");
    text[len] = 0;
    memcpy(c->manifest, text, len + 1);
    return true;
}

static bool check_manifest(check *c)
{
    char file[FOLDER_PATH_MAX + 64];
    const uint8_t *record;
    size_t len, at = 0;
    rocks_log g;
    rocks_edits edits = {.logs_from = 0};
    rocks_log_result r;
    bool known = true;
    journal_file_name(c, file, c->manifest);
    if (!rocks_log_open(&g, file)) return check_fail(c, "journal/%s cannot be read: %s", c->manifest, strerror(errno));
    while ((r = rocks_log_next(&g, &record, &len, &at)) == ROCKS_LOG_RECORD)
        known = known && rocks_edit_read(&edits, record, len);
    bool cut = r == ROCKS_LOG_INCOMPLETE && (int64_t)at < rocks_synced_bytes(&c->synced, c->manifest);
    rocks_log_close(&g);
    if (r == ROCKS_LOG_DAMAGED || cut)
        return check_fail(c, "journal/%s is damaged at byte %zu: tables that are named behind it would be lost",
                          c->manifest, at);
    c->first_known = known;
    c->first_log = known ? rocks_edits_first_log(&edits) : 0;
    return true;
}

/* ---- Logs ---- */

static uint64_t little_endian(const uint8_t *at, int bytes)
{
    uint64_t n = 0;
    for (int i = bytes - 1; i >= 0; i--) n = n << 8 | at[i];
    return n;
}

/* Checks the sequence number of a record of log number i. If an earlier log ends in an incomplete record because a
 * process ended then, the next process went on with the sequence number behind the last whole record. */
static bool check_sequence(check *c, uint64_t sequence, uint64_t rows, size_t i)
{
    if (!c->torn) return true;
    bool follows = c->next_sequence > 0 ? sequence == c->next_sequence : rows == 0;
    if (!follows) return check_fail_log(c, c->torn_name, c->torn_at, i);
    if (rows > 0) c->torn = false;
    return true;
}

static bool check_log(check *c, size_t i)
{
    char name[ROCKS_SYNCED_NAME], file[FOLDER_PATH_MAX + 64];
    const uint8_t *record;
    size_t len, at = 0;
    rocks_log g;
    rocks_log_result r;
    (void)snprintf(name, sizeof name, "%06" PRIu64 ".log", c->logs[i]);
    journal_file_name(c, file, name);
    if (!rocks_log_open(&g, file)) return check_fail(c, "journal/%s cannot be read: %s", name, strerror(errno));
    bool ok = true;
    while (ok && (r = rocks_log_next(&g, &record, &len, &at)) == ROCKS_LOG_RECORD) {
        if (len < BATCH_HEADER_BYTES) continue;
        uint64_t sequence = little_endian(record, 8), rows = little_endian(record + 8, 4);
        ok = check_sequence(c, sequence, rows, i);
        c->next_sequence = sequence + rows;
    }
    assert(!ok || r != ROCKS_LOG_RECORD);
    if (ok && r != ROCKS_LOG_END) {
        bool synced = (int64_t)at < rocks_synced_bytes(&c->synced, name);
        if (r == ROCKS_LOG_DAMAGED || synced) {
            count_rest(c, &g);
            ok = check_fail_log(c, name, at, i + 1);
        }
        c->torn = true;
        c->torn_at = at;
        memcpy(c->torn_name, name, sizeof name);
    }
    rocks_log_close(&g);
    return ok;
}

/* ---- The whole ---- */

/* True: a process has the database open. Then RocksDB refuses to open it, with a message that says so. */
static bool journal_is_in_use(const check *c)
{
    char file[FOLDER_PATH_MAX + 64];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    journal_file_name(c, file, "LOCK");
    int fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    bool locked = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return locked;
}

static bool check_all(check *c)
{
    bool used = file_is_there(c->path, "pid") || file_is_there(c->path, "secret") || file_is_there(c->path, "synced");
    (void)rocks_synced_read(&c->synced, c->path);
    if (!file_is_there(c->path, "journal/CURRENT")) {
        if (!used && !journal_has_files(c)) return true; /* the folder is new, or its first start did not get far */
        return check_fail(c, file_is_there(c->path, "journal")
                                 ? "journal/CURRENT is missing: nothing in journal can be found"
                                 : "journal is missing");
    }
    if (journal_is_in_use(c)) return true;
    if (!check_current(c) || !check_manifest(c) || !check_list_logs(c) || !check_newest(c) || !check_synced(c))
        return false;
    for (size_t i = 0; i < c->log_count; i++)
        if (!check_log(c, i)) return false;
    return true;
}

/* Links the files of the damaged database to the folder `lost`, where whoever may want to read them finds them. */
static void link_damaged_files(const check *c, const char *lost)
{
    char from[FOLDER_PATH_MAX + 320], to[FOLDER_PATH_MAX + 320];
    (void)snprintf(from, sizeof from, "%s/journal", c->path);
    DIR *d = opendir(from);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, "LOCK") == 0) continue;
        (void)snprintf(from, sizeof from, "%s/journal/%s", c->path, e->d_name);
        (void)snprintf(to, sizeof to, "%s/%s", lost, e->d_name);
        if (link(from, to) != 0)
            fprintf(stderr, "stepwell: %s cannot be linked to the files that are set aside: %s\n", from,
                    strerror(errno));
    }
    (void)closedir(d);
}

/* Links the damaged files to a folder lost-N. Without CURRENT or MANIFEST the database cannot be opened: then it is
 * moved there, and a new one will be made. */
static bool move_damaged_files(check *c)
{
    char manifest[FOLDER_PATH_MAX + 64], lost[FOLDER_PATH_MAX + 32], journal[FOLDER_PATH_MAX + 32],
        synced[FOLDER_PATH_MAX + 32];
    (void)snprintf(lost, sizeof lost, "%s/lost-%lld", c->path, (long long)time(NULL));
    (void)snprintf(journal, sizeof journal, "%s/journal", c->path);
    (void)snprintf(synced, sizeof synced, "%s/synced", c->path);
    (void)unlink(synced);
    journal_file_name(c, manifest, c->manifest);
    if (!*c->manifest || access(manifest, F_OK) != 0) {
        if (rename(journal, lost) == 0 || errno == ENOENT) return true;
        return check_fail(c, "journal cannot be moved to %s: %s", lost, strerror(errno));
    }
    if (mkdir(lost, 0700) != 0) return check_fail(c, "%s cannot be made: %s", lost, strerror(errno));
    link_damaged_files(c, lost);
    return true;
}

bool rocks_check(const char *path, bool accept_loss, char *error, size_t error_size)
{
    check *c = calloc(1, sizeof *c);
    if (!c) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    c->path = path;
    bool ok = check_all(c);
    if (!ok && accept_loss) {
        fprintf(stderr, "stepwell: data folder %s: %s: the loss is accepted\n", path, c->why);
        ok = move_damaged_files(c);
    }
    if (!ok)
        (void)snprintf(error, error_size,
                       "data folder %s: %s; restore the folder from a copy, or accept the loss with "
                       "--accept-journal-loss (the damaged files are kept beside the journal)",
                       path, c->why);
    free(c);
    return ok;
}
