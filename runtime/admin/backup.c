#include "runtime/admin/backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/uri.h"
#include "runtime/base/log.h"
#include "runtime/base/problem.h"
#include "runtime/run/program.h"

enum { NAME_MAX_BYTES = 128, PATH_MAX_BYTES = 3000, QUERY_MAX_BYTES = 1024 };

typedef struct backup {
    home *home;
    http_exchange *x;
    int64_t began_ms;
    char path[PATH_MAX_BYTES];
} backup;

static void on_gone(http_exchange *x) { (void)x; /* the copy is made; then the exchange is ended */ }

/* A plain file name: what it is made of cannot lead elsewhere. */
static bool name_good(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= NAME_MAX_BYTES && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

static void on_done(void *arg, store_backup_result result, uint64_t bytes, const char *error)
{
    backup *b = arg;
    http_exchange *x = b->x;
    __atomic_store_n(&b->home->app->backing_up, false, __ATOMIC_RELEASE);
    if (result == STORE_BACKUP_DONE) {
        char body[QUERY_MAX_BYTES];
        int64_t took_ms = clock_steady_ms() - b->began_ms;
        const char *name = strrchr(b->path, '/') + 1;
        int len = snprintf(body, sizeof body, "{\"name\":\"%s\",\"bytes\":%" PRIu64 ",\"tookMs\":%lld}\n", name, bytes,
                           (long long)took_ms);
        http_reply_header type = {"Content-Type", "application/json"};
        log_line(LOG_INFO, NULL, "backup %s: %" PRIu64 " bytes in %lld ms", b->path, bytes, (long long)took_ms);
        http_reply(x, 201, &type, 1, body, (size_t)len);
    } else {
        log_line(LOG_ERROR, NULL, "no backup: %s", error);
        problem_reply(x,
                      result == STORE_BACKUP_EXISTS     ? 409
                      : result == STORE_BACKUP_NO_SPACE ? 507
                                                        : 500,
                      error, NULL);
    }
    free(b);
}

void backup_answer(home *h, http_exchange *x)
{
    const http_request *q = http_exchange_request(x);
    const char *dir = h->opt->backup_dir;
    char name[QUERY_MAX_BYTES] = "";
    if (!dir || !*dir || !h->port) {
        problem_reply(x, 409, "start with --backup-dir DIR, the folder that backups go to", NULL);
        return;
    }
    bool given = q->query.len < sizeof name && uri_query(q->query.data, q->query.len, "name", name);
    if (!given || !name_good(name)) {
        problem_reply(x, 400, "\"name\" is 1 to 128 letters, digits, '-', '_' and '.', not '.' first", NULL);
        return;
    }
    backup *b = malloc(sizeof *b);
    if (!b) {
        problem_reply(x, 503, "out of memory", "5");
        return;
    }
    *b = (backup){.home = h, .x = x, .began_ms = clock_steady_ms()};
    if (snprintf(b->path, sizeof b->path, "%s/%s", dir, name) >= (int)sizeof b->path) {
        free(b);
        problem_reply(x, 409, "the path of --backup-dir is too long", NULL);
        return;
    }
    if (__atomic_exchange_n(&h->app->backing_up, true, __ATOMIC_ACQ_REL)) {
        free(b);
        problem_reply(x, 409, "another backup is being made", "5");
        return;
    }
    http_exchange_on_gone(x, on_gone);
    if (store_backup(h->port, b->path, on_done, b)) return;
    __atomic_store_n(&h->app->backing_up, false, __ATOMIC_RELEASE);
    free(b);
    problem_reply(x, 503, store_no_memory, "5");
}
