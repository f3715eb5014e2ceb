#include "runtime/admin/backup.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/admin/list_query.h"
#include "runtime/base/log.h"
#include "runtime/base/problem.h"
#include "runtime/run/program.h"

enum { NAME_BYTES_MAX = 128, PATH_BYTES = 3000, BODY_BYTES = NAME_BYTES_MAX + 96 };

/* A backup that is being made. Ends its exchange and frees itself with the answer. */
typedef struct backup {
    home *home;
    http_exchange *x;
    int64_t began_ms;
    char path[PATH_BYTES];
} backup;

static void backup_on_gone(http_exchange *x)
{
    (void)x; /* the copy is made all the same; then the exchange is ended */
}

static const char no_name[] = "\"name\" is 1 to 128 letters, digits, '-', '_' and '.', not '.' first";

/* Whether it is a plain file name: of these characters none leads to another folder. */
static bool backup_name_valid(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= NAME_BYTES_MAX && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

/* Copies the name to `arg`. Returns NULL, or what is wrong with the parameter. */
static const char *backup_take_parameter(void *arg, const char *name, const char *value)
{
    if (strcmp(name, "name") != 0) return list_query_unknown;
    if (!backup_name_valid(value)) return no_name;
    memcpy(arg, value, strlen(value) + 1);
    return NULL;
}

static int backup_status(store_backup_result result)
{
    switch (result) {
    case STORE_BACKUP_DONE:
        return 201;
    case STORE_BACKUP_EXISTS:
        return 409;
    case STORE_BACKUP_NO_SPACE:
        return 507;
    default:
        return 500;
    }
}

/* Takes no memory: the copy is made, and who asked for it is to know that. */
static void backup_reply(const backup *b, uint64_t bytes)
{
    char body[BODY_BYTES];
    http_reply_header type = {"Content-Type", "application/json"};
    long long took_ms = clock_steady_ms() - b->began_ms;
    const char *name = strrchr(b->path, '/') + 1;
    int len =
        snprintf(body, sizeof body, "{\"name\":\"%s\",\"bytes\":%" PRIu64 ",\"tookMs\":%lld}\n", name, bytes, took_ms);
    assert(len > 0 && (size_t)len < sizeof body);
    log_line(LOG_INFO, NULL, "backup %s: %" PRIu64 " bytes in %lld ms", b->path, bytes, took_ms);
    http_reply(b->x, backup_status(STORE_BACKUP_DONE), &type, 1, (http_text){body, (size_t)len});
}

static void backup_on_done(void *arg, store_backup_result result, uint64_t bytes, const char *error)
{
    backup *b = arg;
    assert(__atomic_load_n(&b->home->app->backing_up, __ATOMIC_RELAXED));
    __atomic_store_n(&b->home->app->backing_up, false, __ATOMIC_RELEASE);
    if (result == STORE_BACKUP_DONE) {
        backup_reply(b, bytes);
    } else {
        log_line(LOG_ERROR, NULL, "no backup: %s", error);
        problem_reply(b->x, backup_status(result), error, NULL);
    }
    free(b);
}

void backup_answer(home *h, http_exchange *x)
{
    const char *dir = h->opt->backup_dir;
    char name[NAME_BYTES_MAX + 1] = "", wrong[LIST_QUERY_WRONG];
    if (!dir || !*dir || !h->port) {
        problem_reply(x, 409, "start with --backup-dir DIR, the folder that backups go to", NULL);
        return;
    }
    const char *why = list_query_read(http_exchange_request(x)->query, "name", backup_take_parameter, name, wrong);
    if (why || !*name) {
        problem_reply(x, 400, why ? why : no_name, NULL);
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
    http_exchange_on_gone(x, backup_on_gone);
    if (store_backup(h->port, b->path, backup_on_done, b)) return;
    __atomic_store_n(&h->app->backing_up, false, __ATOMIC_RELEASE);
    free(b);
    problem_reply(x, 503, store_no_memory, "5");
}
