/* functions: asking a server for runs of functions, as the tests of functions do. One server at a time, one run: the
 * one that began last. Included by one file of a program. */
#ifndef TESTS_SERVICE_FUNCTIONS_H
#define TESTS_SERVICE_FUNCTIONS_H

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { HOUR_MS = 3600000 };

/* What the test and its server note. */
typedef struct notes {
    volatile int steps, mended, gone_on;
} notes;
static notes *seen;

static char data[128], id[32], output_path[512];
static answer a;

static inline void start_with(const char *flag, const char *value)
{
    const char *const flags[] = {"--data", data,           "--dev", "--loops", "2",   "--hold",
                                 "30s",    "--park-after", "0",     flag,      value, NULL};
    served_start(&server, flags);
}

static inline void in_folder(const char *name)
{
    snprintf(data, sizeof data, "%s/%s", root, name);
    memset(seen, 0, sizeof *seen);
}

static inline void start_in(const char *name)
{
    in_folder(name);
    start_with(NULL, NULL);
}

static inline void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static inline long post(const char *name, const char *header, const char *body)
{
    char path[512];
    snprintf(path, sizeof path, "/_sw/functions/%s", name);
    call("POST", server_url(path), (const char *const[]){header, NULL}, body, 0, &a);
    return a.status;
}

/* Notes where the answer of the run will be that the server has just accepted. */
static inline void note_output(void)
{
    const char *url = strstr(a.body, "\"outputUrl\":\"");
    CHECK_INT(a.status, 202);
    CHECK(url && sscanf(url, "\"outputUrl\":\"%511[^\"]\"", output_path) == 1);
}

/* Begins a run, and notes its id and where its answer will be. */
static inline void begin(const char *name, const char *body)
{
    CHECK_INT(post(name, NULL, body), 202);
    CHECK(sscanf(a.body, "{\"runId\":\"%31[^\"]\"", id) == 1);
    note_output();
}

enum { ROUNDS_MAX = 50 /* of --hold, at an output URL */ };

/* What the run has answered whose output was noted last. */
static inline const char *output(long status)
{
    const char *path = strstr(output_path, "/_sw/");
    CHECK(path);
    call("GET", server_url(path), NULL, NULL, ROUNDS_MAX, &a);
    CHECK_INT(a.status, status);
    return a.body;
}

static inline const char *result_of(const char *name, const char *body)
{
    begin(name, body);
    return output(200);
}

/* The page at that path, which goes on with `rest`. */
static inline const char *page(const char *begins, const char *rest)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", begins, rest);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    return a.body;
}

static inline void wait_for_state(const char *state)
{
    char words[64];
    snprintf(words, sizeof words, "\"state\":\"%s\"", state);
    while (!strstr(page("/_sw/runs/", id), words)) usleep(10000);
}

#endif
