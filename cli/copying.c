#include "cli/copying.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/offline.h"
#include "storage/folder.h"

enum { PIECE_BYTES = 8 << 20 };

static bool may_make(const char *to)
{
    struct stat st;
    if (lstat(to, &st) != 0 && errno == ENOENT) return true;
    if (rmdir(to) == 0) return true;
    (void)cli_fail(CLI_REFUSED, "%s is there already: move it away first, and do not mix files of two folders", to);
    return false;
}

/* ---- Signals ---- */

static volatile sig_atomic_t is_cut;

static void on_signal(int signal)
{
    (void)signal;
    is_cut = 1;
}

/* From now on these signals end the command in copying_begin or copying_finish, which remove what was made. */
static void catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction act = {.sa_handler = on_signal};
    (void)sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) (void)sigaction(signals[i], &act, NULL);
}

bool copying_is_cut(void) { return is_cut; }

static cli_end fail_cut(void) { return cli_fail(CLI_REFUSED, "a signal ended the command: nothing was made"); }

/* ---- Files ---- */

static void show_progress(unsigned long long bytes)
{
    if (isatty(STDERR_FILENO)) fprintf(stderr, "\r%llu MiB copied \033[K", bytes >> 20);
}

/* False with errno: a signal came. */
static bool may_go_on(void)
{
    errno = EINTR;
    return !is_cut;
}

/* Copies what is left of the file; false: errno tells why. */
static bool copy_bytes(int in, int out, unsigned long long *bytes)
{
    static char piece[PIECE_BYTES];
    ssize_t n;
    while ((n = read(in, piece, sizeof piece)) > 0) {
        if (!may_go_on()) return false;
        for (ssize_t at = 0, wrote; at < n; at += wrote)
            if ((wrote = write(out, piece + at, (size_t)(n - at))) <= 0) return false;
        *bytes += (unsigned long long)n;
        show_progress(*bytes);
    }
    return n == 0 && fsync(out) == 0;
}

static bool copy_file(int from, int to, const char *name, unsigned long long *bytes)
{
    int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out = -1;
    if (in >= 0) out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = in >= 0 && out >= 0 && copy_bytes(in, out, bytes);
    int reason = errno;
    if (in >= 0) close(in);
    if (out >= 0 && close(out) != 0 && ok) ok = false;
    errno = reason;
    return ok;
}

/* Copies all files of `from/journal`; it has no folders. */
static bool copy_journal(const char *from, const char *to, unsigned long long *bytes)
{
    char path[FOLDER_PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/journal", from);
    DIR *dir = opendir(path);
    (void)snprintf(path, sizeof path, "%s/journal", to);
    int out = dir && mkdir(path, 0700) == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool ok = out >= 0;
    for (struct dirent *e; ok && (e = readdir(dir)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, "LOCK") != 0)
            ok = copy_file(dirfd(dir), out, e->d_name, bytes);
    ok = ok && fsync(out) == 0;
    int reason = errno;
    if (dir) closedir(dir);
    if (out >= 0) close(out);
    errno = reason;
    return ok;
}

/* ---- The copy ---- */

void copying_drop(copying *k) { (void)folder_remove(k->partial); }

static cli_end copying_fill(copying *k, const char *from)
{
    bool ok = mkdtemp(k->partial) != NULL;
    if (!ok) return cli_fail(CLI_REFUSED, "%s cannot be made: %s", k->partial, strerror(errno));
    ok = folder_copy(from, k->partial) && copy_journal(from, k->partial, &k->bytes) && may_go_on();
    int reason = errno;
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
    if (ok) return CLI_DONE;
    copying_drop(k);
    if (is_cut) return fail_cut();
    return cli_fail(CLI_REFUSED, "%s cannot be copied to %s: %s", from, k->to, strerror(reason));
}

cli_end copying_begin(copying *k, cli *c, const char *from, const char *to)
{
    size_t len = strlen(to);
    cli_end end;
    while (len > 1 && to[len - 1] == '/') len--;
    *k = (copying){.to = cli_bytes(c, to, len)};
    k->partial = cli_text(c, "%s.partial-XXXXXX", k->to);
    if (!may_make(k->to)) return CLI_REFUSED;
    backend *b = offline_open(from, &end); /* which locks it */
    if (!b) return end;
    catch_signals();
    end = copying_fill(k, from);
    offline_close(b);
    return end;
}

cli_end copying_finish(copying *k)
{
    if (is_cut) {
        copying_drop(k);
        return fail_cut();
    }
    if (rename(k->partial, k->to) == 0) {
        if (folder_sync_parent(k->to)) return CLI_DONE;
        return cli_fail(CLI_REFUSED, "%s is there, but may not be on disk: %s", k->to, strerror(errno));
    }
    int reason = errno;
    copying_drop(k);
    return cli_fail(CLI_REFUSED, "the copy cannot get its name %s: %s", k->to, strerror(reason));
}
