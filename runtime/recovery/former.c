#include "runtime/recovery/former.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/recovery/crash.h"
#include "runtime/survive/control.h"
#include "storage/folder.h"

enum { NOTE_BYTES = 512, PATH_BYTES = 4200, EVENTS_BYTES = 1024, AGAIN_MS = 600000, FIELDS_LEAST = 8 };

static const char FILE_NAME[] = "process";

/* ---- The kernel's count ---- */

/* Reads a file up to its end or size - 1 bytes, and adds a zero. Returns the length; 0: it cannot be read. */
static size_t former_read_text(int fd, char *to, size_t size)
{
    size_t len = 0;
    assert(size > 0);
    for (ssize_t n = 1; fd >= 0 && n > 0 && len < size - 1; len += (size_t)(n > 0 ? n : 0))
        n = read(fd, to + len, size - 1 - len);
    to[len] = 0;
    return len;
}

/* Where the kernel counts: below a folder the file of this process's cgroup, which a line of /proc/self/cgroup names
 * behind such a mark, or in a container that of the folder, since there the own cgroup is shown as the root. */
static const struct {
    const char *mark, *folder, *file;
} cgroup_files[] = {{"0::", "/sys/fs/cgroup", "memory.events"},                   /* version 2 */
                    {":memory:", "/sys/fs/cgroup/memory", "memory.oom_control"}}; /* version 1 */

/* Opens that file; -1: the kernel counts nowhere. */
static int former_open_events(void)
{
    char groups[PATH_BYTES], path[PATH_BYTES + 64];
    int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    (void)former_read_text(fd, groups, sizeof groups);
    if (fd >= 0) close(fd);
    fd = -1;
    for (size_t i = 0; fd < 0 && i < sizeof cgroup_files / sizeof *cgroup_files; i++) {
        const char *own = strstr(groups, cgroup_files[i].mark);
        own = own ? own + strlen(cgroup_files[i].mark) : "";
        (void)snprintf(path, sizeof path, "%s%.*s/%s", cgroup_files[i].folder, (int)strcspn(own, "\n"), own,
                       cgroup_files[i].file);
        if ((fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0) break;
        (void)snprintf(path, sizeof path, "%s/%s", cgroup_files[i].folder, cgroup_files[i].file);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return fd;
}

static void former_read_kills(former *to)
{
    char text[EVENTS_BYTES];
    struct stat st;
    int fd = former_open_events();
    to->cgroup = to->oom_kills = 0;
    if (fd < 0) return;
    (void)former_read_text(fd, text, sizeof text);
    const char *kills = strstr(text, "oom_kill ");
    if (kills && fstat(fd, &st) == 0) {
        to->cgroup = st.st_ino;
        to->oom_kills = strtoull(kills + strlen("oom_kill "), NULL, 10);
    }
    close(fd);
}

/* Whether the kernel has ended a process of the cgroup since. A cgroup that was made anew counts from 0: then nothing
 * is known. */
static bool former_was_killed_for_memory(const former *f)
{
    former now;
    former_read_kills(&now);
    return f->cgroup != 0 && f->cgroup == now.cgroup && now.oom_kills > f->oom_kills;
}

/* ---- The note ---- */

static const char FORMAT[] = "epoch %" PRIu64 "\npid %" PRId64 "\nbegan %" PRId64 "\nserving %d\ncgroup %" PRIu64
                             "\noom_kills %" PRIu64 "\nunclean %" PRId64 " %" PRId64 "\nends %" PRIu32 "\n";

static bool former_write(const former *f, const char *data)
{
    char text[NOTE_BYTES];
    int len = snprintf(text, sizeof text, FORMAT, f->epoch, f->pid, f->began_ms, (int)f->serving, f->cgroup,
                       f->oom_kills, f->unclean_wall_ms, f->unclean_steady_ms, f->ends);
    assert(len > 0 && (size_t)len < sizeof text);
    return folder_write(data, FILE_NAME, text, (size_t)len);
}

void former_read(former *out, const char *data)
{
    static const char SCAN[] = "epoch %" SCNu64 " pid %" SCNd64 " began %" SCNd64 " serving %d cgroup %" SCNu64
                               " oom_kills %" SCNu64 " unclean %" SCNd64 " %" SCNd64 " ends %" SCNu32;
    char text[NOTE_BYTES];
    int serving = 0;
    former f = {0};
    ssize_t n = folder_read(data, FILE_NAME, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    int fields = sscanf(text, SCAN, &f.epoch, &f.pid, &f.began_ms, &serving, &f.cgroup, &f.oom_kills,
                        &f.unclean_wall_ms, &f.unclean_steady_ms, &f.ends);
    bool whole = fields >= FIELDS_LEAST; /* older versions write no `ends` */
    f.serving = serving != 0;
    *out = whole ? f : (former){0};
}

bool former_begin(const former *before, bool unclean, uint64_t epoch, const char *data)
{
    former own = *before;
    own.epoch = epoch;
    own.pid = getpid();
    own.began_ms = clock_steady_ms();
    own.serving = true;
    former_read_kills(&own);
    if (unclean) {
        own.unclean_wall_ms = clock_wall_ms();
        own.unclean_steady_ms = clock_steady_ms();
    }
    return former_write(&own, data);
}

void former_end(const char *data)
{
    former own;
    former_read(&own, data);
    own.serving = false;
    (void)former_write(&own, data); /* else the next start may take this for an end that nobody asked for */
}

/* ---- The verdict ---- */

/* Whether the status is that of a fault. No other process sent the signal, or there would be a record of that: the
 * handler found no stack to run on. */
static bool former_died_of_fault(int status)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (WIFSIGNALED(status) && WTERMSIG(status) == faults[i]) return true;
    return false;
}

bool former_is_unclean(const former *f, uint64_t epoch, const crash_ends *crashes, const control_ended *worker,
                       char text[FORMER_TEXT])
{
    text[0] = 0;
    assert(epoch > 0);
    if (!f->serving || f->epoch + 1 != epoch || crashes->known > 0) return false;
    if (crashes->unknown > 0 && crashes->number == CRASH_BY_EXIT)
        (void)snprintf(text, FORMER_TEXT, "exit() was called outside runs");
    else if (crashes->unknown > 0 && crashes->number == CRASH_BY_WANT)
        (void)snprintf(text, FORMER_TEXT, "it had no memory to go on");
    else if (crashes->unknown > 0)
        (void)snprintf(text, FORMER_TEXT, "signal %u (%s)", crashes->number, strsignal((int)crashes->number));
    else if (worker->pid != 0 && worker->pid == f->pid && WIFEXITED(worker->status))
        (void)snprintf(text, FORMER_TEXT, "it exited with code %d", WEXITSTATUS(worker->status));
    else if (worker->pid != 0 && worker->pid == f->pid && former_died_of_fault(worker->status))
        (void)snprintf(text, FORMER_TEXT, "signal %d (%s), on a thread that could not tell", WTERMSIG(worker->status),
                       strsignal(WTERMSIG(worker->status)));
    else if (former_was_killed_for_memory(f))
        (void)snprintf(text, FORMER_TEXT, "the kernel ended it for want of memory");
    return text[0] != 0;
}

/* Both clocks have to say so: the wall clock may have been set, and the steady one begins anew with the machine. */
bool former_again(const former *f)
{
    int64_t wall_ms = clock_wall_ms() - f->unclean_wall_ms, steady_ms = clock_steady_ms() - f->unclean_steady_ms;
    return f->unclean_wall_ms > 0 && wall_ms >= 0 && wall_ms <= AGAIN_MS && steady_ms >= 0 && steady_ms <= AGAIN_MS;
}

uint32_t former_ends(const former *f, uint64_t epoch, const crash_ends *crashes)
{
    if (f->epoch + 1 != epoch || crashes->of_runs == 0) return 0;
    return former_served_ms(f) < AGAIN_MS ? f->ends + 1 : 1;
}

int64_t former_served_ms(const former *f)
{
    int64_t ms = clock_steady_ms() - f->began_ms;
    return ms > 0 ? ms : 0;
}
