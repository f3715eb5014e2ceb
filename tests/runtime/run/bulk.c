/* A bulk action on a disk that fails: at whichever write, however the write fails, each run is acted on once and none
 * is left out. */
#include "tests/harness/turned.h"

enum { NAPS = 6 };
static run_id naps[NAPS];
static char text[TURNED_TEXT];

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static void routes(sw_app *app) { sw_endpoint(app, "POST /nap", on_nap, NULL); }

static const slot *slot_of(const run_id *id) { return slot_find(&turned_home()->slots, id); }

static void open_with_naps(void)
{
    static const char *const flags[] = {"--park-after", "0", NULL};
    turned_open(routes, flags);
    for (int i = 0; i < NAPS; i++) naps[i] = turned_begin("POST /nap")->id;
    for (int i = 0; i < NAPS; i++) TURN_UNTIL(slot_of(&naps[i]) && slot_of(&naps[i])->state == SLOT_PARKED);
}

static int send_bulk(const char *body)
{
    char request[1024];
    int fd = turned_connect();
    int len = snprintf(request, sizeof request,
                       "POST /_sw/bulk HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: %zu\r\n"
                       "Authorization: Bearer " TURNED_ADMIN "\r\n\r\n%s",
                       strlen(body), body);
    CHECK_INT(write(fd, request, (size_t)len), len);
    return fd;
}

static bool begin_bulk(const char *action, run_id *id)
{
    char body[256];
    (void)snprintf(body, sizeof body, "{\"action\":\"%s\",\"filter\":{\"endpoint\":\"POST /nap\"},\"perSecond\":10000}",
                   action);
    int status = turned_reply(send_bulk(body), text);
    const char *at = strstr(text, "\"runId\":\"");
    if (status != 202) return false;
    CHECK(at && run_id_parse(at + 9, RUN_ID_TEXT, id));
    return true;
}

/* Reads the response; the run may have to come back first. */
static void finish(const run_id *id)
{
    int status;
    do status = turned_reply(turned_send_to("GET", id, "/output"), text);
    while (status == 303 || status == 503);
    if (status != 200) printf("# %s\n", text);
    CHECK_INT(status, 200);
}

static void check_naps(const char *expected)
{
    turned_journal j;
    for (int i = 0; i < NAPS; i++) {
        turned_load(&naps[i], &j);
        CHECK_STR(j.text, expected);
    }
}

static void on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    (void)rows;
    CHECK(end && !error);
    *(long *)arg = (long)count;
}

static long rows_of(const char *table)
{
    long count = -1;
    CHECK(store_scan(turned_home()->port, &(store_range){.table = table, .rows_max = 100}, on_rows, &count));
    TURN_UNTIL(count >= 0);
    return count;
}

/* Returns whether the fault has come before the end. */
static bool try_fault(memory_fault fault, unsigned skip)
{
    run_id id;
    open_with_naps();
    uint64_t before = memory_writes(turned_disk);
    memory_fail(turned_disk, fault, skip, false);
    bool begun = begin_bulk("stop", &id);
    if (!begun) { /* it was not done, which the answer says */
        TURN_UNTIL(gate_writable(turned_home()));
        begun = begin_bulk("stop", &id);
    }
    CHECK(begun);
    finish(&id);
    bool has_come = memory_writes(turned_disk) - before > skip;
    bool all_done = strstr(text, "{\"action\":\"stop\",\"done\":6,\"pending\":0,\"skipped\":{}}") != NULL;
    if (!all_done) printf("# fault %d at write %u: %s\n", (int)fault, skip, text);
    CHECK(all_done);
    check_naps("started; sleep nap; stopped");
    TURN_UNTIL(!turned_home()->undeleted && turned_home()->outbox.in_flight == 0);
    CHECK_INT(rows_of("inbox"), 0);
    CHECK_INT(rows_of("bulk"), 0);
    memory_fail(turned_disk, fault, 1000000, false);
    turned_close();
    return has_come;
}

static void test_faults(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    unsigned tried = 0;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        for (unsigned skip = 0; skip < 40 && try_fault(faults[i], skip); skip++) tried++;
    printf("# %u writes failed\n", tried);
    CHECK(tried > 12);
}

/* Runs that stand, sleep, have ended: all in one action. */
static void test_mixed(void)
{
    run_id id;
    open_with_naps();
    CHECK_INT(turned_reply(turned_send_to("DELETE", &naps[0], ""), text), 200);
    CHECK_INT(turned_reply(turned_send_stop(&naps[1], "by hand"), text), 200);
    CHECK(begin_bulk("stop", &id));
    finish(&id);
    CHECK(strstr(text, "\"done\":4,\"pending\":0,\"skipped\":{\"stopped already\":1,\"ended\":1}") ||
          strstr(text, "\"done\":4,\"pending\":0,\"skipped\":{\"ended\":1,\"stopped already\":1}"));
    CHECK(begin_bulk("release", &id));
    finish(&id);
    CHECK(strstr(text, "\"done\":5,\"pending\":0,\"skipped\":{\"ended\":1}"));
    CHECK(begin_bulk("cancel", &id));
    finish(&id);
    CHECK(strstr(text, "\"done\":5,\"pending\":0,\"skipped\":{\"ended\":1}"));
    CHECK_INT(rows_of("bulk"), 0);
    turned_close();
}

/* POST /_sw/runs would not ask what a bulk action may be asked. */
static void test_begun_by_others(void)
{
    open_with_naps();
    int fd = turned_connect();
    static const char body[] =
        "{\"endpoint\":\"POST /_sw/bulk\",\"target\":\"/_sw/bulk\",\"body\":{\"action\":\"cancel\","
        "\"filter\":{},\"by\":\"somebody else\"}}";
    char request[1024];
    int len = snprintf(request, sizeof request,
                       "POST /_sw/runs HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: %zu\r\n"
                       "Authorization: Bearer " TURNED_ADMIN "\r\n\r\n%s",
                       strlen(body), body);
    CHECK_INT(write(fd, request, (size_t)len), len);
    CHECK_INT(turned_reply(fd, text), 404);
    check_naps("started; sleep nap");
    turned_close();
}

static const check_case cases[] = {{"a write fails, each in turn", test_faults},
                                   {"runs in all states", test_mixed},
                                   {"nobody begins one past its checks", test_begun_by_others}};
CHECK_MAIN(cases)
