#include "runtime/check/shelf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/rocks/rocks.h"

/* The number of a reader's fact: what it is about. */
enum { RUN_ENDED, RUN_LIVE, SHELF_IS_OPEN };

enum { SHELF_ROWS = 256, READ_BYTES = 65536, ERROR_TEXT = 1024 };

/* ---- The reader's process ---- */

static __attribute__((noreturn)) void reader_fails(const char *why)
{
    fact_tell(&(fact){.kind = FACT_BROKEN, .text = {why, strlen(why)}});
    fact_exit(1);
}

/* Tells of a run. `live`: only if it has not ended, or only if it has. Returns whether it did. */
static bool reader_tell(backend *b, const run_id *id, bool live)
{
    store_journal j = {.run = *id};
    b->ops->load(b, &j, 0);
    bool is_wanted = j.live == live && (j.found || j.live || j.error);
    const char *error = j.error ? j.error : "";
    if (is_wanted)
        fact_tell(&(fact){.kind = FACT_SEGMENT,
                          .number = live ? RUN_LIVE : RUN_ENDED,
                          .id = {(const char *)id->bytes, RUN_ID_BYTES},
                          .text = {error, strlen(error)},
                          .data = {j.data, j.len}});
    free(j.data);
    return is_wanted;
}

static void reader_tell_live(backend *b)
{
    store_live_row rows[SHELF_ROWS];
    run_id after = {{0}};
    bool end = false;
    for (bool is_first = true; !end; is_first = false) {
        const store_live_range range = {
            .after = is_first ? NULL : &after, .rows_max = SHELF_ROWS, .loop = 0, .loops = 1};
        const char *error = NULL;
        long n = b->ops->scan_live(b, &range, rows, &end, &error);
        if (n < 0) reader_fails(error);
        for (long i = 0; i < n; i++) (void)reader_tell(b, &rows[i].run, true);
        if (n > 0) after = rows[n - 1].run;
    }
}

static void reader_tell_ended(backend *b, int64_t most)
{
    run_id ids[SHELF_ROWS], before;
    const char *error = NULL;
    for (long n = 1, page = 0; n > 0 && most > 0; page++) {
        n = b->ops->list(b, page > 0 ? &before : NULL, SHELF_ROWS, ids, &error);
        if (n < 0) reader_fails(error);
        for (long i = 0; i < n && most > 0; i++) most -= reader_tell(b, &ids[i], false);
        if (n > 0) before = ids[n - 1];
    }
}

static __attribute__((noreturn)) void reader_main(const char *path, int64_t ended_max, int fd)
{
    char error[ERROR_TEXT];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    fact_open(fd, UINT64_MAX);
    backend *b = rocks_open_reading(path, error, sizeof error);
    if (!b) reader_fails(error);
    fact_tell(&(fact){.kind = FACT_SEGMENT, .number = SHELF_IS_OPEN});
    reader_tell_live(b);
    reader_tell_ended(b, ended_max);
    b->ops->close(b);
    fact_exit(0);
}

/* ---- The side of --check ---- */

/* Reads one fact more. False: the reader has ended; or, with a message in `error`, there is no memory for the fact. */
static bool shelf_read(shelf *s, fact *out, char *error, size_t error_size)
{
    size_t taken;
    while ((taken = fact_read(s->bytes + s->at, s->len - s->at, out)) == 0) {
        if (s->at > 0) memmove(s->bytes, s->bytes + s->at, s->len - s->at);
        s->len -= s->at;
        s->at = 0;
        if (s->room - s->len < READ_BYTES) {
            char *bytes = realloc(s->bytes, s->room * 2 + READ_BYTES);
            if (!bytes) {
                (void)snprintf(error, error_size, "out of memory for a run's journal");
                return false;
            }
            s->bytes = bytes;
            s->room = s->room * 2 + READ_BYTES;
        }
        ssize_t n = read(s->fd, s->bytes + s->len, s->room - s->len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        s->len += (size_t)n;
    }
    s->at += taken;
    return true;
}

/* The reader has ended, perhaps without saying why: its process has died. Or it is to end, with an error: then it may
 * be in the middle of a journal that nobody reads. */
static bool shelf_end(shelf *s, char *error, size_t error_size)
{
    int status = 0;
    if (s->reader > 0 && *error) (void)kill(s->reader, SIGKILL);
    if (s->reader > 0 && waitpid(s->reader, &status, 0) == s->reader && status != 0 && !*error)
        (void)snprintf(error, error_size, "the process that reads the folder has died (%d)", status);
    s->reader = 0;
    return false;
}

static bool shelf_is_broken(const fact *f, char *error, size_t error_size)
{
    if (f->kind == FACT_BROKEN) (void)snprintf(error, error_size, "%.*s", (int)f->text.len, f->text.data);
    return f->kind == FACT_BROKEN;
}

bool shelf_open(shelf *s, const char *path, int64_t ended_max, char *error, size_t error_size)
{
    int fds[2];
    fact f;
    *s = (shelf){.fd = -1};
    *error = 0;
    if (pipe2(fds, O_CLOEXEC) != 0 || (s->reader = fork()) < 0) {
        (void)snprintf(error, error_size, "no process to read the folder: %s", strerror(errno));
        return false;
    }
    if (s->reader == 0) {
        close(fds[0]);
        reader_main(path, ended_max, fds[1]);
    }
    close(fds[1]);
    s->fd = fds[0];
    if (!shelf_read(s, &f, error, error_size)) return shelf_end(s, error, error_size);
    return !shelf_is_broken(&f, error, error_size);
}

bool shelf_take(shelf *s, shelf_run *run, char *error, size_t error_size)
{
    fact f;
    *error = 0;
    if (!shelf_read(s, &f, error, error_size)) return shelf_end(s, error, error_size);
    if (shelf_is_broken(&f, error, error_size)) return false;
    assert(f.kind == FACT_SEGMENT && f.id.len == RUN_ID_BYTES);
    *run = (shelf_run){.is_live = f.number == RUN_LIVE, .journal = f.data, .error = f.text};
    memcpy(run->id.bytes, f.id.data, RUN_ID_BYTES);
    return true;
}

void shelf_close(shelf *s)
{
    if (s->fd >= 0) close(s->fd);
    if (s->reader > 0) {
        (void)kill(s->reader, SIGKILL);
        while (waitpid(s->reader, NULL, 0) < 0 && errno == EINTR) continue;
    }
    free(s->bytes);
    *s = (shelf){.fd = -1};
}
