/* A scrape of the metrics holds no loop, its page is whole or 503, and a reply that no client has is counted as cut. */
#include "runtime/observe/metrics_page.h"
#include "tests/harness/turned.h"

/* ---- Memory, which is short on other threads than the test's own ---- */

static pthread_t own;
static unsigned reallocs; /* atomic; of other threads, so far */
static unsigned refused;  /* the number of the one that fails; 0: none */

void *__real_realloc(void *block, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes)
{
    bool counts = !pthread_equal(pthread_self(), own);
    bool fails = counts && __atomic_add_fetch(&reallocs, 1, __ATOMIC_SEQ_CST) == refused;
    return fails ? NULL : __real_realloc(block, bytes);
}

/* ---- The program ---- */

static bool go;

static void on_quick(sw_ctx *c) { sw_reply_text(c, 200, "quick"); }

static void on_held(sw_ctx *c)
{
    while (!go) sw_sleep(c, "hold", 1);
    sw_reply_text(c, 200, "held");
}

static void routes(sw_app *app)
{
    sw_route(app, "GET /quick", on_quick);
    sw_route(app, "GET /held", on_held);
}

static void start(void)
{
    own = pthread_self();
    CHECK(setenv("UV_THREADPOOL_SIZE", "1", 1) == 0); /* obeyed by the first work of the process */
    go = false;
    refused = 0;
    turned_open(routes, NULL);
}

static int send_scrape(void) { return turned_ask("GET", "/_sw/metrics", ""); }

/* ---- Tests ---- */

static uv_sem_t occupied, free_again;
static bool is_free;

static void occupy(uv_work_t *work)
{
    (void)work;
    uv_sem_post(&occupied);
    uv_sem_wait(&free_again);
}

static void on_free(uv_work_t *work, int status)
{
    (void)work;
    CHECK_INT(status, 0);
    is_free = true;
}

static void test_holds_no_loop(void)
{
    uv_work_t work;
    char text[TURNED_TEXT] = "";
    start();
    CHECK(uv_sem_init(&occupied, 0) == 0 && uv_sem_init(&free_again, 0) == 0);
    CHECK_INT(uv_queue_work(turned_home()->uv, &work, occupy, on_free), 0);
    uv_sem_wait(&occupied);
    int scrape = send_scrape();
    turned_often();
    CHECK_INT(turned_reply(turned_send("GET", "/quick", ""), text), 200);
    text[0] = 0;
    CHECK(turned_read(scrape, text) && text[0] == 0); /* the page waits for the pool, and the loop did not */
    uv_sem_post(&free_again);
    CHECK_INT(turned_reply(scrape, text), 200);
    TURN_UNTIL(is_free);
    turned_close();
    uv_sem_destroy(&occupied);
    uv_sem_destroy(&free_again);
}

static void test_whole_or_503(void)
{
    char text[TURNED_TEXT];
    int status = 0;
    start();
    while (status != 200) {
        reallocs = 0;
        refused++;
        status = turned_reply(send_scrape(), text);
        CHECK(status == 200 ? reallocs < refused : status == 503 && strstr(text, "\r\nRetry-After: 5\r\n"));
    }
    CHECK(refused > 2); /* the page grew, and so did a series' labels */
    turned_close();
}

/* The count of the metric with these labels. */
static long count_of(const char *series)
{
    msgpack_sbuffer page;
    msgpack_sbuffer_init(&page);
    CHECK(metrics_page_write(&page, turned_app) && msgpack_sbuffer_write(&page, "", 1) == 0);
    const char *at = strstr(page.data, series);
    long count = at ? strtol(at + strlen(series), NULL, 10) : 0;
    msgpack_sbuffer_destroy(&page);
    return count;
}

/* The client resets its connection while the handler works, which replies all the same. */
static void test_cut(void)
{
    static const char series[] = "\nstepwell_http_request_duration_seconds_count{endpoint=\"GET /held\",code=\"%s\"} ";
    const struct linger reset = {.l_onoff = 1};
    char cut[128], replied[128];
    snprintf(cut, sizeof cut, series, "cut");
    snprintf(replied, sizeof replied, series, "200");
    start();
    int fd = turned_send("GET", "/held", "");
    TURN_UNTIL(turned_home()->runs.count == 1);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
    close(fd);
    turned_often();
    go = true;
    TURN_UNTIL(turned_home()->runs.count == 0);
    CHECK_INT(count_of(cut), 1);
    CHECK_INT(count_of(replied), 0);
    turned_close();
}

static const check_case cases[] = {{"a scrape holds no loop", test_holds_no_loop},
                                   {"a page is whole, or 503", test_whole_or_503},
                                   {"a reply to a client that has gone counts as cut", test_cut}};
CHECK_MAIN(cases)
