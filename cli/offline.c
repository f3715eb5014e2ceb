#include "cli/offline.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/folder.h"
#include "storage/rocks/rocks.h"

enum { PAGE = 500, COMMAND_LINE_BYTES = 65536, ADDRESS_BYTES = 256 };

/* ---- Who works with it ---- */

/* The value of a flag in a command line of `len` bytes, whose words end with zeros; NULL: it is not there. */
static const char *flag_value(const char *line, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *at = line; at < line + len; at += strlen(at) + 1) {
        if (strncmp(at, name, name_len) != 0) continue;
        if (at[name_len] == '=') return at + name_len + 1;
        const char *next = at + name_len + 1;
        if (at[name_len] == 0) return next < line + len ? next : "";
    }
    return NULL;
}

/* What the process was started with; false: it cannot be known. */
static bool read_admin_address(long pid, char out[ADDRESS_BYTES])
{
    static char line[COMMAND_LINE_BYTES + 1];
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%ld/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, line, COMMAND_LINE_BYTES);
    if (fd >= 0) close(fd);
    if (len <= 0) return false;
    line[len] = 0;
    const char *admin = flag_value(line, (size_t)len, "--admin-listen"),
               *public = flag_value(line, (size_t)len, "--listen");
    const char *port = public ? strrchr(public, ':') : NULL;
    bool is_path = admin && (*admin == '/' || strncmp(admin, "unix:", 5) == 0);
    if (admin && *admin)
        (void)snprintf(out, ADDRESS_BYTES, "%s%s", is_path ? "" : "http://", admin);
    else if (flag_value(line, (size_t)len, "--dev") && port && atoi(port + 1) > 0)
        (void)snprintf(out, ADDRESS_BYTES, "http://127.0.0.1:%d", atoi(port + 1) + 1);
    else
        return false;
    return true;
}

static cli_end fail_in_use(const char *path)
{
    char address[ADDRESS_BYTES];
    long pid = folder_user(path);
    if (read_admin_address(pid, address))
        return cli_fail(CLI_NOT_THERE, "process %ld works with data folder %s: ask it, with --url %s", pid, path,
                        address);
    return cli_fail(CLI_NOT_THERE,
                    "process %ld works with data folder %s: ask it, with --url and the address of its --admin-listen",
                    pid, path);
}

/* ---- Reading ---- */

backend *offline_open(const char *path, cli_end *end)
{
    char error[BACKEND_ERROR_MAX];
    backend *b = rocks_open_reading(path, error, sizeof error);
    *end = CLI_DONE;
    if (b) return b;
    *end = strstr(error, "it is in use by") ? fail_in_use(path) : cli_fail(CLI_REFUSED, "%s", error);
    return NULL;
}

void offline_close(backend *b) { b->ops->close(b); }

cli_end offline_walk(backend *b, const run_id *before, bool (*each)(void *arg, const run_id *id), void *arg)
{
    static run_id ids[PAGE];
    run_id last;
    const char *error = NULL;
    for (;;) {
        long n = b->ops->list(b, before, PAGE, ids, &error);
        if (n < 0) return cli_fail(CLI_REFUSED, "the runs cannot be listed: %s", error);
        for (long i = 0; i < n; i++)
            if (!each(arg, &ids[i])) return CLI_DONE;
        if (n < PAGE) return CLI_DONE;
        last = ids[n - 1];
        before = &last;
    }
}

cli_end offline_load(backend *b, const char *id, store_journal *out)
{
    *out = (store_journal){.data = NULL};
    if (!run_id_parse(id, strlen(id), &out->run)) return cli_fail(CLI_USAGE, "\"%s\" is no run id", id);
    b->ops->load(b, out, 0);
    bool is_there = out->found || out->live;
    if (out->error && !is_there) return cli_fail(CLI_REFUSED, "run %s cannot be read: %s", id, out->error);
    if (!is_there) return cli_fail(CLI_REFUSED, "there is no run %s in this folder", id);
    return CLI_DONE;
}
