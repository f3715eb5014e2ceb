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
#include "runtime/prove/history.h"

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

static void execution_look_at_end(execution *x)
{
    for (size_t i = 0; i < x->fact_count; i++) {
        const fact *f = &x->facts[i];
        if (f->kind == FACT_DIED) x->died = true;
        if (f->kind == FACT_STANDS) x->stands = true;
        if (f->kind == FACT_BROKEN) x->broken = strndup(f->text.data, f->text.len);
    }
}

bool execution_is_over(const execution *x)
{
    bool is_held_up = false, all = x->run_count > 0;
    for (size_t i = 0; i < x->run_count; i++) {
        const executed_run *r = &x->runs[i];
        const bool is_exhausted = !r->ended && r->stopped && r->stopped->status == ENTRY_STOP_EXHAUSTED;
        is_held_up = is_held_up || (is_exhausted && x->stands);
        if (!r->ended && r->stopped && !is_exhausted) return false;
        all = all && (r->ended || is_exhausted);
    }
    return all || is_held_up;
}

bool execution_make(struct sw_app *app, const execution_input *input, execution *out, char *error, size_t error_size)
{
    int fd = -1;
    assert((input->request != NULL) == (input->disk.run_count == 0)); /* a run begins, or goes on */
    *out = (execution){.bytes = NULL};
    pid_t pid = execution_start(app, input, &fd);
    if (pid < 0) {
        (void)snprintf(error, error_size, "no process for an execution: %s", strerror(errno));
        return false;
    }
    execution_listen(out, pid, fd, app->opt.prove_timeout_ms);
    close(fd);
    if (!out->lacks_memory && execution_find_facts(out)) {
        execution_look_at_end(out);
        if (!out->broken && history_make(out, &input->disk)) return true;
    }
    (void)snprintf(error, error_size, "%s", out->broken ? out->broken : "out of memory for what an execution reports");
    return false;
}

void execution_free(execution *x)
{
    free(x->bytes);
    free(x->facts);
    for (size_t i = 0; i < x->run_count; i++) {
        free(x->runs[i].entries);
        free(x->runs[i].ends);
        free(x->runs[i].places);
        msgpack_sbuffer_destroy(&x->runs[i].journal);
    }
    free(x->runs);
    free(x->history);
    free(x->rows);
    free((void *)(uintptr_t)x->broken);
    *x = (execution){.bytes = NULL};
}
