#include "runtime/prove/execution.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/process/app.h"

enum { READ_BYTES = 65536 };

/* ---- The process ---- */

static void execution_become_child(struct sw_app *app, const execution_input *input, int fd)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int nowhere = input->is_quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    if (nowhere >= 0) (void)dup2(nowhere, STDERR_FILENO);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO); /* standard output has the parent's page alone */
    fact_open(fd, (uint64_t)app->opt.prove_bytes_max);
    execution_serve(app, input);
}

static pid_t execution_start(struct sw_app *app, const execution_input *input, int *fd)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return -1;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        execution_become_child(app, input, fds[1]);
    }
    close(fds[1]);
    *fd = fds[0];
    if (pid < 0) close(fds[0]);
    return pid;
}

/* Reads what the pipe has. False: the pipe is at its end, or memory is out (`lacks_memory`). */
static bool execution_take_bytes(execution *x, int fd)
{
    if (x->room - x->len < READ_BYTES) {
        char *bytes = realloc(x->bytes, x->room * 2 + READ_BYTES);
        if (!bytes) {
            x->lacks_memory = true;
            return false;
        }
        x->bytes = bytes;
        x->room = x->room * 2 + READ_BYTES;
    }
    assert(x->room - x->len >= READ_BYTES);
    ssize_t n = read(fd, x->bytes + x->len, x->room - x->len);
    if (n < 0 && errno == EINTR) return true;
    if (n > 0) x->len += (size_t)n;
    return n > 0;
}

/* Returns whether the child has ended. The pipe's end does not tell: a process that the handler has started may have
 * the pipe open. */
static bool execution_has_ended(execution *x, pid_t pid) { return waitpid(pid, &x->status, WNOHANG) == pid; }

/* Reads what the child tells until the child has ended, and kills it after timeout_ms. */
static void execution_listen(execution *x, pid_t pid, int fd, int64_t timeout_ms)
{
    assert(timeout_ms > 0);
    int64_t until_ms = clock_steady_ms() + timeout_ms;
    bool ended = false;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, ended ? 0 : 100);
        if (ready > 0 && !execution_take_bytes(x, fd)) break;
        if (ready == 0 && ended) break;
        if (!ended) ended = execution_has_ended(x, pid);
        if (!ended && clock_steady_ms() > until_ms && !x->timed_out) {
            x->timed_out = true;
            (void)kill(pid, SIGKILL);
        }
    }
    if (!ended) {
        if (x->lacks_memory) (void)kill(pid, SIGKILL); /* it may wait for somebody to read */
        while (waitpid(pid, &x->status, 0) < 0 && errno == EINTR) continue;
    }
}

/* ---- What it told ---- */

static bool execution_find_facts(execution *x)
{
    size_t count = 0;
    fact f;
    for (size_t at = 0, n; (n = fact_read(x->bytes + at, x->len - at, &f)) > 0; at += n) count++;
    x->facts = calloc(count + 1, sizeof *x->facts);
    if (!x->facts) return false;
    for (size_t at = 0, n; (n = fact_read(x->bytes + at, x->len - at, &x->facts[x->fact_count])) > 0; at += n)
        x->fact_count++;
    assert(x->fact_count == count);
    return true;
}

static bool execution_join_journal(execution *x, const execution_input *input)
{
    bool ok = input->journal_len == 0 || msgpack_sbuffer_write(&x->journal, input->journal, input->journal_len) == 0;
    bool has_run = input->journal_len > 0;
    assert(x->facts);
    assert(x->journal.size == input->journal_len || !ok);
    x->run = input->run;
    for (size_t i = 0; i < x->fact_count && ok; i++) {
        const fact *f = &x->facts[i];
        if (f->kind == FACT_DIED) x->died = true;
        if (f->kind == FACT_BROKEN) x->broken = strndup(f->text.data, f->text.len);
        if (f->kind != FACT_SEGMENT) continue;
        if (!has_run && f->id.len == RUN_ID_BYTES) memcpy(x->run.bytes, f->id.data, RUN_ID_BYTES);
        has_run = true;
        ok = msgpack_sbuffer_write(&x->journal, f->data.data, f->data.len) == 0;
    }
    return ok;
}

static bool execution_find_entries(execution *x)
{
    const char *error = NULL;
    size_t room = 0, at = 0;
    while (at < x->journal.size) {
        if (x->entry_count == room) {
            room = room * 2 + 64;
            entry *entries = realloc(x->entries, room * sizeof *entries);
            if (entries) x->entries = entries;
            size_t *ends = realloc(x->ends, room * sizeof *ends);
            if (ends) x->ends = ends;
            if (!entries || !ends) return false;
        }
        size_t n = entry_decode(x->journal.data + at, x->journal.size - at, &x->entries[x->entry_count], &error);
        if (n == 0) return false;
        at += n;
        x->ends[x->entry_count++] = at;
        assert(x->entry_count <= room);
        assert(at <= x->journal.size);
    }
    for (size_t i = 0; i < x->entry_count; i++) {
        if (x->entries[i].kind == ENTRY_RESPONSE) x->response = &x->entries[i];
        if (x->entries[i].kind == ENTRY_CANCEL) x->cancelled = &x->entries[i];
        if (x->entries[i].kind == ENTRY_ENDED) x->ended = &x->entries[i];
        if (x->entries[i].kind == ENTRY_STOPPED) x->stopped = &x->entries[i];
    }
    return true;
}

bool execution_make(struct sw_app *app, const execution_input *input, execution *out, char *error, size_t error_size)
{
    int fd = -1;
    assert((input->request != NULL) == (input->journal_len == 0)); /* a run begins, or goes on */
    *out = (execution){.bytes = NULL};
    pid_t pid = execution_start(app, input, &fd);
    if (pid < 0) {
        (void)snprintf(error, error_size, "no process for an execution: %s", strerror(errno));
        return false;
    }
    execution_listen(out, pid, fd, app->opt.prove_timeout_ms);
    close(fd);
    if (!out->lacks_memory && execution_find_facts(out) && execution_join_journal(out, input) && !out->broken &&
        execution_find_entries(out))
        return true;
    (void)snprintf(error, error_size, "%s", out->broken ? out->broken : "out of memory for what an execution reports");
    return false;
}

void execution_free(execution *x)
{
    free(x->bytes);
    free(x->facts);
    free(x->entries);
    free(x->ends);
    free((void *)(uintptr_t)x->broken);
    msgpack_sbuffer_destroy(&x->journal);
    *x = (execution){.bytes = NULL};
}
